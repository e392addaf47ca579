# SPDX-License-Identifier: Apache-2.0
"""`exo train nerves`: a human whose network drives the muscles, by imitation and then by reinforcement."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from exo_lab.rl.workers import WorkerPool
from exo_lab.train.check import Check, CheckLog
from exo_lab.train.command_line import (
    add_run_arguments,
    refuse_another_training,
    run_command,
    training_document,
    training_record,
    with_options,
)
from exo_lab.train.nerves.config import NERVES_DEFAULTS, NervesTrainingConfig, load_nerves_config
from exo_lab.train.nerves.env import NervesEnvFactory
from exo_policy.checkpoint import load_checkpoint, save_checkpoint
from exo_sim.human.checkpoint import GOALS_KIND, NERVES_KIND, find_human
from exo_sim.human.senses import NERVES_CONTRACT

COMMAND = "exo train nerves"
IMITATION, REINFORCEMENT = "imitation", "reinforcement"
#: Checkpoints in a stage's folder: the newest, and the best by its checks.
NEWEST, BEST = "nerves", "best"


def parser() -> argparse.ArgumentParser:
    """Command line of `exo train nerves`."""
    p = argparse.ArgumentParser(
        prog=COMMAND,
        description="Train a human whose network drives all muscles: first it imitates the walker that sets joint targets, "
        "then it learns to walk cheaply. An unfinished training in the run folder goes on.",
    )
    add_run_arguments(p, "runs/nerves")
    p.add_argument(
        "--stage",
        choices=(IMITATION, REINFORCEMENT),
        help="stop after the first stage, or begin with the second (default: both, one after the other)",
    )
    p.add_argument(
        "--init",
        metavar="CHECKPOINT",
        help="nerves that the second stage begins from and stays near (default: the first's)",
    )
    return p


def main(argv: list[str] | None = None) -> int:
    """Runs the training; returns the exit code."""
    return run_command(COMMAND, train, parser().parse_args(argv))


def train(options: argparse.Namespace) -> int:
    """Trains as the command line says.

    Raises:
        SimError: a wrong configuration or option.
        CheckpointError: a state or checkpoint that cannot be used.
    """
    config = with_options(load_nerves_config(*options.config), options)
    began = {}
    for who, name, impaired in (
        ("teacher", config.teacher.healthy, False),
        ("impaired", config.teacher.impaired, True),
    ):
        began[f"{who}_sha256"] = load_checkpoint(find_human(name, impaired), kind=GOALS_KIND)[1].sha256
    if options.init:
        began["init_sha256"] = load_checkpoint(find_human(options.init), kind=NERVES_KIND, contract=NERVES_CONTRACT)[
            1
        ].sha256
    folder = Path(options.output)
    document = training_document(COMMAND, options, {**config.model_dump(mode="json"), **began})
    refuse_another_training(folder, document, NervesTrainingConfig, ("samples", "workers"), NERVES_DEFAULTS)
    start = find_human(options.init) if options.init else folder / IMITATION / BEST
    if options.stage != REINFORCEMENT and not options.init and not _imitate(config, folder, document, options.seed):
        return 0
    if options.stage != IMITATION:
        _reinforce(config, folder, document, options.seed, start)
    return 0


class _Saver:
    """Checkpoints of a stage, and its checks."""

    def __init__(self, folder: Path, document: dict, pool: WorkerPool):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._document, self._pool = folder, document, pool
        self.checks = CheckLog(folder / "checks.csv")

    def newest(
        self, sizes: tuple[int, ...], tensors: dict[str, np.ndarray], metrics: dict[str, float]
    ) -> dict[str, Any]:
        """Writes the newest checkpoint; returns its manifest."""
        finite = {name: value for name, value in metrics.items() if np.isfinite(value)}
        manifest = {
            "kind": NERVES_KIND,
            "network": {"sizes": list(sizes), "observation_clip": None},
            "contract": NERVES_CONTRACT.model_dump(),
            "training": training_record(self._document, finite),
        }
        save_checkpoint(self.folder / NEWEST, tensors, manifest)
        return manifest

    def check(self, sizes: tuple[int, ...], tensors: dict[str, np.ndarray], manifest: dict, samples: float) -> None:
        """Lets it walk, and keeps it where it is the best so far."""
        parts = [part for part in self._pool.ask("check", sizes, tensors) if part is not None]
        self.checks.add(
            samples,
            Check.joined(parts),
            keep=lambda figures: save_checkpoint(self.folder / BEST, tensors, {**manifest, "notes": figures}),
        )


def _imitate(config: NervesTrainingConfig, folder: Path, document: dict, seed: int) -> bool:
    """The first stage, if it is not complete; returns whether it is now."""
    from exo_lab.train.nerves.imitation import ROUNDS_FOLDER, Imitation, Memory

    folder = folder / IMITATION
    pool = WorkerPool(NervesEnvFactory(config), config.workers, seed)
    try:
        saver = _Saver(folder, document, pool)

        def on_check(student, row: dict[str, float]) -> None:
            tensors = student.tensors()
            saver.check(student.sizes, tensors, saver.newest(student.sizes, tensors, row), row["samples"])

        imitation = Imitation(pool, config.imitation, folder, seed, on_check)
        if not imitation.complete and imitation.run():
            Memory(folder / ROUNDS_FOLDER, config.imitation.remembered).forget()
        words = "complete" if imitation.complete else "stopped; the same command goes on"
        print(f"imitation {words}: {imitation.samples} samples, best {folder / BEST} ({saver.checks.best})")
        return imitation.complete
    finally:
        pool.close()


def _reinforce(config: NervesTrainingConfig, folder: Path, document: dict, seed: int, start: Path) -> None:
    """The second stage."""
    from exo_lab.rl.ppo import tensor_sizes
    from exo_lab.rl.runner import Trainer
    from exo_lab.train.nerves.reinforcement import RisingPrice, build_muscle_ppo
    from exo_sim.human.observation import COORDINATION_RATE_HZ

    folder, stage = folder / REINFORCEMENT, config.reinforcement
    tensors, manifest = load_checkpoint(start, kind=NERVES_KIND, contract=NERVES_CONTRACT)
    hidden = tuple(manifest.network.sizes[1:-1])
    ppo = stage.ppo.model_copy(update={"hidden_layers": hidden})
    pool = WorkerPool(NervesEnvFactory(config), config.workers, seed)
    try:
        saver = _Saver(folder, document, pool)

        def build(view, settings, mirror):
            algorithm = build_muscle_ppo(view, settings, mirror)
            algorithm.begin_from(tensors, stage)
            return algorithm

        def save(algorithm, metrics: dict[str, float]) -> None:
            learned = algorithm.policy_tensors()
            sizes = tensor_sizes(learned)
            written = saver.newest(sizes, learned, metrics)
            if saver.checks.due(metrics["samples"], stage.check_every_samples):
                saver.check(sizes, learned, written, metrics["samples"])

        trainer = Trainer(
            pool,
            ppo,
            None,
            max_episode_steps=round(config.episode_s * COORDINATION_RATE_HZ),
            folder=folder,
            seed=seed,
            curriculum=RisingPrice(stage.price, config.episode_s),
            on_save=save,
            warm_up=stage.init_warm_up,
            build=build,
        )
        trainer.run(config.samples)
        print(f"{trainer.samples} samples in {trainer.seconds:.0f} s; best {folder / BEST} ({saver.checks.best})")
    finally:
        pool.close()


if __name__ == "__main__":
    sys.exit(main())
