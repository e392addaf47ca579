# SPDX-License-Identifier: Apache-2.0
"""Section of metabolic cost: by condition, over time, over the stride, by muscle group."""

from __future__ import annotations

import math
from collections.abc import Sequence

from exo_bringup.errors import BringupError
from exo_bringup.html_report.catalogue import (
    METABOLIC_CURVES,
    grouped_muscles,
)
from exo_bringup.html_report.common import (
    WIDE,
    conditions_of,
    curve_grid,
    label_of,
)
from exo_bringup.html_report.panels import (
    HEIGHT,
    WIDTH,
    Bar,
    bar_panel,
    colour_of,
    legend,
    points_over_time,
)
from exo_bringup.html_report.parts import (
    Section,
    figure,
    grid,
    note,
    paragraph,
)
from exo_bringup.html_report.run_data import (
    METABOLIC_POWER,
    METABOLIC_POWER_UMBERGER,
    RunData,
)


def metabolic(runs: Sequence[RunData]) -> Section:
    """Cost by condition, over time, over the stride and by muscle group."""
    figures = [
        figure(
            "Metabolic power by condition",
            WIDTH,
            HEIGHT,
            bar_panel(
                "By condition, Bhargava 2004",
                "W/kg, gross, mean and SD of strides",
                cost_bars(runs, METABOLIC_POWER),
            ),
        )
    ]
    figures.append(
        figure(
            "Metabolic power by condition after Umberger",
            WIDTH,
            HEIGHT,
            bar_panel(
                "By condition, Umberger 2010",
                "W/kg, gross, mean and SD of strides",
                cost_bars(runs, METABOLIC_POWER_UMBERGER),
            ),
        )
    )
    figures += [
        figure(
            f"{label_of(runs, run)}metabolic power of each stride",
            WIDTH,
            HEIGHT,
            points_over_time(
                f"{label_of(runs, run)}Each stride",
                "W/kg, gross, Bhargava 2004; rings: left leg",
                run,
                METABOLIC_POWER,
            ),
        )
        for run in runs
    ]
    parts = [
        paragraph("Gross power of the whole body over the wearer's mass, basal rate included.", faint=True),
        legend(conditions_of(runs), norm=False, toe_off=True),
        grid(3, figures),
        curve_grid(runs, METABOLIC_CURVES),
    ]
    for run in runs:
        parts.append(_by_group(runs, run))
    return Section("metabolic", "Metabolic cost", "".join(parts))


def cost_bars(runs: Sequence[RunData], name: str) -> list[Bar]:
    """A bar a condition and run."""
    bars = []
    for run in runs:
        for condition in run.conditions:
            values = run.values(name, condition)
            group = run.label if len(runs) > 1 else condition
            bars.append(
                Bar(
                    group,
                    float(values.mean()) if values.size else math.nan,
                    float(values.std()) if values.size else math.nan,
                    colour_of(condition),
                )
            )
    return bars


def _by_group(runs: Sequence[RunData], run: RunData) -> str:
    from exo_bringup.html_report.muscle_cost import muscle_costs

    title = f"{label_of(runs, run)}Metabolic cost by muscle group"
    try:
        costs = muscle_costs(run)
    except BringupError as error:
        return note([f"{title}: {error}."])
    if not costs:
        return note([f"{title}: nothing was walked without a fall in a measured part."])
    groups = grouped_muscles(list(next(iter(costs.values())).by_muscle))
    bars = [
        Bar(group, sum(cost.by_muscle[m] for m in members), math.nan, colour_of(condition))
        for group, members in groups.items()
        for condition, cost in costs.items()
    ]
    rest = max(
        abs(sum(cost.by_muscle.values()) + cost.basal - cost.recorded) / cost.recorded for cost in costs.values()
    )
    basal = next(iter(costs.values())).basal
    words = (
        f"Both legs together, worked out from the recording with the simulator's own model (Bhargava 2004); "
        f"the rest of the body adds {basal:.1f} W/kg. The sum agrees with the recorded whole-body power to "
        f"{100.0 * rest:.1f} %."
    )
    return (
        "<div>"
        + paragraph(words, faint=True)
        + figure(
            title,
            WIDE,
            230.0,
            bar_panel(title, "W/kg of body mass, mean over the measured time", bars, WIDE, 230.0),
        )
        + "</div>"
    )
