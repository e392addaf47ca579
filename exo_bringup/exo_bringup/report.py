# SPDX-License-Identifier: Apache-2.0
"""From a run's raw results to summary.json, run.json and the picture; again at any time with `exo report`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from exo_bringup.errors import BringupError
from exo_bringup.html_report.page import write_report_page
from exo_bringup.paths import find_configuration
from exo_bringup.picture import draw_run
from exo_bringup.run_figures import RunOutcome, run_figures
from exo_bringup.run_folder import RunFolder
from exo_bringup.run_options import RunOptions
from exo_bringup.telemetry import Telemetry
from exo_bringup.timing import measure_timing
from exo_sim.body.model import MODEL_LEG_LENGTH_M
from exo_sim.body.subject import load_subject
from exo_sim.gait.curves import CurveTable
from exo_sim.measurement.figures import Figure, missed
from exo_sim.measurement.summary import write_run_record, write_summary

COMMAND = "exo sim"


def write_report(
    folder: RunFolder,
    options: RunOptions,
    telemetry: Telemetry,
    wall_time_s: float,
    timings: Mapping[str, float],
    complete: bool,
    say: Callable[[str], None],
) -> bool:
    """Write everything that a finished or interrupted run leaves. Returns whether every target is met."""
    measured = measure_timing(folder.recording) if folder.recording.is_file() else {}
    write_run_record(
        folder.record,
        wall_time_s,
        {
            **{key: round(value, 3) for key, value in timings.items()},
            "graph": measured,
            "complete": complete,
            "falls": telemetry.falls,
            "device_faults": list(telemetry.fault_names),
            "device_cause": telemetry.cause,
        },
    )
    outcome = RunOutcome(telemetry.falls, telemetry.fault_names)
    return _write_results(folder, options.configuration(), outcome, say)


def report_again(run_folder: str, strict: bool) -> int:
    """`exo report`: the figures and the picture of a run folder anew. Returns the exit code."""
    folder = RunFolder.existing(run_folder)
    try:
        record = json.loads(folder.record.read_text(encoding="utf-8"))
        outcome = RunOutcome(int(record["falls"]), tuple(record["device_faults"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BringupError(f"{folder.record} cannot be used: {error}") from error
    met = _write_results(folder, folder.read_configuration(), outcome, print)
    return 1 if strict and not met else 0


def _write_results(folder: RunFolder, configuration: dict, outcome: RunOutcome, say: Callable[[str], None]) -> bool:
    curves = CurveTable.read(folder.curves) if folder.curves.is_file() else CurveTable()
    strides = _read_strides(folder, configuration["phases"])
    speed_mps = float(configuration["speed_mps"])
    subject = load_subject(find_configuration("subject", configuration["subject"]))
    leg_length_m = MODEL_LEG_LENGTH_M * subject.length_scale
    figures = run_figures(curves, strides, speed_mps, leg_length_m, outcome)
    write_summary(folder.summary, figures, configuration, configuration["seed"], {"command": COMMAND})
    draw_run(folder.picture, curves, strides, speed_mps, leg_length_m, _subtitle(configuration, subject))
    write_report_page(folder.path)
    for line in figure_lines(figures):
        say(line)
    say(f"written to {folder.path}: {', '.join(sorted(p.name for p in folder.path.iterdir() if p.is_file()))}")
    return not missed(figures)


def _read_strides(folder: RunFolder, phases: list[dict]) -> list[dict]:
    """Strides that began and ended within a measured phase, as those in the curves."""
    if not folder.strides.is_file():
        return []
    begins = {later["name"]: earlier["until_s"] for earlier, later in zip(phases, phases[1:])}
    try:
        strides = json.loads(folder.strides.read_text(encoding="utf-8"))
        return [stride for stride in strides if stride["condition"] and stride["start"] >= begins[stride["condition"]]]
    except (ValueError, KeyError, TypeError) as error:
        raise BringupError(f"{folder.strides} is damaged: {error}") from error


def _subtitle(configuration: dict, subject) -> str:
    return (
        f"{configuration['speed_mps']:g} m/s commanded, subject {subject.name} ({subject.height_m:.2f} m, "
        f"{subject.mass_kg:g} kg), device {configuration['device']}, "
        f"controller {configuration['controller']}, "
        f"seed {configuration['seed']}"
    )


def figure_lines(figures: list[Figure]) -> list[str]:
    """The figures as lines of a plain table."""
    marks = {None: "", True: "met", False: "MISSED"}
    return [
        f"  {figure.name:<26} {figure.value:>9.3f} {figure.unit:<6} "
        f"{figure.target or '':<14} {marks[figure.met]}".rstrip()
        for figure in figures
    ]
