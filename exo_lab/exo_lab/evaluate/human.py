# SPDX-License-Identifier: Apache-2.0
"""`exo evaluate human`: does the walker walk like people, over seeds, speeds and pushes?

With `--assistance`: the walker at one speed without a device, with one that is off and with one that assists.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.table import Table

from exo_lab.conditions import NO_DEVICE
from exo_lab.evaluate.command import (
    CURVES_FILE,
    FINISHED,
    SPEEDS_MPS,
    Size,
    Study,
    cell,
    check_size,
    check_speeds,
    chosen_size,
    interval_words,
    run_study,
    study_parser,
    table,
    write_curves,
)
from exo_lab.evaluate.figures import (
    ANGLES,
    LARGEST_RMSE_DEG,
    POWER,
    SMALLEST_FORCE_R,
    SPEED_TOLERANCE_MPS,
    VERTICAL_FORCE,
    Measure,
    Walks,
    both_legs,
    scalar,
    share,
    total,
)
from exo_lab.evaluate.human_measures import PUSH_SPEED_MPS, human_figures, normative, split_name
from exo_lab.evaluate.store import ResultStore
from exo_lab.pool import run_all
from exo_sim.body.subject import load_subject
from exo_sim.errors import SimError
from exo_sim.gait.scores import score_against_reference
from exo_sim.human.checkpoint import load_any_human
from exo_sim.measurement import Figure, write_json
from exo_sim.plant.simulation import SPEED_RANGE_MPS
from exo_sim.world.meters import FORCES
from exo_sim.world.walk import PUSH_DIRECTIONS, SETTLE_S, WalkResult, WalkTask, walk

COMMAND, ASSISTANCE_COMMAND = "exo evaluate human", "exo evaluate human --assistance"
WALKING, PUSHES_FILE = "walking", "pushes.json"
FULL, QUICK, FULL_PUSHES = Size(10, 60.0), Size(2, 14.0), 10
ASSISTANCE_FULL, ASSISTANCE_QUICK = Size(10, 30.0), Size(2, 14.0)
OUTPUT, ASSISTANCE_OUTPUT = "runs/evaluate_human", "runs/evaluate_assistance"
#: Options of one of the two studies alone, with their defaults.
OF_WALKING = {"speeds": list(SPEEDS_MPS), "pushes": FULL_PUSHES, "output": OUTPUT}
OF_ASSISTANCE = {"speed": 1.25, "device": "hip_ankle", "controller": "spline", "output": ASSISTANCE_OUTPUT}
UNASSISTED, ASSISTED = "unassisted", "assisted"


def parser() -> argparse.ArgumentParser:
    """Command line of `exo evaluate human`."""
    p = study_parser(COMMAND, "Measure how human the walker is, over seeds, speeds and pushes.", FULL, QUICK, 100)
    p.set_defaults(output=None)
    speeds = " ".join(f"{speed:g}" for speed in SPEEDS_MPS)
    p.add_argument("--speeds", type=float, nargs="+", metavar="V", help=f"m/s (default: {speeds})")
    p.add_argument("--pushes", type=int, help=f"trials a side (default: {FULL_PUSHES}, with --quick none)")
    group = p.add_argument_group(
        "with --assistance",
        f"Another study: {ASSISTANCE_FULL.seeds} walks of {ASSISTANCE_FULL.duration_s:g} s at one speed without a device, "
        f"with one that is off and with one that assists; its default folder is {ASSISTANCE_OUTPUT}.",
    )
    group.add_argument("--assistance", action="store_true", help="measure that instead")
    group.add_argument("--speed", type=float, metavar="V", help=f"m/s (default: {OF_ASSISTANCE['speed']})")
    group.add_argument("--device", help=f"worn in the device conditions (default: {OF_ASSISTANCE['device']})")
    group.add_argument("--controller", help=f"in the assisted condition (default: {OF_ASSISTANCE['controller']})")
    return p


def main(argv: Sequence[str] | None = None, report: Callable[[Path], Path] | None = None) -> int:
    """Runs the evaluation; returns the exit code. `report` draws the folder's report and returns its path."""
    p = parser()
    options = p.parse_args(argv)
    assistance = vars(options).pop("assistance")
    own, others = (OF_ASSISTANCE, OF_WALKING) if assistance else (OF_WALKING, OF_ASSISTANCE)
    for name in sorted(others.keys() - own.keys()):
        if vars(options).pop(name) is not None:
            p.error(f"--{name} goes {'without' if assistance else 'with'} --assistance")
    if options.quick and not assistance and options.pushes is None:
        options.pushes = 0
    for name, default in own.items():
        if getattr(options, name) is None:
            setattr(options, name, default)
    if assistance:
        return run_study(ASSISTANCE_COMMAND, options, _assistance)
    return run_study(COMMAND, options, _walking, report)


# --- how human it is


def _walking(options: argparse.Namespace, folder: Path) -> Study:
    """Walks and pushes; writes curves.csv and pushes.json."""
    size = chosen_size(options, FULL, QUICK)
    check_speeds("--speeds", options.speeds)
    check_size(size, SETTLE_S)
    if options.pushes < 0:
        raise SimError("--pushes must be at least 0")
    load_any_human(options.human)
    subject = load_subject(options.subject)

    def task(speed: float, seed: int, **fields) -> WalkTask:
        own = {"human": options.human, "physics_rate_hz": options.physics_rate, **fields}
        return WalkTask(WALKING, subject, speed, options.seed + seed, size.duration_s, **own)

    store = ResultStore(folder / FINISHED, options.human, options.subject)
    tasks = [task(speed, i, meters=(FORCES,)) for i in range(size.seeds) for speed in options.speeds]
    walks = run_all(walk, tasks, options.workers, "walking", store)
    trials = [task(PUSH_SPEED_MPS, i, pushed_from=origin) for i in range(options.pushes) for origin in PUSH_DIRECTIONS]
    pushes = run_all(walk, trials, options.workers, "pushing", store) if trials else []
    write_curves(folder / CURVES_FILE, walks)
    write_json(folder / PUSHES_FILE, {"pushes": [_push_record(result) for result in pushes]})
    figures = human_figures(walks, pushes)
    more = {"seeds": size.seeds, "duration": size.duration_s, "leg_length_m": walks[0].leg_length_m}
    return Study(figures, [speed_table(figures), overall_table(figures)], more)


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


def speed_table(figures: Sequence[Figure]) -> Table:
    """Figures that were measured by speed, one column a speed; a target that some speeds have holds for those."""
    by_name: dict[str, dict[float, Figure]] = {}
    for figure in figures:
        name, speed = split_name(figure.name)
        if speed is not None:
            by_name.setdefault(name, {})[speed] = figure
    speeds = sorted({speed for row in by_name.values() for speed in row})
    rows = []
    for name, row in by_name.items():
        targets = sorted({figure.target for figure in row.values() if figure.target})
        own = (cell(row.get(speed), ".3g") for speed in speeds)
        rows.append([name, next(iter(row.values())).unit, ", ".join(targets), *own])
    heads = ["figure", "unit", "target", *(f"{speed:g}" for speed in speeds)]
    return table("by speed (m/s); \N{BALLOT X} misses its target", heads, rows, words=3)


def overall_table(figures: Sequence[Figure]) -> Table:
    """Figures of all speeds together."""
    rows = [
        [f.name, f.unit, f.target or "", cell(f, ".3g"), interval_words(f, ".3f")]
        for f in figures
        if split_name(f.name)[1] is None
    ]
    return table("all speeds", ["figure", "unit", "target", "value", "95 % interval"], rows, words=3)


# --- without a device, with one that is off, with one that assists


def _assistance(options: argparse.Namespace, folder: Path) -> Study:
    """Walks all seeds in all conditions; writes curves.csv."""
    size = chosen_size(options, ASSISTANCE_FULL, ASSISTANCE_QUICK)
    check_speeds("--speed", [options.speed], SPEED_RANGE_MPS)
    check_size(size, SETTLE_S)
    load_any_human(options.human)
    subject = load_subject(options.subject)
    worn = {
        NO_DEVICE: ("none", "none"),
        UNASSISTED: (options.device, "zero"),
        ASSISTED: (options.device, options.controller),
    }
    tasks = [
        WalkTask(condition, subject, options.speed, options.seed + i, size.duration_s, device=device,
                 controller=controller, human=options.human, physics_rate_hz=options.physics_rate,
                 speed_range_mps=SPEED_RANGE_MPS)
        for condition, (device, controller) in worn.items()
        for i in range(size.seeds)
    ]  # fmt: skip
    results = run_all(walk, tasks, options.workers, "walking")
    figures = assistance_figures(results, options.speed)
    folder.mkdir(parents=True, exist_ok=True)
    write_curves(folder / CURVES_FILE, results)
    rows = [[f.name, f.unit, f.target or "", cell(f, ".3f"), interval_words(f, ".3f")] for f in figures]
    heads = ["figure", "unit", "target", "value", "95 % interval"]
    conditions = [{"name": c, "device": d, "controller": k, "params": {}} for c, (d, k) in worn.items()]
    more = {"seeds": size.seeds, "duration": size.duration_s, "conditions": conditions}
    return Study(figures, [table("with and without assistance", heads, rows, words=3)], more)


def assistance_figures(results: Sequence[WalkResult], speed: float) -> list[Figure]:
    """Falls, speed, faults, shape of angles and force in each condition, then cost and what assistance changes of it."""
    walks, figures = Walks(results), []
    around = {"at_least": speed - SPEED_TOLERANCE_MPS, "at_most": speed + SPEED_TOLERANCE_MPS}
    measures = [
        Measure("share_without_fall", "1", lambda walk: not walk.fell, {"at_least": 0.9}, over=share),
        Measure("walked", "s", lambda walk: walk.walked_s),
        Measure("speed", "m/s", lambda walk: walk.speed, around),
        Measure("device_faults", "1", lambda walk: bool(walk.faults), {"at_most": 0.0}, over=total),
    ]
    for joint, variable in ANGLES.items():
        measures.append(Measure(f"{joint}_rmse", "deg", _against_reference(variable), {"at_most": LARGEST_RMSE_DEG}))
    force = normative(VERTICAL_FORCE, "r")
    measures.append(Measure("grf_vertical_r", "1", force, {"at_least": SMALLEST_FORCE_R}))
    for condition in walks.conditions:
        figures += [walks.figure(m, condition, speed, name=f"{m.name}_{condition}") for m in measures]
    for model, name in POWER.items():
        power = Measure(f"metabolic_power_{model}", "W/kg", scalar(name))
        change = Measure(
            f"metabolic_change_{model}_assisted_from", "%",
            lambda a, b, name=name: 100.0 * (a.scalar(name) - b.scalar(name)) / b.scalar(name),
        )  # fmt: skip
        figures += [walks.figure(power, c, speed, name=f"{power.name}_{c}") for c in walks.conditions]
        figures += [
            walks.figure(change, ASSISTED, speed, baseline, f"{change.name}_{baseline}")
            for baseline in (UNASSISTED, NO_DEVICE)
        ]
    return figures


def _against_reference(variable: str) -> Callable[[WalkResult], float]:
    """Reads the RMSE (deg) of an angle against the gait that the walker imitates."""
    return lambda walk: both_legs(walk, variable, lambda curve: score_against_reference(curve, walk.leg_length_m).rmse)
