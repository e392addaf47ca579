# SPDX-License-Identifier: Apache-2.0
"""Teaches a human's network its compensations: it imitates itself with them, on the states that it meets when it walks
(DAgger, Ross et al. 2011, AISTATS).

Afterwards there is one network, of the same size, that can be run and trained on like any other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from tensordict import TensorDict

from exo_lab.csv_log import CsvLog
from exo_lab.pool import one_thread, progress_bar
from exo_lab.rl.ppo import OBSERVATION_GROUP, LearnerView, build_ppo
from exo_lab.rl.workers import WorkerPool
from exo_lab.train.config import HumanTrainingConfig
from exo_lab.train.learners import human_mirror
from exo_lab.train.walking_env import Curriculum, WalkingEnvFactory
from exo_policy.checkpoint import load_checkpoint, save_checkpoint
from exo_sim.gait.reference import JOINTS
from exo_sim.human.checkpoint import load_human
from exo_sim.human.motor_adaptation import STRENGTH_SCALE, STRENGTH_SLICE, compensating_adaptations
from exo_sim.human.observation import POLICY_RATE_HZ

PUPIL_STEM, LOG_FILE = "pupil", "teaching.csv"


class Teacher:
    """The walker with its compensations: what it would do, from what it observes.

    Args:
        human: checkpoint of the walker.
        rows: (9, ADAPTATION_SIZE), see exo_sim.human.motor_adaptation.
    """

    def __init__(self, human: Path, rows: np.ndarray):
        self._human, self._rows = load_human(human), rows

    def __call__(self, observation: np.ndarray) -> np.ndarray:
        """Actions (n, 14) for observations (n, O)."""
        adaptations = compensating_adaptations(self._rows, 1.0 + observation[:, STRENGTH_SLICE] / STRENGTH_SCALE)
        return self._human(adaptations.perceive(observation)) + adaptations.posture


def teach(
    config: HumanTrainingConfig, human: Path, rows: np.ndarray, folder: Path, seed: int, manifest: Mapping
) -> dict[str, float]:
    """Teaches the walker of a checkpoint its compensations; goes on where it was.

    Args:
        config: of the training; its last stage of the curriculum is who is met.
        folder: gets the pupil's checkpoint after every round, and the log.
        manifest: of the checkpoint, without network and tensors.

    Returns:
        the last row of the log: error is the root mean square of the pupil's action less the teacher's.
    """
    settings, teacher = config.compensations, Teacher(human, rows)
    log = CsvLog(folder / LOG_FILE)
    begun = len(log.rows)
    start = folder / PUPIL_STEM if begun else human
    tensors, before = load_checkpoint(start, kind="human")
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    random = np.random.default_rng((seed, begun))
    with one_thread(), progress_bar() as progress:
        bar = progress.add_task("teaching", total=settings.rounds, completed=begun)
        pool = WorkerPool(WalkingEnvFactory(config), config.workers, seed + begun)
        try:
            pool.configure(Curriculum(config.curriculum)(0, math.inf))
            first = pool.reset()
            view = LearnerView(first, len(JOINTS), round(config.episode_s * POLICY_RATE_HZ))
            algorithm = build_ppo(view, config.ppo, human_mirror())
            algorithm.load_policy(tensors)
            actor = algorithm.get_policy()
            optimiser = torch.optim.Adam([p for name, p in actor.named_parameters() if "mlp" in name])
            seen = np.zeros((0, pool.observation_size), dtype=np.float32)
            for number in range(begun, settings.rounds):
                walked = pool.rollout(algorithm.sampling_policy(), settings.round_steps, seed + number)
                met = walked.observation[:-1].reshape(-1, pool.observation_size)
                error = float(np.sqrt(np.mean((walked.mean.reshape(-1, len(JOINTS)) - teacher(met)) ** 2)))
                seen = np.concatenate([seen, met])[-settings.remembered :]
                share = number / max(1, settings.rounds - 1)
                for group in optimiser.param_groups:
                    group["lr"] = (
                        settings.learning_rate * (settings.last_learning_rate / settings.learning_rate) ** share
                    )
                wanted = teacher(seen)
                for _ in range(settings.batches):
                    chosen = random.integers(len(seen), size=settings.batch)
                    done = actor(TensorDict({OBSERVATION_GROUP: torch.from_numpy(seen[chosen])}, [settings.batch]))
                    loss = torch.nn.functional.mse_loss(done, torch.from_numpy(wanted[chosen]))
                    optimiser.zero_grad()
                    loss.backward()
                    optimiser.step()
                seconds = walked.episode_seconds
                algorithm.average.restart()
                save_checkpoint(
                    folder / PUPIL_STEM,
                    algorithm.policy_tensors(),
                    {**manifest, "network": before.network.model_dump()},
                )
                log.add(
                    {
                        "round": number + 1,
                        "error": error,
                        "loss": math.sqrt(float(loss.detach())),
                        "episode_s": float(np.mean(seconds)) if seconds else math.nan,
                    }
                )
                progress.advance(bar)
        finally:
            pool.close()
    return log.rows[-1]
