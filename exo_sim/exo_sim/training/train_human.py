# SPDX-License-Identifier: Apache-2.0
"""`exo train human`: trains the walking human by motion imitation and reinforcement learning."""
from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

#: OpenMP threads must sleep, not spin, between the pieces of work of a process that shares two cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from exo_policy.checkpoint import CheckpointError, load_checkpoint, save_checkpoint  # noqa: E402
from exo_device.description import DeviceError  # noqa: E402

from exo_sim.errors import SimError  # noqa: E402
from exo_sim.gait.reference import JOINTS  # noqa: E402
from exo_sim.human.contract import HUMAN_CONTRACT  # noqa: E402
from exo_sim.human.observation import POLICY_RATE_HZ, action_mirror_index, mirror_map  # noqa: E402
from exo_sim.measurement.provenance import git_revision  # noqa: E402
from exo_sim.training.config import HumanTrainingConfig, load_training_config  # noqa: E402
from exo_sim.training.curriculum import Curriculum  # noqa: E402
from exo_sim.training.walking_env import WalkingEnv  # noqa: E402


class WalkingEnvFactory:
    """Makes worker k's environments; picklable."""

    def __init__(self, config: HumanTrainingConfig):
        self._config = config

    def __call__(self, worker: int, seed: int) -> WalkingEnv:
        return WalkingEnv(self._config, self._config.devices[worker % len(self._config.devices)], seed)


def parser() -> argparse.ArgumentParser:
    """Command line of `exo train human`."""
    p = argparse.ArgumentParser(prog="exo train human", description="Train the walking human (resumes a run folder)")
    p.add_argument("--config", help="YAML with changes to the default training configuration")
    p.add_argument("--output", default="runs/human", help="run folder; an unfinished run in it goes on")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--samples", type=int, help="environment steps to train for, in total")
    p.add_argument("--workers", type=int, help="worker processes; as many as there are cores is best")
    p.add_argument("--init", help="checkpoint whose policy the training starts from")
    return p


def main(argv: list[str] | None = None) -> int:
    """Runs the training; returns the exit code."""
    options = parser().parse_args(argv)
    try:
        return train(options)
    except (SimError, DeviceError, CheckpointError, OSError) as error:
        print(f"exo train human: {error}", file=sys.stderr)
        return 2


def train(options: argparse.Namespace) -> int:
    """Trains as the command line says.

    Raises:
        SimError: a wrong configuration or option.
        CheckpointError: a state or checkpoint that cannot be used.
    """
    # torch and rsl_rl take seconds to import: after the options have been found right
    from exo_policy.training.ppo import actor_tensors, load_actor, tensor_sizes
    from exo_policy.training.mirror import MirrorMap
    from exo_policy.training.trainer import STATE_FILE, Trainer, write_json
    from exo_policy.training.worker_pool import WorkerPool

    config = load_training_config(options.config)
    changes = {name: getattr(options, name) for name in ("samples", "workers") if getattr(options, name)}
    config = config.model_copy(update=changes)
    folder = Path(options.output)
    folder.mkdir(parents=True, exist_ok=True)
    revision = git_revision()
    document = {"config": config.model_dump(mode="json"), "seed": options.seed, "git_revision": revision}
    write_json(folder / "config.json", document)
    start = load_checkpoint(options.init, kind="human", contract=HUMAN_CONTRACT) if options.init else None

    def save(algorithm, metrics: dict[str, float]) -> None:
        tensors = actor_tensors(algorithm)
        save_checkpoint(folder / "human", tensors, {
            "kind": "human",
            "network": {"sizes": list(tensor_sizes(tensors)), "observation_clip": None},
            "contract": HUMAN_CONTRACT.model_dump(),
            "training": {**document, "samples": int(metrics["samples"]),
                         "metrics": {k: float(f"{v:.6g}") for k, v in metrics.items()}},
        })

    pool = WorkerPool(WalkingEnvFactory(config), config.workers, options.seed)
    try:
        index, sign = mirror_map()
        mirror = MirrorMap(tuple(index.tolist()), tuple(sign.tolist()), tuple(action_mirror_index().tolist()),
                           (1.0,) * len(JOINTS))
        trainer = Trainer(pool, config.ppo, mirror,
                          max_episode_steps=round(config.episode_s * POLICY_RATE_HZ), folder=folder,
                          seed=options.seed, curriculum=Curriculum(config.curriculum), on_save=save)
        if start is not None and not (folder / STATE_FILE).exists():
            load_actor(trainer.algorithm, start[0])
        trainer.run(config.samples)
    finally:
        pool.close()
    print(f"{trainer.samples} samples in {trainer.seconds:.0f} s; checkpoint {folder / 'human'}.safetensors")
    return 0


if __name__ == "__main__":
    sys.exit(main())
