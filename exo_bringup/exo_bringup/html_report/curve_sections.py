# SPDX-License-Identifier: Apache-2.0
"""Sections of curves over the stride: angles, moments, powers, forces, device."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from exo_bringup.html_report.catalogue import (
    ANGLES,
    DEVICE,
    FORCES,
    MOMENTS,
    POWERS,
    Variable,
)
from exo_bringup.html_report.common import (
    conditions_of,
    curve_grid,
    label_of,
    mean_sd,
)
from exo_bringup.html_report.panels import (
    legend,
)
from exo_bringup.html_report.parts import (
    Section,
    paragraph,
    table,
)
from exo_bringup.html_report.run_data import (
    SIDES,
    RunData,
)
from exo_bringup.html_report.style import SIDE_NAMES


def angles(runs: Sequence[RunData]) -> Section:
    """Joint and pelvis angles."""
    return _with_norm("angles", "Joint angles", runs, ANGLES)


def moments(runs: Sequence[RunData]) -> Section:
    """Internal joint moments."""
    return _with_norm(
        "moments",
        "Joint moments",
        runs,
        MOMENTS,
        paragraph(
            "Internal moments of muscles, passive tissue and device together, over the wearer's mass.",
            faint=True,
        ),
    )


def powers(runs: Sequence[RunData]) -> Section:
    """Sagittal joint powers."""
    return _with_norm(
        "powers",
        "Joint powers",
        runs,
        POWERS,
        paragraph("Sagittal plane; muscles, passive tissue and device together.", faint=True),
    )


def forces(runs: Sequence[RunData]) -> Section:
    """Ground reaction force."""
    return _with_norm("forces", "Ground reaction force", runs, FORCES)


def _with_norm(
    name: str, title: str, runs: Sequence[RunData], variables: Sequence[Variable], words: str = ""
) -> Section:
    return Section(name, title, words + legend(conditions_of(runs)) + curve_grid(runs, variables))


def device(runs: Sequence[RunData]) -> Section:
    """Torque and power of the exoskeleton, and its work a stride."""
    driven = [variable for variable in DEVICE if any(variable.name in run.curves.variables for run in runs)]
    if not driven:
        return Section("device", "Exoskeleton", paragraph("No curve of torque or power of a device was recorded."))
    rows = []
    for run in runs:
        for condition in run.conditions:
            for side in SIDES:
                work = [run.values(name, condition, side) for name in ("exo_positive_work", "exo_negative_work")]
                rows.append(
                    [
                        f"{label_of(runs, run)}{condition}, {SIDE_NAMES[side]} leg",
                        *map(mean_sd, work),
                        *(mean_sd(peaks) for peaks in _peaks(run, condition, side, driven)),
                    ]
                )
    joints = _driven_joints(driven)
    content = (
        legend(conditions_of(runs), norm=False)
        + curve_grid(runs, driven)
        + table(
            [
                "Work of a stride",
                "given (J/kg)",
                "taken (J/kg)",
                *(f"peak {joint} (Nm/kg)" for joint in joints),
            ],
            rows,
        )
    )
    return Section("device", "Exoskeleton torque and power", content)


def _driven_joints(driven: Sequence[Variable]) -> list[str]:
    return [v.name.removeprefix("exo_torque_").removesuffix("_Nm_kg") for v in driven if "torque" in v.name]


def _peaks(run: RunData, condition: str, side: str, driven: Sequence[Variable]) -> list[np.ndarray]:
    """Largest torque of each stride, one array for each driven joint."""
    found = []
    for joint in _driven_joints(driven):
        peaks = [
            peak
            for stride in run.strides
            if (stride["condition"], stride["side"]) == (condition, side)
            for name, peak in zip(stride.get("exo_joint_names", ()), stride.get("exo_torque_peak", ()))
            if name.split("_")[0] == joint and peak is not None
        ]
        found.append(np.array(peaks, dtype=float))
    return found
