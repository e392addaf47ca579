# SPDX-License-Identifier: Apache-2.0
"""Section of muscle activation: maps over the stride, and five muscles against measured EMG."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from exo_bringup.html_report import svg
from exo_bringup.html_report.axes import Axes
from exo_bringup.html_report.catalogue import (
    ACTIVATION,
    EMG_TITLES,
)
from exo_bringup.html_report.common import (
    PANELS_IN_A_ROW,
    conditions_of,
    label_of,
    panel_width,
)
from exo_bringup.html_report.heat_map import WIDTH as MAP_WIDTH
from exo_bringup.html_report.heat_map import activation_rows, heat_map
from exo_bringup.html_report.panels import (
    HEIGHT,
    STRIDE_LABEL,
    STRIDE_TICKS,
    colour_of,
    legend,
)
from exo_bringup.html_report.parts import (
    Section,
    figure,
    grid,
    paragraph,
)
from exo_bringup.html_report.run_data import (
    CONDITIONS,
    SIDES,
    RunData,
)
from exo_bringup.html_report.style import DASHES, NORM_BAND, NORM_LINE, SIDE_NAMES
from exo_sim.gait.variables import EMG_MUSCLES


def muscles(runs: Sequence[RunData]) -> Section:
    """Activation maps of both legs, and five muscles against measured EMG."""
    parts = [
        paragraph(
            "Activation from 0 (light) to 1 (dark) over the stride from that leg's heel strike, muscles "
            "from hip to foot. The third map is assisted minus unassisted: purple where assistance "
            "relieves a muscle, brown where it works more.",
            faint=True,
        )
    ]
    for run in runs:
        for side in SIDES:
            parts.append(_maps(runs, run, side))
    if not any("<figure>" in part for part in parts):
        parts.append(paragraph("No activation was recorded."))
    parts.append(
        "<h3>Against measured EMG</h3>"
        + paragraph(
            "Grey: linear envelope of able-bodied people (Schwartz et al. 2008). Both are shown over "
            "their own largest value, since EMG has no absolute scale; several heads under one "
            "electrode are averaged.",
            faint=True,
        )
    )
    columns = PANELS_IN_A_ROW if len(runs) == 1 else len(runs)
    width = panel_width(columns)
    figures = [
        figure(
            f"{label_of(runs, run)}{EMG_TITLES[emg]}: activation against EMG",
            width,
            HEIGHT,
            _emg_panel(run, emg, heads, label_of(runs, run), width),
        )
        for emg, heads in EMG_MUSCLES.items()
        for run in runs
    ]
    parts.append(legend(conditions_of(runs), norm=False, toe_off=False) + grid(columns, figures))
    return Section("muscles", "Muscle activation", "".join(parts))


def _maps(runs: Sequence[RunData], run: RunData, side: str) -> str:
    figures, by_condition = [], {}
    for condition in run.conditions:
        rows = activation_rows(run, condition, side)
        if rows is not None:
            by_condition[condition] = rows
            figures.append(
                (
                    f"{label_of(runs, run)}{SIDE_NAMES[side].capitalize()} leg, {condition}",
                    "activation",
                    heat_map,
                    rows,
                    False,
                )
            )
    if set(CONDITIONS) <= set(by_condition):
        before, after = (by_condition[condition] for condition in CONDITIONS)
        figures.append(
            (
                f"{label_of(runs, run)}{SIDE_NAMES[side].capitalize()} leg, change",
                "assisted minus unassisted",
                heat_map,
                {m: after[m] - before[m] for m in before if m in after},
                True,
            )
        )
    drawn = []
    for title, subtitle, draw, rows, change in figures:
        content, height = draw(title, subtitle, rows, change)
        drawn.append(figure(f"{title}: activation of {len(rows)} muscles over the stride", MAP_WIDTH, height, content))
    return grid(3, drawn) if drawn else ""


def _emg_panel(run: RunData, emg: str, heads: Sequence[str], label: str, width: float) -> str:
    axes = Axes(width, HEIGHT, (0.0, 100.0), (0.0, 1.08))
    parts = []
    norm = run.norm_curve(emg)
    if norm is not None:
        largest = norm.mean.max()
        low, high = (np.clip((norm.mean + sign * norm.sd) / largest, 0.0, 1.08) for sign in (-1.0, 1.0))
        parts.append(svg.band(axes.x(norm.phase_percent), axes.y(low), axes.y(high), NORM_BAND))
        parts.append(svg.polyline(axes.x(norm.phase_percent), axes.y(norm.mean / largest), NORM_LINE, 1.0))
    for condition in run.conditions:
        for side in SIDES:
            curves = [run.curve(condition, f"{ACTIVATION}{head}", side) for head in heads]
            if all(curve is not None for curve in curves):
                mean = np.mean([curve.mean for curve in curves], axis=0)
                if np.nanmax(mean) > 0.0:
                    parts.append(
                        svg.polyline(
                            axes.x(curves[0].phase_percent),
                            axes.y(mean / np.nanmax(mean)),
                            colour_of(condition),
                            dash=DASHES[side],
                        )
                    )
    names = ", ".join(heads)
    return "".join(parts) + axes.frame(
        f"{label}{EMG_TITLES[emg]}", f"over its largest value; {names}", STRIDE_LABEL, STRIDE_TICKS
    )
