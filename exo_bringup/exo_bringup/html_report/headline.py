# SPDX-License-Identifier: Apache-2.0
"""The summary: one line, one picture, four numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from exo_bringup.html_report import svg
from exo_bringup.html_report.catalogue import HEADLINE
from exo_bringup.html_report.common import DASH
from exo_bringup.html_report.metabolic_section import cost_bars
from exo_bringup.html_report.panels import bar_panel, legend, stride_panel
from exo_bringup.html_report.parts import figure
from exo_bringup.html_report.run_data import METABOLIC_POWER, RunData

WIDTH, HEIGHT, GAP = 1010.0, 215.0, 14.0
#: A change within this is none (%).
NO_CHANGE_PERCENT = 0.5


def subtitle(configuration: Mapping, run: RunData) -> str:
    """Who walked how fast in what."""
    if not configuration:
        return "config.yaml is missing: subject, device and speed are not known"
    subject = run.subject
    return (
        f"{configuration.get('speed_mps', math.nan):g} m/s commanded, subject {subject.name} "
        f"({subject.height_m:.2f} m, {subject.mass_kg:g} kg), device {configuration.get('device', '?')}, "
        f"controller {configuration.get('controller', '?')}, seed {configuration.get('seed', '?')}"
    )


def verdicts(run: RunData) -> tuple[int, int]:
    """Targets met, and targets there are."""
    judged = [figure["met"] for figure in run.summary.get("figures", []) if figure["met"] is not None]
    return sum(judged), len(judged)


def metabolic_change(run: RunData) -> float:
    """Assisted against unassisted in percent; NaN without both."""
    before, after = (run.mean(METABOLIC_POWER, condition) for condition in ("unassisted", "assisted"))
    return 100.0 * (after - before) / before


def one_line(run: RunData) -> str:
    """The result in a sentence or two."""
    before, after = (run.mean(METABOLIC_POWER, condition) for condition in ("unassisted", "assisted"))
    change = metabolic_change(run)
    if math.isfinite(change):
        verb = (
            "left metabolic power as it was"
            if abs(change) < NO_CHANGE_PERCENT
            else f"{'lowered' if change < 0.0 else 'raised'} metabolic power by {svg.shown(abs(change), 1)} %"
        )
        first = f"Assistance {verb}, from {svg.shown(before)} to {svg.shown(after)} W/kg."
    else:
        first = "The run does not show what assistance does: strides with and without it are needed."
    met, count = verdicts(run)
    judged = f" {met} of {count} targets are met" if count else " No targets were judged"
    falls, faults = run.record.get("falls"), run.record.get("device_faults")
    fell = "" if falls is None else f", {'no fall' if not falls else '1 fall' if falls == 1 else f'{falls} falls'}"
    latched = "" if faults is None else f", {', '.join(faults) if faults else 'no device fault'}"
    return f"{first}{judged}{fell}{latched}."


def picture(run: RunData) -> str:
    """Cost by condition, then the gait against the norm."""
    bars_width, panel_width = 170.0, (WIDTH - 170.0 - 4 * GAP) / 4
    content = bar_panel("Metabolic power", "W/kg, gross", cost_bars([run], METABOLIC_POWER), bars_width, HEIGHT)
    for place, variable in enumerate(HEADLINE):
        x = bars_width + GAP + place * (panel_width + GAP)
        content += svg.moved(x, 0.0, stride_panel(run, variable, width=panel_width, height=HEIGHT))
    return legend(run.conditions) + figure(
        "Metabolic power, hip, knee and ankle angle and vertical ground reaction force in both conditions",
        WIDTH,
        HEIGHT,
        content,
    )


def tiles(run: RunData) -> str:
    """Four numbers to remember."""
    met, count = verdicts(run)
    speeds = [run.mean("speed", condition) for condition in run.conditions]
    falls, faults = run.record.get("falls"), run.record.get("device_faults")
    entries = (
        (
            f"{svg.shown(metabolic_change(run), 1, sign=True)} %",
            "metabolic power, assisted against unassisted",
        ),
        (
            " / ".join(svg.shown(speed) for speed in speeds) + " m/s" if speeds else svg.shown(math.nan),
            "walking speed, " + " / ".join(run.conditions) if speeds else "walking speed",
        ),
        (f"{met} of {count}" if count else svg.shown(math.nan), "targets met"),
        (
            f"{DASH if falls is None else falls} / {DASH if faults is None else len(faults)}",
            "falls / device faults",
        ),
    )
    return (
        '<div class="tiles">'
        + "".join(
            f'<div class="tile"><b>{escape(number)}</b><span>{escape(words)}</span></div>' for number, words in entries
        )
        + "</div>"
    )


def comparison_table(runs: Sequence[RunData]) -> list[list[str]]:
    """One row a run: what it was and what came out."""
    rows = []
    for run in runs:
        met, count = verdicts(run)
        c = run.configuration
        rows.append(
            [
                run.label,
                str(c.get("subject", "?")),
                str(c.get("device", "?")),
                str(c.get("controller", "?")),
                svg.shown(run.speed_mps),
                str(c.get("seed", "?")),
                *(svg.shown(run.mean(METABOLIC_POWER, x)) for x in ("unassisted", "assisted")),
                svg.shown(metabolic_change(run), 1, sign=True),
                str(run.record.get("falls", "?")),
                f"{met} of {count}" if count else svg.shown(math.nan),
            ]
        )
    return rows


COMPARISON_HEAD = [
    "Run",
    "subject",
    "device",
    "controller",
    "speed (m/s)",
    "seed",
    "unassisted (W/kg)",
    "assisted (W/kg)",
    "change (%)",
    "falls",
    "targets met",
]
