# SPDX-License-Identifier: Apache-2.0
"""`exo train exo`: trains an exoskeleton policy against the walking human, from what a worn device senses."""
from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from exo_device.description import DeviceDescription, DeviceError  # noqa: E402
from exo_policy.checkpoint import CheckpointError, load_checkpoint, save_checkpoint  # noqa: E402
from exo_policy.observation import exo_contract  # noqa: E402

from exo_sim.body.devices import find_device  # noqa: E402
from exo_sim.errors import SimError  # noqa: E402
from exo_sim.human.checkpoint import load_human, shipped_human  # noqa: E402
from exo_sim.human.observation import COORDINATION_RATE_HZ  # noqa: E402
from exo_sim.measurement.provenance import git_revision  # noqa: E402
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
    p.add_argument("--config", help="YAML with changes to the default training configuration")
    p.add_argument("--output", default="runs/exo", help="run folder; an unfinished run in it goes on")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--samples", type=int, help="environment steps to train for, in total")
    p.add_argument("--workers", type=int, help="worker processes; as many as there are cores is best")
    return p


def main(argv: list[str] | None = None) -> int:
    """Runs the training; returns the exit code."""
    options = parser().parse_args(argv)
    try:
        return train(options)
    except (SimError, DeviceError, CheckpointError, OSError) as error:
        print(f"exo train exo: {error}", file=sys.stderr)
        return 2


def train(options: argparse.Namespace) -> int:
    """Trains as the command line says.

    Raises:
        SimError, DeviceError, CheckpointError: a wrong configuration, device, human or state.
    """
    from exo_policy.training.ppo import actor_tensors, tensor_sizes
    from exo_policy.training.trainer import Trainer, write_json
    from exo_policy.training.worker_pool import WorkerPool

    config = load_exo_config(options.config)
    config = config.model_copy(
        update={name: getattr(options, name) for name in ("samples", "workers") if getattr(options, name)})
    device = find_device(options.device)
    if device is None:
        raise SimError("--device none has no policy to train; name a device")
    human = str(options.human or shipped_human())
    load_human(human)
    _, human_manifest = load_checkpoint(human, kind="human")
    contract = exo_contract(device.joint_names, history=config.history, rate_hz=COORDINATION_RATE_HZ)
    folder = Path(options.output)
    folder.mkdir(parents=True, exist_ok=True)
    # which human it was trained against is part of what it is
    document = {"config": {**config.model_dump(mode="json"), "device": device.model_dump(mode="json"),
                           "human_sha256": human_manifest.sha256},
                "seed": options.seed, "git_revision": git_revision()}
    write_json(folder / "config.json", document)

    def save(algorithm, metrics: dict[str, float]) -> None:
        tensors = actor_tensors(algorithm)
        save_checkpoint(folder / device.name, tensors, {
            "kind": "exo", "network": {"sizes": list(tensor_sizes(tensors)), "observation_clip": None},
            "contract": contract.model_dump(),
            "training": {**document, "samples": int(metrics["samples"]),
                         "metrics": {k: float(f"{v:.6g}") for k, v in metrics.items()}}})

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
