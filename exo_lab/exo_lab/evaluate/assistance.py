# SPDX-License-Identifier: Apache-2.0
"""`exo evaluate human --assistance`: the walker without a device, with one that is off and with one that assists."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np

from exo_core.errors import warn
from exo_core.joints import SIDES
from exo_device.description import DeviceError
from exo_lab.pool import run_all
from exo_policy.checkpoint import CheckpointError
from exo_policy.controllers import ControllerError
from exo_sim.body.subject import load_subject
from exo_sim.errors import GaitError, SimError
from exo_sim.gait.scores import score_against_normative, score_against_reference
from exo_sim.gait.strides import StrideRecorder
from exo_sim.human.checkpoint import load_any_human
from exo_sim.measurement import Figure, missed, write_run_record, write_summary
from exo_sim.plant.simulation import SPEED_RANGE_MPS
from exo_sim.world.walk import LONGEST_WALK_S, SETTLE_S, WalkResult, WalkTask, walk

#: What the walker is held to.
SMALLEST_SHARE_WITHOUT_FALL = 0.9
SPEED_TOLERANCE_MPS = 0.1
LARGEST_RMSE_DEG = 6.0
SMALLEST_FORCE_R = 0.85

ANGLES = {"hip": "hip_flexion", "knee": "knee_flexion", "ankle": "ankle_dorsiflexion"}
FORCE = "grf_vertical_BW"


def parser() -> argparse.ArgumentParser:
    """Command line of `exo evaluate human`."""
    p = argparse.ArgumentParser(
        prog="exo evaluate human --assistance",
        description="Measure the walker at one speed over seeds, without and with assistance, offline and in lockstep",
    )
    p.add_argument(
        "--checkpoint",
        "--human",
        dest="human",
        default=None,
        help="checkpoint (default: the one that comes with the project)",
    )
    p.add_argument("--seeds", type=int, default=10, help="walks per condition (default: %(default)s)")
    p.add_argument("--seed", type=int, default=100, help="seed of the first walk (default: %(default)s)")
    p.add_argument("--speed", type=float, default=1.25, help="m/s (default: %(default)s)")
    p.add_argument("--duration", type=float, default=30.0, help="of a walk (s, default: %(default)s)")
    p.add_argument("--device", default="hip_ankle", help="worn in the device conditions (default: %(default)s)")
    p.add_argument("--controller", default="spline", help="in the assisted condition (default: %(default)s)")
    p.add_argument("--subject", default="", help="subject YAML or preset:NAME (default: the unscaled body)")
    p.add_argument("--physics-rate", type=float, default=500.0, help="Hz (default: %(default)s)")
    p.add_argument("--output", default="runs/evaluate_assistance", help="folder (default: %(default)s)")
    p.add_argument("--workers", type=int, default=os.cpu_count(), help="processes (default: one per core)")
    p.add_argument("--strict", action="store_true", help="exit 1 when a figure misses its target")
    return p


def main(argv: list[str] | None = None) -> int:
    """Runs the evaluation; returns the exit code."""
    options = parser().parse_args(argv)
    try:
        figures = evaluate(options)
    except (SimError, DeviceError, CheckpointError, ControllerError, ValueError) as error:
        print(f"exo evaluate human --assistance: {error}", file=sys.stderr)
        return 2
    for figure in figures:
        verdict = "" if figure.met is None else f"   {'met' if figure.met else 'MISSED'} ({figure.target})"
        interval = "" if figure.interval is None else f" [{figure.interval[0]:.3f}, {figure.interval[1]:.3f}]"
        print(f"{figure.name:<44} {figure.value:9.3f} {figure.unit}{interval}{figure.left_out_words}{verdict}")
    print(f"written to {options.output}")
    return 1 if options.strict and missed(figures) else 0


def evaluate(options: argparse.Namespace) -> list[Figure]:
    """Walks all seeds in all conditions, writes summary.json, curves.csv and run.json; returns the figures.

    Raises:
        SimError and the errors of device, checkpoint and controller, before any walk starts where possible.
    """
    low, high = SPEED_RANGE_MPS
    if not low <= options.speed <= high:
        raise SimError(f"--speed must be between {low} and {high} m/s, got {options.speed}")
    if options.seeds < 1 or not 2.0 * SETTLE_S < options.duration <= LONGEST_WALK_S:
        raise SimError(f"--seeds must be at least 1 and --duration {2.0 * SETTLE_S:g} to {LONGEST_WALK_S:g} s")
    load_any_human(options.human)
    started = time.monotonic()
    conditions = (
        {"name": "no_device", "device": "none", "controller": "none", "params": {}},
        {"name": "unassisted", "device": options.device, "controller": "zero", "params": {}},
        {"name": "assisted", "device": options.device, "controller": options.controller, "params": {}},
    )
    subject = load_subject(options.subject)
    tasks = [
        WalkTask(
            condition["name"],
            subject,
            options.speed,
            options.seed + i,
            options.duration,
            device=condition["device"],
            controller=condition["controller"],
            human=options.human,
            physics_rate_hz=options.physics_rate,
            speed_range_mps=SPEED_RANGE_MPS,
        )
        for condition in conditions
        for i in range(options.seeds)
    ]
    results = run_all(walk, tasks, options.workers, "walking")
    figures, recorder = [], None
    for condition in conditions:
        own = [result for result in results if result.task.condition == condition["name"]]
        figures += _condition_figures(condition["name"], own, options)
        for result in own:
            if recorder is None:
                recorder = StrideRecorder(result.recorder.body_mass)
            recorder.merge(result.recorder)
    figures += _cost_figures(results)
    folder = Path(options.output)
    folder.mkdir(parents=True, exist_ok=True)
    warn(recorder.write(folder / "curves.csv"))
    # where it was written and on how many cores does not decide the result
    config = {k: v for k, v in vars(options).items() if k not in ("output", "workers", "strict")}
    config["conditions"] = list(conditions)
    write_summary(folder / "summary.json", figures, config, options.seed)
    write_run_record(folder / "run.json", time.monotonic() - started)
    return figures


def _condition_figures(name: str, results: list[WalkResult], options: argparse.Namespace) -> list[Figure]:
    upright = [r for r in results if not r.fell]
    figures = [
        Figure.against(
            f"share_without_fall_{name}", len(upright) / len(results), "1", at_least=SMALLEST_SHARE_WITHOUT_FALL
        ),
        Figure(f"walked_{name}", float(np.mean([r.walked_s for r in results])), "s"),
        Figure.mean_of(
            f"speed_{name}",
            [r.speed for r in results],
            "m/s",
            at_least=options.speed - SPEED_TOLERANCE_MPS,
            at_most=options.speed + SPEED_TOLERANCE_MPS,
        ),
        Figure.against(f"device_faults_{name}", sum(bool(r.faults) for r in results), "1", at_most=0),
    ]
    for joint, variable in ANGLES.items():
        errors = [_score(r, name, variable, score_against_reference, "rmse") for r in results]
        figures.append(Figure.mean_of(f"{joint}_rmse_{name}", errors, "deg", at_most=LARGEST_RMSE_DEG))
    force = [_score(r, name, FORCE, score_against_normative, "r") for r in results]
    figures.append(Figure.mean_of(f"grf_vertical_r_{name}", force, "1", at_least=SMALLEST_FORCE_R))
    return figures


def _cost_figures(results: list[WalkResult]) -> list[Figure]:
    figures, mean = [], {}
    for model, scalar in (("bhargava", "metabolic_power_per_mass"), ("umberger", "metabolic_power_umberger_per_mass")):
        for name in ("no_device", "unassisted", "assisted"):
            values = [r.scalar(scalar) for r in results if r.task.condition == name]
            mean[name] = values
            figures.append(Figure.mean_of(f"metabolic_power_{model}_{name}", values, "W/kg"))
        for baseline in ("unassisted", "no_device"):
            changes = [100.0 * (a - b) / b for a, b in zip(mean["assisted"], mean[baseline])]
            figures.append(Figure.mean_of(f"metabolic_change_{model}_assisted_from_{baseline}", changes, "%"))
    return figures


def _score(result: WalkResult, condition: str, variable: str, score, figure: str) -> float:
    """Mean over both sides; NaN where there was no stride."""
    try:
        return float(np.mean([getattr(score(result.curves.get(condition, variable, side)), figure) for side in SIDES]))
    except GaitError:
        return float("nan")


if __name__ == "__main__":
    sys.exit(main())
