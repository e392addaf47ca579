# SPDX-License-Identifier: Apache-2.0
"""What an evaluation of patients found, as tables on the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from exo_lab.conditions import UNPOWERED
from exo_lab.evaluate.exo.figures import at
from exo_lab.evaluate.impaired.assistance import COMPARED
from exo_lab.evaluate.impaired.clinical import COST
from exo_lab.evaluate.impaired.clinical_table import LEVELS, Row, cells, falls_words, shown, verdict
from exo_lab.evaluate.impaired.deficits import Deficit
from exo_lab.evaluate.impaired.measure import ASYMMETRIES
from exo_lab.evaluate.impaired.patients import Patient
from exo_sim.measurement import Figure
from exo_sim.world.walk import strides_key

STYLES = {None: "", True: "green", False: "bold red"}
BEFORE_AFTER = (
    (COST, "cost (J/kg/m)", 2),
    *((f"asymmetry_{name}", f"{name.replace('_', ' ')} (%)", 1) for name in ASYMMETRIES),
)


def clinical_tables(
    rows: Sequence[Row], figures: Mapping[str, Figure], deficits: Sequence[Deficit], speed: float
) -> list[Table]:
    """A table for each deficit; green: in the expected direction, large enough and beyond chance."""
    tables = []
    for deficit in deficits:
        seen = verdict(figures, deficit, speed)
        table = _table(
            f"{deficit.title}: {'as in the clinic' if seen else 'not as in the clinic'}; "
            + falls_words(figures, deficit, speed)
        )
        for head in ("sign", "expected", "healthy", *(f"{100 * level:g} %" for level in LEVELS), "monotony"):
            table.add_column(head, justify="left" if head in ("sign", "expected") else "right", no_wrap=head != "sign")
        for row in (row for row in rows if row.deficit == deficit.title):
            changes = [Text(text, style=STYLES[True] if good else "") for text, good in zip(cells(row, ""), row.shown)]
            table.add_row(
                f"{row.sign} ({row.unit})",
                row.expected,
                shown(row.healthy, row.unit),
                *changes,
                shown(row.monotony, "1"),
            )
        tables.append(table)
    return tables


def assistance_table(figures: Sequence[Figure], patients: Sequence[Patient], speed: float) -> Table:
    """Unpowered to assisted, one row a patient and policy; red misses its target."""
    by_name = {figure.name: figure for figure in figures}
    table = _table(
        "in the device, unpowered to assisted, or to unpowered and practised; torque: affected side over the other (%)"
    )
    for head in ("patient", "policy", *(title for _, title, _ in BEFORE_AFTER), "hip torque", "ankle torque", "falls"):
        table.add_column(head, justify="left" if head in ("patient", "policy") else "right", no_wrap=True)
    for patient in patients:
        for worn in COMPARED:
            before, after = strides_key(patient.name, UNPOWERED), strides_key(patient.name, worn)
            if at("falls", after, speed) not in by_name:
                continue
            row = [_before_after(by_name, name, before, after, speed, digits) for name, _, digits in BEFORE_AFTER]
            row += [
                _cell(by_name.get(at(f"torque_difference_{kind}", after, speed)), 0)
                for kind in ("hip_flexion", "ankle_angle")
            ]
            row.append(_cell(by_name.get(at("falls", after, speed)), 0))
            table.add_row(patient.name, worn, *row)
    return table


def cohort_table(figures: Sequence[Figure]) -> Table:
    """Every figure of a cohort."""
    table = _table("cohort; intervals over patients")
    for head in ("figure", "value", "95 % interval", "unit"):
        table.add_column(head, no_wrap=True)
    for figure in figures:
        interval = "" if figure.interval is None else f"{figure.interval[0]:.2f} to {figure.interval[1]:.2f}"
        unit = "" if figure.unit == "1" else figure.unit
        table.add_row(figure.name, shown(figure.value, figure.unit), interval, unit)
    return table


def _before_after(figures: Mapping[str, Figure], name: str, before: str, after: str, speed: float, digits: int) -> Text:
    values = [figures.get(at(name, key, speed)) for key in (before, after)]
    texts = [f"{f.value:.{digits}f}" if f is not None and math.isfinite(f.value) else "-" for f in values]
    judged = figures.get(at(f"{name}_change" if name == COST else f"{name}_reduction", after, speed))
    return Text(" > ".join(texts), style=STYLES[judged.met if judged else None])


def _cell(figure: Figure | None, digits: int) -> Text:
    if figure is None or not math.isfinite(figure.value):
        return Text("-")
    return Text(f"{figure.value:.{digits}f}{figure.left_out_words}", style=STYLES[figure.met])


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=SIMPLE)
