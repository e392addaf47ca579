# SPDX-License-Identifier: Apache-2.0
"""Section of metabolic cost against speed, beside what was measured on people."""

from __future__ import annotations

import numpy as np

from exo_bringup.html_report import svg
from exo_bringup.html_report.parts import Section, figure, grid, paragraph
from exo_bringup.walker_report.data import WalkerData
from exo_bringup.walker_report.look import SECOND, WALKER, model_legend
from exo_bringup.walker_report.over_speed import Points, norm_points, speed_panel, speed_ticks
from exo_bringup.walker_report.words import shown
from exo_sim.evaluation.realism.targets import CHEAPEST_SPEED_MPS
from exo_sim.metabolics.looney import looney2019

MODELS = {"bhargava": WALKER, "umberger": SECOND}
WIDTH, HEIGHT = 497.0, 250.0


def cost(data: WalkerData) -> Section:
    """Metabolic power and cost per distance against speed."""
    fine = np.linspace(min(data.speeds), max(data.speeds), 41)
    walked = data.values("speed")
    panels = [
        (
            "Metabolic power",
            "W/kg, gross",
            "metabolic_power",
            norm_points(fine, looney2019(fine)),
        ),
        (
            "Cost per distance",
            "J/kg/m, gross",
            "cost_of_transport",
            norm_points(fine, looney2019(fine) / fine),
        ),
    ]
    figures = [
        figure(
            f"{title} against speed",
            WIDTH,
            HEIGHT,
            speed_panel(
                title,
                unit,
                [measured]
                + [
                    Points(walked, data.values(f"{name}_{model}"), colour, data.intervals(f"{name}_{model}"))
                    for model, colour in MODELS.items()
                ],
                zero=name == "metabolic_power",
                ticks=speed_ticks(data.speeds),
                width=WIDTH,
                height=HEIGHT,
            ),
        )
        for title, unit, name, measured in panels
    ]
    return Section(
        "cost",
        "Metabolic cost against speed",
        paragraph(_words(data)) + model_legend("measured on people, gross (Looney et al. 2019)") + grid(2, figures),
    )


def _words(data: WalkerData) -> str:
    low, high = CHEAPEST_SPEED_MPS
    if data.figure("cost_r_bhargava") is None:
        return "Too few speeds for a curve over speed."
    ratio = data.values("metabolic_power_bhargava") / looney2019(data.values("speed"))
    return (
        f"Correlation with the measured curve: {shown(data.figure('cost_r_bhargava'))} (Bhargava) and "
        f"{shown(data.figure('cost_r_umberger'))} (Umberger). A metre is cheapest at "
        f"{shown(data.figure('cheapest_speed_bhargava'))} and "
        f"{shown(data.figure('cheapest_speed_umberger'))} m/s (people: {low:g} to {high:g} m/s). "
        f"The walker spends {svg.shown(np.nanmin(ratio))} to {svg.shown(np.nanmax(ratio))} times "
        f"what people do "
        "(Bhargava): use differences, not absolute values."
    )
