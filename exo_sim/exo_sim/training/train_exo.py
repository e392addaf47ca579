# SPDX-License-Identifier: Apache-2.0
"""`exo train exo`: trains an exoskeleton policy against the walking human, from what a worn device senses."""
from __future__ import annotations

import argparse
import os
import sys

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from exo_device.description import DeviceDescription  # noqa: E402
from exo_policy.checkpoint import load_checkpoint, save_checkpoint  # noqa: E402
from exo_policy.observation import exo_contract  # noqa: E402

from exo_sim.body.devices import find_device  # noqa: E402
from exo_sim.errors import SimError  # noqa: E402
from exo_sim.human.checkpoint import load_human, shipped_human  # noqa: E402
from exo_sim.human.observation import COORDINATION_RATE_HZ  # noqa: E402
from exo_sim.training.command_line import (add_run_arguments, open_run, run_command, training_record,  # noqa: E402
                                           with_options)
from exo_sim.training.exo_config import ExoTrainingConfig, load_exo_config  # noqa: E402
from exo_sim.training.exo_env import ExoEnv  # noqa: E402
from exo_sim.training.exo_mirror import exo_mirror  # noqa: E402


class ExoEnvFactory:
    """Makes worker k's environments; picklable."""

    def __init__(self, config: ExoTrainingConfig, device: DeviceDescription, human: str | None):
        self._config, self._device, self._human = config, device, human

    def __call__(self, worker: int, seed: int) -> ExoEnv:
        return ExoEnv(self._config, self._device, self._human, seed)


class NoCurriculum:
    """The same task from the first step to the last."""

    def __call__(self, samples: int, episode_s: float) -> dict:
        """No settings."""
        return {}

    def resume(self, settings: dict) -> None:
        """Nothing to resume."""


def parser() -> argparse.ArgumentParser:
    """Command line of `exo train exo`."""
    p = argparse.ArgumentParser(prog="exo train exo",
                                description="Train an exoskeleton policy (resumes a run folder)")
    p.add_argument("--device", default="hip_ankle", help="name or YAML of the device (default: %(default)s)")
    p.add_argument("--human", default=None, help="checkpoint of the human (default: the one of the project)")
    add_run_arguments(p, "runs/exo")
    return p


def main(argv: list[str] | None = None) -> int:
    """Runs the training; returns the exit code."""
    return run_command("exo train exo", train, parser().parse_args(argv))


def train(options: argparse.Namespace) -> int:
    """Trains as the command line says.

    Raises:
        SimError, DeviceError, CheckpointError: a wrong configuration, device, human or state.
    """
    from exo_policy.training.ppo import actor_tensors, tensor_sizes
    from exo_policy.training.trainer import Trainer
    from exo_policy.training.worker_pool import WorkerPool

    config = with_options(load_exo_config(options.config), options)
    device = find_device(options.device)
    if device is None:
        raise SimError("--device none has no policy to train; name a device")
    human = str(options.human or shipped_human())
    load_human(human)
    _, human_manifest = load_checkpoint(human, kind="human")
    contract = exo_contract(device.joint_names, history=config.history, rate_hz=COORDINATION_RATE_HZ)
    # which human it was trained against is part of what it is
    folder, document = open_run(options, {**config.model_dump(mode="json"), "device": device.model_dump(mode="json"),
                                          "human_sha256": human_manifest.sha256})

    def save(algorithm, metrics: dict[str, float]) -> None:
        tensors = actor_tensors(algorithm)
        save_checkpoint(folder / device.name, tensors, {
            "kind": "exo", "network": {"sizes": list(tensor_sizes(tensors)), "observation_clip": None},
            "contract": contract.model_dump(),
            "training": training_record(document, metrics)})

    pool = WorkerPool(ExoEnvFactory(config, device, options.human), config.workers, options.seed)
    try:
        trainer = Trainer(pool, config.ppo, exo_mirror(contract),
                          max_episode_steps=round(config.episode_s * COORDINATION_RATE_HZ), folder=folder,
                          seed=options.seed, curriculum=NoCurriculum(), on_save=save)
        trainer.run(config.samples)
    finally:
        pool.close()
    print(f"{trainer.samples} samples in {trainer.seconds:.0f} s; checkpoint {folder / device.name}.safetensors")
    return 0


if __name__ == "__main__":
    sys.exit(main())
