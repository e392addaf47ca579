# SPDX-License-Identifier: Apache-2.0
"""`exo train exo`: trains an exoskeleton policy with a walking human, in stages, from what a worn device senses."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from exo_device.devices import find_device
from exo_lab.train.command_line import (
    EXIT_STOPPED,
    add_run_arguments,
    refuse_another_training,
    run_command,
    training_document,
)
from exo_lab.train.exo_config import EXO, HUMAN, ExoTrainingConfig, StageConfig, load_exo_config
from exo_lab.train.stages import Stage, StageInputs
from exo_policy.checkpoint import load_checkpoint
from exo_sim.errors import SimError
from exo_sim.human.checkpoint import load_human, shipped_human
from exo_sim.measurement import write_json

RESULT_FILE = "result.json"


def parser() -> argparse.ArgumentParser:
    """Command line of `exo train exo`."""
    p = argparse.ArgumentParser(
        prog="exo train exo", description="Train an exoskeleton policy in stages (resumes a run folder, at any stage)"
    )
    p.add_argument("--device", default="hip_ankle", help="name or YAML of the device (default: %(default)s)")
    p.add_argument(
        "--human",
        default=None,
        help="checkpoint of the human (default: the one that comes with the "
        "project, for impaired people where the configuration has some)",
    )
    add_run_arguments(p, "runs/exo")
    p.add_argument("--until", help="stop after the stage of this name; the same command without it goes on")
    return p


def main(argv: list[str] | None = None) -> int:
    """Runs the training; returns the exit code."""
    return run_command("exo train exo", train, parser().parse_args(argv))


def train(options: argparse.Namespace) -> int:
    """Trains as the command line says.

    Raises:
        SimError, DeviceError, CheckpointError: a wrong configuration, device, human or state.
    """
    config = _with_options(load_exo_config(*options.config), options)
    device = find_device(options.device)
    if device is None:
        raise SimError("--device none has no policy to train; name a device")
    human = Path(options.human or shipped_human(config.people.impairments.share > 0.0))
    load_human(human)
    folder = Path(options.output)
    # which human it was trained with is part of what it is
    refuse_another_training(
        folder,
        training_document(
            "exo train exo",
            options,
            {
                **config.model_dump(mode="json"),
                "device": device.model_dump(mode="json"),
                "human_sha256": load_checkpoint(human, kind=HUMAN)[1].sha256,
            },
        ),
    )
    left, humans = StageInputs(human), {}
    for number, settings in enumerate(config.stages, start=1):
        stage = Stage(settings, folder / f"{number}_{settings.name}", config, device, options.seed)
        if not stage.finished:
            print(
                f"stage {number} of {len(config.stages)}, {settings.name}: "
                f"{' and '.join(settings.learns) or 'nobody'} learns",
                flush=True,
            )
            if not stage.run(left):
                print(f"stopped in stage {settings.name}; the same command goes on", file=sys.stderr)
                return EXIT_STOPPED
        left = stage.outputs(left)
        humans[_condition(settings)] = str(left.human.relative_to(folder))
        if EXO not in settings.learns:  # who has not got used to carrying it carries it as they are
            humans["unpowered"] = str(left.human.relative_to(folder))
        if left.device is not None:
            write_json(
                folder / RESULT_FILE,
                {
                    "device": device.name,
                    "checkpoint": str(left.device.relative_to(folder)),
                    "humans": humans,
                    "seed": options.seed,
                    "stage": settings.name,
                },
            )
        if options.until == settings.name:
            break
    print(f"checkpoint {left.device}.safetensors" if left.device else f"stages up to {options.until} are done")
    return 0


def _condition(stage: StageConfig) -> str:
    """The condition that the human after such a stage is used to."""
    if EXO in stage.learns:
        return "learned"
    return "unpowered" if stage.learns and stage.worn else "no_device"


def _with_options(config: ExoTrainingConfig, options: argparse.Namespace) -> ExoTrainingConfig:
    """The configuration with what the command line changes: workers, and the samples of every stage that learns."""
    names = [stage.name for stage in config.stages]
    if options.until is not None and options.until not in names:
        raise SimError(f"--until {options.until}: no such stage; stages: {', '.join(names)}")
    if options.samples:
        stages = tuple(
            stage.model_copy(update={"samples": options.samples if stage.learns else 0}) for stage in config.stages
        )
        config = config.model_copy(update={"stages": stages})
    return config.model_copy(update={"workers": options.workers}) if options.workers else config


if __name__ == "__main__":
    sys.exit(main())
