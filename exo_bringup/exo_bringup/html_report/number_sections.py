# SPDX-License-Identifier: Apache-2.0
"""Sections of numbers: strides, device health, targets, how to run it again."""

from __future__ import annotations

import math
from collections.abc import Sequence

import yaml

from exo_bringup.html_report import svg
from exo_bringup.html_report.command import command_line
from exo_bringup.html_report.common import (
    DASH,
    label_of,
    mean_sd,
)
from exo_bringup.html_report.parts import (
    Cell,
    Section,
    paragraph,
    table,
)
from exo_bringup.html_report.run_data import (
    METABOLIC_POWER,
    METABOLIC_POWER_UMBERGER,
    SIDES,
    RunData,
)
from exo_bringup.html_report.style import SIDE_NAMES

#: Stride figures by name in strides.json: title, unit, digits, and the norm's attribute to compare with.
STRIDE_FIGURES = (
    ("speed", "Speed", "m/s", 2, None),
    ("duration", "Stride time", "s", 3, "stride_time_s"),
    ("cadence", "Cadence", "steps/min", 1, None),
    ("stride_length", "Stride length", "m", 3, None),
    ("step_length", "Step length", "m", 3, "step_length_m"),
    ("step_width", "Step width", "m", 3, None),
    ("stance_percent", "Stance", "% of stride", 1, "stance_percent"),
    (METABOLIC_POWER, "Metabolic power, Bhargava 2004", "W/kg", 2, None),
    (METABOLIC_POWER_UMBERGER, "Metabolic power, Umberger 2010", "W/kg", 2, None),
    ("metabolic_cost", "Cost of transport, Bhargava 2004", "J/kg/m", 2, None),
)


def strides(runs: Sequence[RunData]) -> Section:
    """Means and SD of stride figures by condition and leg."""
    columns = [(run, condition, side) for run in runs for condition in run.conditions for side in SIDES]
    if not columns:
        return Section("strides", "Strides", paragraph("No full stride was walked in a measured part of the run."))
    single = len(runs) == 1
    rows = []
    for name, title, unit, digits, norm in STRIDE_FIGURES:
        row = [
            f"{title} ({unit})",
            *(mean_sd(run.values(name, condition, side), digits) for run, condition, side in columns),
        ]
        if single:
            known = norm is not None and runs[0].norm is not None
            row.append(svg.shown(getattr(runs[0].norm, norm), digits) if known else DASH)
        rows.append(row)
    rows.append(
        [
            "Strides",
            *(
                str(sum((s["condition"], s["side"]) == (condition, side) for s in run.strides))
                for run, condition, side in columns
            ),
            *([""] if single else []),
        ]
    )
    head = [
        "Mean \N{PLUS-MINUS SIGN} SD",
        *(f"{label_of(runs, run)}{condition}, {SIDE_NAMES[side]}" for run, condition, side in columns),
        *(["norm"] if single else []),
    ]
    return Section("strides", "Strides", table(head, rows))


def health(runs: Sequence[RunData]) -> Section:
    """Faults, falls, rates and latencies."""
    rows = [
        ("Run", lambda r: {True: "complete", False: "interrupted"}.get(r.get("complete"), DASH)),
        ("Falls of the wearer", lambda r: str(r.get("falls", DASH))),
        (
            "Device faults latched",
            lambda r: ", ".join(r["device_faults"]) or "none" if "device_faults" in r else DASH,
        ),
        ("Device's last cause", lambda r: r.get("device_cause") or DASH),
        ("Time from start to first step (s)", lambda r: svg.shown(r.get("first_step_s", math.nan), 1)),
        ("Duration, wall time (s)", lambda r: svg.shown(r.get("wall_time_s", math.nan), 1)),
    ]
    graphs = [run.record.get("graph") or {} for run in runs]
    content = [
        table(
            ["", *(run.label if len(runs) > 1 else "" for run in runs)],
            [[title, *(Cell(read(run.record), "text") for run in runs)] for title, read in rows],
        )
    ]
    latencies = sorted({name for graph in graphs for name in graph.get("latencies", {})})
    if latencies:
        content.append(
            "<h3>Round trips, wall time</h3>"
            + table(
                ["median / 99th percentile (ms)", *(run.label if len(runs) > 1 else "" for run in runs)],
                [
                    [
                        name.replace("_", " "),
                        *(_latency(graph.get("latencies", {}).get(name)) for graph in graphs),
                    ]
                    for name in latencies
                ],
            )
        )
    rates = list(dict.fromkeys(topic for graph in graphs for topic in graph.get("rates_hz", {})))
    if rates:
        content.append(
            "<h3>Rates of topics, wall time</h3>"
            + table(
                ["topic (Hz)", *(run.label if len(runs) > 1 else "" for run in runs)],
                [
                    [
                        topic,
                        *(svg.shown(graph.get("rates_hz", {}).get(topic, math.nan), 1) for graph in graphs),
                    ]
                    for topic in rates
                ],
            )
        )
    else:
        content.append(paragraph("Rates and round trips are not known: nothing was recorded.", faint=True))
    parts = "".join(f"<div>{part}</div>" for part in content)
    return Section("health", "Device health", f'<div class="beside">{parts}</div>')


def _latency(figures) -> str:
    return f"{svg.shown(figures['median_ms'], 1)} / {svg.shown(figures['p99_ms'], 1)}" if figures else DASH


def targets(runs: Sequence[RunData]) -> Section:
    """All figures of summary.json, with their targets."""
    names = list(dict.fromkeys(f["name"] for run in runs for f in run.summary.get("figures", [])))
    if not names:
        return Section("targets", "Figures and targets", paragraph("No figures: summary.json is missing or empty."))
    by_run = [{f["name"]: f for f in run.summary.get("figures", [])} for run in runs]
    rows = []
    for name in names:
        known = next(figures[name] for figures in by_run if name in figures)
        row: list[str | Cell] = [
            name.replace("_", " "),
            Cell("" if known["unit"] == "1" else known["unit"], "text"),
            Cell(_limits(known["target"] or ""), "text"),
        ]
        for figures in by_run:
            found = figures.get(name)
            row.append(_figure_value(found))
            row.append(_verdict(found))
        rows.append(row)
    head = [
        "Figure",
        Cell("unit", "text"),
        Cell("target", "text"),
        *(text for run in runs for text in (run.label if len(runs) > 1 else "value", "")),
    ]
    return Section("targets", "Figures and targets", table(head, rows))


def _limits(target: str) -> str:
    return target.replace("<=", "\N{LESS-THAN OR EQUAL TO}").replace(">=", "\N{GREATER-THAN OR EQUAL TO}")


def _figure_value(found) -> str:
    if found is None or found["value"] is None:
        return DASH
    digits = 0 if float(found["value"]).is_integer() and found["unit"] == "1" else 3
    text = svg.shown(found["value"], digits)
    if found.get("interval"):
        text += " [" + ", ".join(svg.shown(end, digits) for end in found["interval"]) + "]"
    return text


def _verdict(found) -> Cell:
    if found is None or found["met"] is None:
        return Cell("")
    return Cell("\N{CHECK MARK} met", "met") if found["met"] else Cell("\N{MULTIPLICATION SIGN} missed", "missed")


def command_html(command: str) -> str:
    """A command that wraps between its options, not inside them."""
    from html import escape

    first, *options = command.split(" --")
    return escape(first) + "".join(f' <span class="whole">--{escape(option)}</span>' for option in options)


def reproduction(runs: Sequence[RunData]) -> Section:
    """Command, versions, revision, seed, configuration."""
    from html import escape

    parts = []
    for run in runs:
        summary, record = run.summary, run.record
        if len(runs) > 1:
            parts.append(f"<h3>{escape(run.label)}</h3>")
        if run.configuration:
            parts.append(f"<pre>{command_html(command_line(run.configuration))}</pre>")
            if run.configuration.get("mode") != "lockstep":
                parts.append(
                    paragraph(
                        "The run was not in lockstep: its numbers depend on the machine's timing and come "
                        "out close, not equal.",
                        faint=True,
                    )
                )
        rows = [
            ["Git revision", summary.get("git_revision", DASH)],
            ["Seed", str(summary.get("seed", DASH))],
            *([f"Version of {name}", version] for name, version in (summary.get("versions") or {}).items()),
            ["Platform", record.get("platform", DASH)],
            ["Processors", str(record.get("cpu_count", DASH))],
            ["Finished", record.get("finished", DASH)],
            ["Run folder", run.folder.path.name],
        ]
        parts.append(table(["Made with", ""], [[name, Cell(value, "text")] for name, value in rows]))
        parts.append(
            "<h3>Configuration</h3>"
            + (
                f"<pre>{escape(yaml.safe_dump(dict(run.configuration), sort_keys=True))}</pre>"
                if run.configuration
                else paragraph("config.yaml is missing.")
            )
        )
    return Section("reproduction", "How to reproduce it", "".join(parts))
