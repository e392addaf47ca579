# SPDX-License-Identifier: Apache-2.0
"""What the commands of `exo evaluate` share: options, sizes, checks, results on disk, tables, exit codes."""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from exo_core.errors import ExitCode, warn
from exo_sim.errors import SimError
from exo_sim.gait.strides import StrideRecorder
from exo_sim.measurement import Figure, missed, write_run_record, write_summary
from exo_sim.world.walk import LONGEST_WALK_S, SPEED_LIMITS_MPS, WalkResult

SPEEDS_MPS = (0.75, 1.0, 1.25, 1.5, 1.75)
CURVES_FILE, SUMMARY_FILE, RECORD_FILE, FINISHED = "curves.csv", "summary.json", "run.json", "finished"
#: Where results are written and on how many cores they come out does not decide them.
NOT_DECISIVE = ("output", "workers", "strict", "quick")
#: Columns of a table where the output is no terminal.
PLAIN_WIDTH = 160
#: A figure's colour in a table by whether its target is met.
STYLES = {None: "", True: "green", False: "bold red"}


@dataclass(frozen=True)
class Size:
    """How much is walked: walks a person, condition and speed, and seconds a walk."""

    seeds: int
    duration_s: float


def study_parser(command: str, description: str, full: Size, quick: Size, seed: int) -> argparse.ArgumentParser:
    """A command line with the options that every study has."""
    p = argparse.ArgumentParser(prog=command, description=f"{description} An evaluation that was interrupted goes on.")
    p.add_argument(
        "--human", "--checkpoint", metavar="FILE", help="the walker (default: the one that comes with the project)"
    )
    p.add_argument("--subject", default="", metavar="YAML", help="subject, or preset:NAME (default: the unscaled body)")
    p.add_argument("--seeds", type=int, help=f"walks a person, condition and speed (default: {full.seeds})")
    p.add_argument("--duration", type=float, metavar="S", help=f"of a walk (s, default: {full.duration_s:g})")
    p.add_argument(
        "--quick", action="store_true", help=f"a first look: --seeds {quick.seeds}, --duration {quick.duration_s:g}"
    )
    p.add_argument("--seed", type=int, default=seed, help="seed of the first walk (default: %(default)s)")
    p.add_argument("--physics-rate", type=float, default=500.0, help="Hz (default: %(default)s)")
    output = "runs/" + command.split(maxsplit=1)[1].replace(" ", "_")
    p.add_argument("--output", default=output, metavar="DIR", help=f"folder (default: {output})")
    p.add_argument("--workers", type=int, default=os.cpu_count(), help="processes (default: one per core)")
    p.add_argument("--strict", action="store_true", help="exit 1 when a figure misses its target")
    return p


def add_speeds(p: argparse.ArgumentParser) -> None:
    """The option of studies that walk at several speeds."""
    p.add_argument(
        "--speeds", type=float, nargs="+", default=list(SPEEDS_MPS), metavar="V", help="m/s (default: %(default)s)"
    )


def chosen_size(options: argparse.Namespace, full: Size, quick: Size) -> Size:
    """What was asked for, --quick or the full size."""
    preset = quick if options.quick else full
    return Size(
        preset.seeds if options.seeds is None else options.seeds,
        preset.duration_s if options.duration is None else options.duration,
    )


def check_size(size: Size, settle_s: float) -> None:
    """Raises SimError unless something is walked and, after settling, measured, and the walk ends."""
    if size.seeds < 1 or not 2.0 * settle_s < size.duration_s <= LONGEST_WALK_S:
        raise SimError(f"--seeds must be at least 1 and --duration {2.0 * settle_s:g} to {LONGEST_WALK_S:g} s")


def check_speeds(option: str, speeds: Sequence[float], limits: tuple[float, float] = SPEED_LIMITS_MPS) -> None:
    """Raises SimError for a speed (m/s) that nobody is asked to walk at, or one named twice."""
    low, high = limits
    for speed in speeds:
        if not low <= speed <= high:
            raise SimError(f"{option} must be between {low} and {high} m/s, got {speed}")
    if len(set(speeds)) != len(speeds):
        raise SimError(f"{option} names a speed twice")


def write_curves(file: Path, results: Sequence[WalkResult]) -> None:
    """Writes the mean curves of all walks by condition and speed."""
    recorder = StrideRecorder(results[0].recorder.body_mass)
    for result in results:
        recorder.merge(result.recorder)
    warn(recorder.write(file))


@dataclass(frozen=True)
class Study:
    """What a study found: its figures, tables for the terminal, and what its configuration holds beside the options."""

    figures: list[Figure]
    tables: list[Table]
    configuration: Mapping[str, Any]


def run_study(
    command: str,
    options: argparse.Namespace,
    study: Callable[[argparse.Namespace, Path], Study],
    report: Callable[[Path], Path] | None = None,
) -> int:
    """Walks, writes summary.json and run.json, shows the tables; returns the exit code.

    Args:
        study: walks and measures into a folder; one line of ValueError for bad input, before anything walks if possible.
        report: draws the folder's report and returns its path.
    """
    started, folder = time.monotonic(), Path(options.output)
    try:
        found = study(options, folder)
        settings = {name: value for name, value in vars(options).items() if name not in NOT_DECISIVE}
        configuration = {**settings, **found.configuration}
        folder.mkdir(parents=True, exist_ok=True)
        write_summary(folder / SUMMARY_FILE, found.figures, configuration, options.seed, {"command": command})
        write_run_record(folder / RECORD_FILE, time.monotonic() - started)
        written = [str(folder)] + ([str(report(folder))] if report else [])
    except ValueError as error:  # every package's own error is one
        print(f"{command}: {error}", file=sys.stderr)
        return ExitCode.BAD_INPUT
    console = Console() if sys.stdout.isatty() else Console(width=PLAIN_WIDTH)
    for table in found.tables:
        console.print(table)
    judged = [figure.met for figure in found.figures if figure.met is not None]
    print(f"{sum(judged)} of {len(judged)} targets met; written: {', '.join(written)}")
    return ExitCode.FAILED if options.strict and missed(found.figures) else ExitCode.OK


# --- tables on the terminal


def table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str | Text]], words: int = 1) -> Table:
    """A table whose first columns are words, the others numbers."""
    made = Table(title=title, title_justify="left", box=SIMPLE)
    for place, head in enumerate(heads):
        made.add_column(head, justify="left" if place < words else "right", no_wrap=place > 0)
    for row in rows:
        made.add_row(*row)
    return made


def cell(figure: Figure | None, spec: str, interval: bool = False) -> Text:
    """A figure, written as `spec` says, in the colour of its target; a dash where it is not known."""
    if figure is None or not math.isfinite(figure.value):
        return Text("-")
    words = f"{figure.value:{spec}}"
    if interval and math.isfinite(figure.low):
        words += f" [{figure.low:{spec}}, {figure.high:{spec}}]"
    return Text(
        words + figure.left_out_words + (" \N{BALLOT X}" if figure.met is False else ""), style=STYLES[figure.met]
    )


def interval_words(figure: Figure, spec: str) -> str:
    """Both ends of an interval; empty without one."""
    return "" if figure.interval is None else f"{figure.low:{spec}} to {figure.high:{spec}}"
