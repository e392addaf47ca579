# SPDX-License-Identifier: Apache-2.0
"""`exo train human`: trains the walking human by motion imitation and reinforcement learning."""

from __future__ import annotations

import argparse
import sys

from exo_lab.rl.config import STATE_FILE
from exo_lab.train.check import Check, CheckLog
from exo_lab.train.command_line import add_run_arguments, open_run, run_command, training_record, with_options
from exo_lab.train.config import load_training_config
from exo_lab.train.learners import human_mirror
from exo_lab.train.walking_env import Curriculum, WalkingEnvFactory
from exo_policy.checkpoint import load_checkpoint, save_checkpoint
from exo_sim.human.checkpoint import load_starting_policy
from exo_sim.human.observation import HUMAN_CONTRACT, POLICY_RATE_HZ


def parser() -> argparse.ArgumentParser:
    """Command line of `exo train human`."""
    p = argparse.ArgumentParser(prog="exo train human", description="Train the walking human (resumes a run folder)")
    add_run_arguments(p, "runs/human")
    p.add_argument(
        "--init",
        help="checkpoint whose policy the training starts from; it may know less of the observation than today's",
    )
    return p


def main(argv: list[str] | None = None) -> int:
    """Runs the training; returns the exit code."""
    return run_command("exo train human", train, parser().parse_args(argv))


def train(options: argparse.Namespace) -> int:
    """Trains as the command line says.

    Raises:
        SimError: a wrong configuration or option.
        CheckpointError: a state or checkpoint that cannot be used.
    """
    # torch and rsl_rl take seconds to import: after the options have been found right
    from exo_lab.rl.ppo import tensor_sizes
    from exo_lab.rl.runner import Trainer
    from exo_lab.rl.workers import WorkerPool

    config = with_options(load_training_config(*options.config), options)
    start = load_starting_policy(options.init) if options.init else None
    began = {"init_sha256": load_checkpoint(options.init)[1].sha256} if options.init else {}
    folder, document = open_run("exo train human", options, {**config.model_dump(mode="json"), **began})

    checks = CheckLog(folder / "checks.csv")

    def save(algorithm, metrics: dict[str, float]) -> None:
        tensors = algorithm.policy_tensors()
        sizes = tensor_sizes(tensors)
        manifest = {
            "kind": "human",
            "network": {"sizes": list(sizes), "observation_clip": None},
            "contract": HUMAN_CONTRACT.model_dump(),
            "training": training_record(document, metrics),
        }
        save_checkpoint(folder / "human", tensors, manifest)
        if checks.due(metrics["samples"], config.check_every_samples):
            check = Check.joined(pool.ask("check", sizes, tensors))
            checks.add(
                metrics["samples"],
                check,
                keep=lambda figures: save_checkpoint(folder / "best", tensors, {**manifest, "notes": figures}),
            )

    pool = WorkerPool(WalkingEnvFactory(config), config.workers, options.seed)
    try:
        trainer = Trainer(
            pool,
            config.ppo,
            human_mirror(),
            max_episode_steps=round(config.episode_s * POLICY_RATE_HZ),
            folder=folder,
            seed=options.seed,
            curriculum=Curriculum(config.curriculum),
            on_save=save,
            warm_up=0 if start is None else config.init_warm_up,
        )
        if start is not None and not (folder / STATE_FILE).exists():
            trainer.algorithm.load_policy(start)
        trainer.run(config.samples)
    finally:
        pool.close()
    print(
        f"{trainer.samples} samples in {trainer.seconds:.0f} s; newest checkpoint {folder / 'human'}, "
        f"best {folder / 'best'} ({checks.best})"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
