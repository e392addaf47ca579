# SPDX-License-Identifier: Apache-2.0
"""What `exo train human` and `exo train exo` have in common."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ValidationError

from exo_core.errors import ExitCode
from exo_device.description import DeviceError
from exo_lab.rl.config import STATE_FILE
from exo_lab.rl.workers import WorkerDied
from exo_lab.train.config import (
    HUMAN_DEFAULTS,
    HumanTrainingConfig,
    merged_sections,
    shipped_defaults,
    with_present_names,
)
from exo_lab.train.exo_config import EXO_DEFAULTS, ExoTrainingConfig
from exo_lab.train.ship import config_sources
from exo_policy.checkpoint import CheckpointError
from exo_sim.errors import MeasurementError, SimError
from exo_sim.measurement import git_revision, write_json

#: Exit code of a training that a signal stopped; the same command goes on.
EXIT_STOPPED = 130
#: What a training is, in its folder.
CONFIG_FILE = "config.json"
#: What it says of where a training came from; it does not decide what comes out.
PROVENANCE = ("git_revision", "command", "sources")


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
    folder = Path(options.output)
    document = training_document(command, options, config)
    refuse_another_training(folder, document, HumanTrainingConfig, ("samples", "workers"))
    return folder, document


def refuse_another_training(
    folder: Path,
    document: dict,
    model: type[BaseModel] = ExoTrainingConfig,
    free: tuple[str, ...] = ("workers",),
    defaults: str = "",
) -> None:
    """Writes config.json of a training's folder, or checks that the one there is the same training's.

    Args:
        document: what config.json says: config, seed, where it came from.
        model: of the configuration; options that were not there yet in a training of before count at their defaults.
        free: options of the configuration that may differ when a training goes on.
        defaults: file of the model's defaults, beside exo_lab.train.config; by the model for empty.

    Raises:
        SimError: the folder holds another training; names what differs.
    """
    file = folder / CONFIG_FILE
    if file.exists():
        try:
            known = json.loads(file.read_text(encoding="utf-8"))
            known["config"] = complete(known["config"], model, defaults)
        except (ValueError, KeyError, TypeError) as error:
            raise SimError(f"{file}: damaged ({error}); choose another --output") from error
        differing = [key for key in sorted(set(known) | set(document)) if known.get(key) != document.get(key)]
        differing = [key for key in differing if key not in PROVENANCE]
        if "config" in differing:
            differing.remove("config")
            a, b = known["config"], document["config"]
            differing += [
                f"config.{key}" for key in sorted(set(a) | set(b)) if a.get(key) != b.get(key) and key not in free
            ]
        if differing:
            raise SimError(
                f"{folder} holds another training (different: {', '.join(differing)}); "
                f"choose another --output, or the same settings to go on"
            )
        return
    if (folder / STATE_FILE).exists():
        raise SimError(
            f"{folder}: cannot resume the state in it: {CONFIG_FILE}, which says of which training it is, is missing; "
            "choose another --output"
        )
    write_json(file, document)


def complete(config: dict, model: type[BaseModel] = ExoTrainingConfig, defaults: str = "") -> dict:
    """The configuration in a training's config.json with the options that were not there yet, at today's defaults."""
    config = with_present_names(config)
    usual = shipped_defaults(defaults or (HUMAN_DEFAULTS if model is HumanTrainingConfig else EXO_DEFAULTS))
    fields = merged_sections(usual, {name: config[name] for name in model.model_fields if name in config})
    try:
        return {**config, **model.model_validate(fields).model_dump(mode="json")}
    except ValidationError:
        return config  # its options had other names: the caller says what differs


def training_record(document: dict, metrics: dict[str, float]) -> dict:
    """The `training` entry of a checkpoint's manifest."""
    return {
        **{name: document[name] for name in ("config", "seed", "git_revision")},
        "samples": int(metrics["samples"]),
        "metrics": {name: float(f"{value:.6g}") for name, value in metrics.items()},
    }


def run_command(name: str, train: Callable[[argparse.Namespace], int], options: argparse.Namespace) -> int:
    """Runs a training; bad input becomes one line on stderr and exit code 2, a full disk one line and exit code 1,
    as does a worker that the system killed."""
    try:
        return train(options)
    except (SimError, DeviceError, CheckpointError, MeasurementError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return ExitCode.BAD_INPUT
    except OSError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return ExitCode.FAILED
    except WorkerDied as error:
        print(f"{name}: {error}; fewer --workers need less, and the same command goes on", file=sys.stderr)
        return ExitCode.FAILED
