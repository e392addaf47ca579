# SPDX-License-Identifier: Apache-2.0
"""`exo evaluate human`: does the walker walk like people, over seeds, speeds and pushes?"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from exo_core.errors import warn
from exo_lab.evaluate import assistance
from exo_lab.evaluate.realism.figures import realism_figures
from exo_lab.evaluate.realism.table import overall_table, speed_table
from exo_lab.evaluate.realism.targets import PUSH_SPEED_MPS
from exo_lab.evaluate.store import ResultStore
from exo_lab.pool import run_all
from exo_policy.checkpoint import CheckpointError
from exo_sim.body.subject import load_subject
from exo_sim.errors import SimError
from exo_sim.gait.strides import StrideRecorder
from exo_sim.human.checkpoint import load_any_human
from exo_sim.measurement import Figure, missed, write_json, write_run_record, write_summary
from exo_sim.world.meters import FORCES
from exo_sim.world.walk import LONGEST_WALK_S, PUSH_DIRECTIONS, SETTLE_S, SPEED_LIMITS_MPS, WalkResult, WalkTask, walk

COMMAND = "exo evaluate human"
WALKING = "walking"
SPEEDS_MPS = (0.75, 1.0, 1.25, 1.5, 1.75)
CURVES_FILE, PUSHES_FILE, FINISHED = "curves.csv", "pushes.json", "finished"


@dataclass(frozen=True)
class Size:
    """How much is walked: seeds a speed, seconds a walk, pushes a side."""

    seeds: int
    duration_s: float
    pushes: int


FULL, QUICK = Size(10, 60.0, 10), Size(2, 14.0, 0)
#: Prints a table's width also where the output is no terminal.
PLAIN_WIDTH = 150


def parser() -> argparse.ArgumentParser:
    """Command line of `exo evaluate human`."""
    p = argparse.ArgumentParser(
        prog=COMMAND,
        description="Measure how human the walker is, over seeds, speeds and "
        "pushes. An evaluation that was interrupted goes on where it was.",
        epilog="With --assistance something else is measured: the walker at one speed "
        "without a device, with one that is off and with one that assists; see "
        "`exo evaluate human --assistance --help`.",
    )
    p.add_argument(
        "--checkpoint",
        "--human",
        dest="human",
        metavar="FILE",
        default=None,
        help="the walker (default: the one that comes with the project)",
    )
    p.add_argument(
        "--quick",
        action="store_true",
        help=f"a first look within a minute: {QUICK.seeds} seeds of {QUICK.duration_s:g} s, no pushes",
    )
    p.add_argument(
        "--speeds", type=float, nargs="+", default=list(SPEEDS_MPS), metavar="V", help="m/s (default: %(default)s)"
    )
    p.add_argument("--seeds", type=int, help=f"walks a speed (default: {FULL.seeds})")
    p.add_argument("--duration", type=float, metavar="S", help=f"of a walk (s, default: {FULL.duration_s:g})")
    p.add_argument("--pushes", type=int, help=f"trials a side (default: {FULL.pushes})")
    p.add_argument("--seed", type=int, default=100, help="seed of the first walk (default: %(default)s)")
    p.add_argument("--subject", default="", metavar="YAML", help="subject, or preset:NAME (default: the unscaled body)")
    p.add_argument("--physics-rate", type=float, default=500.0, help="Hz (default: %(default)s)")
    p.add_argument("--output", default="runs/evaluate_human", metavar="DIR", help="folder (default: %(default)s)")
    p.add_argument("--workers", type=int, default=os.cpu_count(), help="processes (default: one per core)")
    p.add_argument("--strict", action="store_true", help="exit 1 when a figure misses its target")
    return p


def main(argv: list[str] | None = None, report: Callable[[Path], Path] | None = None) -> int:
    """Runs the evaluation; returns the exit code. `report` draws the folder's report and returns its path."""
    argv = sys.argv[1:] if argv is None else argv
    if "--assistance" in argv:
        return assistance.main([word for word in argv if word != "--assistance"])
    options = parser().parse_args(argv)
    try:
        figures = evaluate(options)
        written = [options.output] if report is None else [options.output, str(report(Path(options.output)))]
    except (SimError, CheckpointError, ValueError) as error:
        print(f"{COMMAND}: {error}", file=sys.stderr)
        return 2
    console = Console() if sys.stdout.isatty() else Console(width=PLAIN_WIDTH)
    console.print(speed_table(figures))
    console.print(overall_table(figures))
    print(
        f"{sum(bool(f.met) for f in figures)} of {sum(f.met is not None for f in figures)} targets met; written: "
        f"{', '.join(written)}"
    )
    return 1 if options.strict and missed(figures) else 0


def evaluate(options: argparse.Namespace) -> list[Figure]:
    """Walks and pushes, writes summary.json, curves.csv, pushes.json and run.json; returns the figures.

    Raises:
        SimError, CheckpointError: before anything walks where possible.
    """
    size = _size(options)
    started = time.monotonic()
    load_any_human(options.human)
    folder = Path(options.output)
    store = ResultStore(folder / FINISHED, options.human, options.subject)
    walks = run_all(walk, walk_tasks(options, size), options.workers, "walking", store)
    pushes = run_all(walk, push_tasks(options, size), options.workers, "pushing", store) if size.pushes else []
    figures = realism_figures(walks, pushes)
    warn(_merged(walks).write(folder / CURVES_FILE))
    write_json(folder / PUSHES_FILE, {"pushes": [_push_record(result) for result in pushes]})
    # where it was written and on how many cores does not decide the result
    config = {k: v for k, v in vars(options).items() if k not in ("output", "workers", "strict", "quick")}
    config |= {
        "seeds": size.seeds,
        "duration": size.duration_s,
        "pushes": size.pushes,
        "leg_length_m": walks[0].leg_length_m,
    }
    write_summary(folder / "summary.json", figures, config, options.seed, {"command": COMMAND})
    write_run_record(folder / "run.json", time.monotonic() - started)
    return figures


def walk_tasks(options: argparse.Namespace, size: Size) -> list[WalkTask]:
    """Every seed at every speed."""
    return [
        WalkTask(
            WALKING,
            load_subject(options.subject),
            speed,
            options.seed + i,
            size.duration_s,
            human=options.human,
            physics_rate_hz=options.physics_rate,
            meters=(FORCES,),
        )
        for i in range(size.seeds)
        for speed in options.speeds
    ]


def push_tasks(options: argparse.Namespace, size: Size) -> list[WalkTask]:
    """Every seed from every side."""
    return [
        WalkTask(
            WALKING,
            load_subject(options.subject),
            PUSH_SPEED_MPS,
            options.seed + i,
            size.duration_s,
            human=options.human,
            physics_rate_hz=options.physics_rate,
            pushed_from=origin,
        )
        for i in range(size.pushes)
        for origin in PUSH_DIRECTIONS
    ]


def _size(options: argparse.Namespace) -> Size:
    preset = QUICK if options.quick else FULL
    size = Size(
        *(
            given if given is not None else default
            for given, default in (
                (options.seeds, preset.seeds),
                (options.duration, preset.duration_s),
                (options.pushes, preset.pushes),
            )
        )
    )
    low, high = SPEED_LIMITS_MPS
    for speed in options.speeds:
        if not low <= speed <= high:
            raise SimError(f"--speeds must be between {low} and {high} m/s, got {speed}")
    if len(set(options.speeds)) != len(options.speeds):
        raise SimError("--speeds names a speed twice")
    if size.seeds < 1 or not 2.0 * SETTLE_S < size.duration_s <= LONGEST_WALK_S or size.pushes < 0:
        raise SimError(
            f"--seeds must be at least 1, --pushes at least 0 and --duration {2.0 * SETTLE_S:g} to {LONGEST_WALK_S:g} s"
        )
    return size


def _merged(walks: list[WalkResult]) -> StrideRecorder:
    recorder = StrideRecorder(walks[0].recorder.body_mass)
    for result in walks:
        recorder.merge(result.recorder)
    return recorder


def _push_record(result: WalkResult) -> dict:
    return {
        "origin": result.task.pushed_from,
        "seed": result.task.seed,
        "force_n": result.task.push_n,
        "speed_mps": result.task.speed_mps,
        "phase": result.push_phase,
        "recovered": result.recovered,
        "fell_after_s": result.fell_after_s,
    }


if __name__ == "__main__":
    sys.exit(main())
