# SPDX-License-Identifier: Apache-2.0
"""Section of symmetry: indices of stride figures, ranges of motion, force and power."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from exo_bringup.html_report.common import (
    WIDE,
    conditions_of,
    label_of,
)
from exo_bringup.html_report.panels import (
    dot_rows,
    legend,
)
from exo_bringup.html_report.parts import (
    Section,
    figure,
    grid,
    paragraph,
)
from exo_bringup.html_report.run_data import (
    RunData,
)
from exo_sim.gait.symmetry import symmetry_index


def symmetry(runs: Sequence[RunData]) -> Section:
    """Symmetry indices of stride figures, ranges of motion, force and power."""
    parts = [
        paragraph(
            "Symmetry index 200 |R \N{MINUS SIGN} L| / (R + L) of the means of both legs (Robinson 1987): "
            "0 % is symmetric.",
            faint=True,
        ),
        legend(conditions_of(runs), False, False, False),
    ]
    figures = []
    for run in runs:
        rows = {
            name: {
                condition: symmetry_index(read(run, condition, "r"), read(run, condition, "l"))
                for condition in run.conditions
            }
            for name, read in SYMMETRY_MEASURES.items()
        }
        width = WIDE if len(runs) == 1 else WIDE / 2
        content, height = dot_rows(f"{label_of(runs, run)}Asymmetry", "symmetry index (%)", rows, width)
        figures.append(figure(f"{label_of(runs, run)}symmetry indices", width, height, content))
    return Section("symmetry", "Symmetry", "".join(parts) + grid(min(len(runs), 2), figures))


def _stance_time(run: RunData, condition: str, side: str) -> float:
    share, duration = (run.mean(name, condition, side) for name in ("stance_percent", "duration"))
    return share / 100.0 * duration


def _range_of(joint: str):
    def read(run: RunData, condition: str, side: str) -> float:
        ranges = [
            high - low
            for stride in run.strides
            if (stride["condition"], stride["side"]) == (condition, side)
            for name, low, high in zip(
                stride.get("joint_names", ()), stride.get("angle_min", ()), stride.get("angle_max", ())
            )
            if name == f"{joint}_{side}"
        ]
        return float(np.mean(ranges)) if ranges else math.nan

    return read


def _peak_of(variable: str):
    def read(run: RunData, condition: str, side: str) -> float:
        curve = run.curve(condition, variable, side)
        return float(np.nanmax(curve.mean)) if curve is not None and np.isfinite(curve.mean).any() else math.nan

    return read


SYMMETRY_MEASURES = {
    "step length": lambda run, condition, side: run.mean("step_length", condition, side),
    "stance time": _stance_time,
    "hip range of motion": _range_of("hip_flexion"),
    "knee range of motion": _range_of("knee_angle"),
    "ankle range of motion": _range_of("ankle_angle"),
    "peak vertical force": _peak_of("grf_vertical_BW"),
    "peak ankle power": _peak_of("ankle_power_W_kg"),
    "peak ankle assistance": _peak_of("exo_torque_ankle_Nm_kg"),
}
