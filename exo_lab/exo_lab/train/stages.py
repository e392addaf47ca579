# SPDX-License-Identifier: Apache-2.0
"""One stage of an exoskeleton's training in a folder of its own: begins, goes on after a kill, says when it is done.

What a stage leaves: config.json (configuration, seed, git revision, what it began with), metrics.csv, the
checkpoints of device and human as they are after it, and, once it is complete, stage.json with its figures.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from exo_device.description import DeviceDescription
from exo_device.devices import without_weight
from exo_lab.rl.config import STATE_FILE
from exo_lab.train.check import check_walk
from exo_lab.train.command_line import CONFIG_FILE, training_record
from exo_lab.train.exo_config import EXO, HUMAN, ExoTrainingConfig, StageConfig
from exo_lab.train.exo_env import ENVIRONMENTS
from exo_lab.train.learners import exo_mirror, human_learner
from exo_policy.checkpoint import load_checkpoint, save_checkpoint
from exo_sim.human.observation import COORDINATION_RATE_HZ, HUMAN_CONTRACT
from exo_sim.measurement import git_revision, write_json

STAGE_FILE, HUMAN_STEM = "stage.json", "human"


@dataclass(frozen=True)
class StageInputs:
    """What a stage begins with: paths of checkpoints without suffix; None where there is none yet.

    `device_state` and `human_state` are the state files of the stages that trained the one and the other alone last:
    their critics are worth keeping.
    """

    human: Path
    device: Path | None = None
    device_state: Path | None = None
    human_state: Path | None = None


class InitialWeights(NamedTuple):
    """What one learner of a stage begins with.

    Attributes:
        state: file with the whole state of the stage that trained it alone last, whose critic and optimiser are worth
            keeping; None where there is none.
        policy: checkpoint, loaded after the state: the mean of the policy, where the state holds the newest.
    """

    state: Path | None
    policy: Path | None


def initial_weights(stage: StageConfig, before: StageInputs) -> dict[str, InitialWeights]:
    """What each learner of a stage begins with, by who learns; the human always begins as a person who can walk."""
    everybody = {
        HUMAN: InitialWeights(before.human_state, before.human),
        EXO: InitialWeights(before.device_state, before.device),
    }
    return {who: everybody[who] for who in stage.learns}


def stage_document(
    name: str, config: ExoTrainingConfig, device: DeviceDescription, began: dict[str, str], seed: int
) -> dict:
    """What config.json of a stage says; `began` are the digests of the checkpoints that it began with, by who."""
    return {
        "config": {
            **config.model_dump(mode="json"),
            "device": device.model_dump(mode="json"),
            "stage": name,
            "began_with_sha256": began,
        },
        "seed": seed,
        "git_revision": git_revision(),
    }


class EnvFactory:
    """Makes worker k's environments; picklable."""

    def __init__(self, learns: frozenset[str], config: ExoTrainingConfig, device: DeviceDescription, human: Path):
        self._learns, self._config, self._device, self._human = learns, config, device, str(human)

    def __call__(self, worker: int, seed: int):
        return ENVIRONMENTS[self._learns](self._config, self._device, self._human, seed)


class Stage:
    """One stage in its folder.

    Args:
        stage: who learns, and for how long.
        folder: of the stage.
        config: of the whole training.
        device: that is trained for.
        seed: of everything random.
    """

    def __init__(
        self, stage: StageConfig, folder: Path, config: ExoTrainingConfig, device: DeviceDescription, seed: int
    ):
        self.stage, self.folder, self._config, self._device, self._seed = stage, folder, config, device, seed

    @property
    def finished(self) -> bool:
        """Whether it is complete."""
        return (self.folder / STAGE_FILE).exists()

    def outputs(self, before: StageInputs) -> StageInputs:
        """What the next stage begins with."""
        human = self.folder / HUMAN_STEM
        if not (self.stage.learns and self.stage.samples):
            return replace(before, human=human)
        state = self.folder / STATE_FILE
        if EXO not in self.stage.learns:
            return replace(before, human=human, human_state=state)
        return StageInputs(
            human,
            self.folder / self._device.name,
            device_state=state,
            human_state=None if HUMAN in self.stage.learns else before.human_state,
        )

    def run(self, before: StageInputs) -> bool:
        """Runs the stage or goes on with it. Returns whether it is complete; False after a signal.

        Raises:
            SimError, CheckpointError: what it begins with cannot be used.
        """
        self._document = self._write_config(before)
        metrics, seconds = {}, 0.0
        if self.stage.learns and self.stage.samples:
            trainer = self._train(before)
            if trainer.samples < self.stage.samples and trainer.seconds < self.stage.limit_s:
                return False
            metrics, seconds = trainer.newest_metrics, trainer.seconds
        self._pass_on(before)
        left = self.outputs(before)
        check = check_walk(
            self._device if self.stage.learns and self.stage.worn else None,
            left.human,
            left.device if EXO in self.stage.learns else None,
            self._seed,
            self._config.wearer,
        )
        write_json(
            self.folder / STAGE_FILE,
            {
                "stage": self.stage.model_dump(mode="json"),
                "seed": self._seed,
                "git_revision": git_revision(),
                "seconds": seconds,
                "metrics": metrics,
                "check": check,
            },
        )
        return True

    def _write_config(self, before: StageInputs) -> dict:
        began = {HUMAN: load_checkpoint(before.human, kind=HUMAN)[1].sha256}
        if before.device is not None:
            began["device"] = load_checkpoint(before.device, kind=EXO)[1].sha256
        document = stage_document(self.stage.name, self._config, self._device, began, self._seed)
        write_json(self.folder / CONFIG_FILE, document)
        return document

    def _train(self, before: StageInputs):
        import torch

        from exo_lab.rl.runner import Trainer, load_state
        from exo_lab.rl.workers import WorkerPool

        config, learns = self._config, frozenset(self.stage.learns)
        fresh = not (self.folder / STATE_FILE).exists()
        contract = config.contract(self._device.joint_names)
        mirror = exo_mirror(contract) if config.symmetric else None
        human = human_learner(before.human, config, symmetric=mirror is not None)
        alone = learns == {HUMAN}
        # a policy whose critic is lost must not be led astray by one that knows nothing yet
        lost = before.device is not None and before.device_state is None
        steps = round(config.episode_s * COORDINATION_RATE_HZ)
        device = self._device if self.stage.worn else without_weight(self._device)
        pool = WorkerPool(EnvFactory(learns, config, device, before.human), config.workers, self._seed)
        try:
            trainer = Trainer(
                pool,
                human.config if alone else config.ppo,
                human.mirror if alone else mirror,
                max_episode_steps=steps // human.period if alone else steps,
                folder=self.folder,
                seed=self._seed,
                partner=human if HUMAN in learns and not alone else None,
                on_save=lambda algorithm, row: self._save_all(learners, row, contract),
                warm_up=human.warm_up if alone else config.human_warm_up if lost else 0,
            )
            learners = {HUMAN: trainer.algorithm} if alone else {EXO: trainer.algorithm}
            if trainer.partner_algorithm is not None:
                learners[HUMAN] = trainer.partner_algorithm
            if fresh:
                for who, begins in initial_weights(self.stage, before).items():
                    if begins.state is not None:
                        load_state(begins.state, learners[who])
                    if begins.policy is not None:
                        learners[who].load_policy(load_checkpoint(begins.policy, kind=who)[0])
                torch.manual_seed(self._seed)  # a state's random numbers are those of its own seed
            trainer.run(self.stage.samples, self.stage.limit_s)
        finally:
            pool.close()
        return trainer

    def _save_all(self, learners: dict, row: dict[str, float], contract) -> None:
        if EXO in learners:
            self._save(learners[EXO], row, self._device.name, EXO, contract)
        if HUMAN in learners:
            self._save(learners[HUMAN], row, HUMAN_STEM, HUMAN, HUMAN_CONTRACT)

    def _save(self, algorithm, row: dict[str, float], stem: str, kind: str, contract) -> None:
        from exo_lab.rl.ppo import tensor_sizes

        tensors = algorithm.policy_tensors()
        save_checkpoint(
            self.folder / stem,
            tensors,
            {
                "kind": kind,
                "network": {"sizes": list(tensor_sizes(tensors)), "observation_clip": None},
                "contract": contract.model_dump(),
                "training": training_record(self._document, row),
            },
        )

    def _pass_on(self, before: StageInputs) -> None:
        """Copies the human that did not learn, so that every stage's folder tells who walked."""
        if HUMAN in self.stage.learns and self.stage.samples:
            return
        copy_human(before.human, self.folder / HUMAN_STEM)


def copy_human(source: Path, target: Path) -> None:
    """Copies a walker's checkpoint (paths without suffix).

    Raises:
        CheckpointError: it cannot be used.
    """
    tensors, manifest = load_checkpoint(source, kind=HUMAN, contract=HUMAN_CONTRACT)
    save_checkpoint(target, tensors, manifest)
