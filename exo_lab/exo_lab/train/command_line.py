# SPDX-License-Identifier: Apache-2.0
"""What `exo train human` and `exo train exo` have in common."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel

from exo_core.errors import ExitCode
from exo_device.description import DeviceError
from exo_lab.train.config import HumanTrainingConfig
from exo_lab.train.ship import config_sources
from exo_policy.checkpoint import CheckpointError
from exo_sim.errors import SimError
from exo_sim.measurement.errors import MeasurementError
from exo_sim.measurement.provenance import git_revision

EXIT_BAD_INPUT = 2


def add_run_arguments(parser: argparse.ArgumentParser, output: str, samples: bool = True) -> None:
    """Options of every training; `output` is the default run folder, `samples` whether they can be chosen."""
    parser.add_argument(
        "--config",
        nargs="+",
        default=[],
        metavar="YAML",
        help="changes to the default training configuration: files, or names of shipped ones, of which later ones win",
    )
    parser.add_argument(
        "--output", default=output, help="run folder; an unfinished run in it goes on (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of everything random (default: %(default)s)")
    if samples:
        parser.add_argument("--samples", type=int, help="environment steps to train for, in total")
    parser.add_argument("--workers", type=int, help="worker processes; as many as there are cores is best")


def with_options(config: BaseModel, options: argparse.Namespace) -> BaseModel:
    """The configuration with what the command line changes of it."""
    changes = {name: getattr(options, name) for name in ("samples", "workers") if getattr(options, name)}
    return config.model_copy(update=changes)


def training_document(command: str, options: argparse.Namespace, config: dict) -> dict:
    """What config.json of a training says: its settings, and where they came from, which `exo ship` looks at."""
    return {
        "config": config,
        "seed": options.seed,
        "git_revision": git_revision(),
        "command": " ".join([command, *(["--config", *options.config] if options.config else [])]),
        "sources": config_sources(options.config, Path(__file__).resolve().parent),
    }


def open_run(command: str, options: argparse.Namespace, config: dict) -> tuple[Path, dict]:
    """Makes the run folder with config.json, or finds that of the same training; returns folder and document.

    Raises:
        SimError: the folder holds another training.
    """
    from exo_lab.train.stages import refuse_another_training  # which imports this module

    folder = Path(options.output)
    document = training_document(command, options, config)
    refuse_another_training(folder, document, HumanTrainingConfig, ("samples", "workers"))
    return folder, document


def training_record(document: dict, metrics: dict[str, float]) -> dict:
    """The `training` entry of a checkpoint's manifest."""
    return {
        **{name: document[name] for name in ("config", "seed", "git_revision")},
        "samples": int(metrics["samples"]),
        "metrics": {name: float(f"{value:.6g}") for name, value in metrics.items()},
    }


def run_command(name: str, train: Callable[[argparse.Namespace], int], options: argparse.Namespace) -> int:
    """Runs a training; bad input becomes one line on stderr and exit code 2, a full disk one line and exit code 1."""
    try:
        return train(options)
    except (SimError, DeviceError, CheckpointError, MeasurementError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except OSError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return ExitCode.FAILED
