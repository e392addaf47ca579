# SPDX-License-Identifier: Apache-2.0
"""The figures that matter as tables on the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from exo_device.safety.limits import LIMITS
from exo_lab.conditions import LEARNED
from exo_lab.evaluate.exo.figures import limited_by
from exo_lab.evaluate.exo.population import CONDITIONS, figure_name, limited_name, minutes_name
from exo_sim.measurement import Figure

#: Rows of the table by speed: beginning of the figure's name, title, decimals.
ROWS = (
    ("gross_bhargava", "gross cost, Bhargava 2004 (W/kg)", 2),
    ("gross_umberger", "gross cost, Umberger 2010 (W/kg)", 2),
    ("gross_change_bhargava_from_unpowered", "change from unpowered (%)", 1),
    ("gross_change_bhargava_from_no_device", "change from no device (%)", 1),
    ("gross_change_umberger_from_unpowered", "change from unpowered, Umberger (%)", 1),
    ("hip_profile_r", "hip torque, r with the validated profile", 3),
    ("hip_profile_cosine_r", "  best-fitting cosine", 3),
    ("hip_profile_positive_peak_error", "  time of flexion peak (% of stride)", 1),
    ("ankle_profile_r", "ankle torque, r with the validated profile", 3),
    ("ankle_profile_cosine_r", "  best-fitting cosine", 3),
    ("ankle_profile_positive_peak_error", "  time of push-off peak (% of stride)", 1),
    ("positive_power", "power given (W/kg)", 3),
    ("negative_power", "power taken (W/kg)", 3),
    ("hip_flexion_time_at_limit", "hip, share of time at the limit", 3),
    ("ankle_angle_time_at_limit", "ankle, share of time at the limit", 3),
    ("falls", "falls", 0),
    ("saving_over_topics", "saved over topics (%)", 1),
)


def overview(figures: Sequence[Figure]) -> list[Table]:
    """A table for each condition: speeds in columns."""
    by_name = {figure.name: figure for figure in figures}
    keys = [figure.name.split(".", 2)[1:] for figure in figures if figure.name.count(".") >= 2]
    conditions = list(dict.fromkeys(condition for condition, _ in keys))
    speeds = sorted({speed for _, speed in keys}, key=float)
    tables = []
    for condition in conditions:
        table = Table(title=condition.replace("_", " "), title_justify="left")
        table.add_column("figure")
        for speed in speeds:
            table.add_column(f"{speed} m/s", justify="right")
        for beginning, title, digits in ROWS:
            row = [by_name.get(f"{beginning}.{condition}.{speed}") for speed in speeds]
            if any(figure is not None for figure in row):
                table.add_row(title, *(_cell(figure, digits) for figure in row))
        tables.append(table)
    return tables


def limits_table(figures: Sequence[Figure]) -> list[Table]:
    """How often each limit of the device takes torque from the policy, by speed; nothing where no policy walked."""
    by_name = {figure.name: figure for figure in figures}
    ending = [name.split(".", 1)[1] for name in by_name if name.startswith("falls.learned.")]
    table = Table("percent of time in which torque is limited by", title="device limits", title_justify="left")
    for at_speed in ending:
        table.add_column(f"{at_speed.split('.', 1)[1]} m/s", justify="right")
    for limit in LIMITS:
        for kind in sorted({name.split("_limited_by_")[0] for name in by_name if "_limited_by_" in name}):
            row = [by_name.get(f"{limited_by(kind, limit)}.{at_speed}") for at_speed in ending]
            if all(figure is not None for figure in row):
                table.add_row(f"{limit}, {kind}", *(f"{100.0 * figure.value:.1f}" for figure in row))
    return [table] if table.row_count else []


def population_table(figures: Sequence[Figure]) -> list[Table]:
    """How often drawn people fell in each condition; nothing where none were drawn."""
    by_name = {figure.name: figure for figure in figures}
    if figure_name(LEARNED) not in by_name:
        return []
    table = Table("condition", title="drawn people", title_justify="left")
    table.add_column("falls per minute of walking", justify="right")
    table.add_column("person-minutes", justify="right")
    for condition in CONDITIONS:
        table.add_row(
            condition.replace("_", " "),
            _cell(by_name.get(figure_name(condition)), 2),
            _cell(by_name.get(minutes_name(condition)), 0),
        )
    limits = Table(
        "percent of time in which torque is limited by", title="device limits, drawn people", title_justify="left"
    )
    limits.add_column("learned", justify="right")
    for limit in LIMITS:
        if limited_name(limit) in by_name:
            limits.add_row(limit, f"{100.0 * by_name[limited_name(limit)].value:.2f}")
    return [table, limits] if limits.row_count else [table]


def _cell(figure: Figure | None, digits: int) -> str:
    if figure is None or not math.isfinite(figure.value):
        return "-"
    text = f"{figure.value:.{digits}f}"
    if figure.interval is not None and math.isfinite(figure.interval[0]):
        text += f" [{figure.interval[0]:.{digits}f}, {figure.interval[1]:.{digits}f}]"
    text = escape(text + figure.left_out_words)
    if figure.met is None:
        return text
    return f"[green]{text}[/green]" if figure.met else f"[bold red]{text} missed[/bold red]"
