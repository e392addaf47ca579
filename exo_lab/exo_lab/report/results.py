# SPDX-License-Identifier: Apache-2.0
"""From a run's raw results to summary.json, run.json, the picture and the page; again at any time with `exo report`.

Also: which report belongs to which folder.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np

from exo_core.errors import UserError, warn
from exo_core.joints import SIDES
from exo_core.message_schema import message_class
from exo_core.recordings import RecordingError, RecordingReader
from exo_lab.evaluate.figures import ANGLES, LARGEST_RMSE_DEG, SMALLEST_FORCE_R, SPEED_TOLERANCE_MPS, VERTICAL_FORCE
from exo_lab.report.run_data import CONDITIONS, METABOLIC_POWER, RunData, load_run
from exo_lab.report.study import command_of
from exo_lab.run_folder import RunFolder
from exo_sim.body.model import MODEL_LEG_LENGTH_M
from exo_sim.errors import GaitError
from exo_sim.gait.scores import score_against_normative, score_against_reference
from exo_sim.measurement import Figure, missed, write_run_record, write_summary

COMMAND = "exo sim"
#: The speed that a walk is held to (m/s): that of the walker's training. Speeds are commanded with two digits.
TARGET_SPEED_MPS, SAME_SPEED_MPS = 1.25, 5e-3
TORQUES = {"hip": "exo_torque_hip_Nm_kg", "ankle": "exo_torque_ankle_Nm_kg"}


def write_report(
    folder: RunFolder, configuration: dict, wall_time_s: float, record: Mapping[str, object], say: Callable[[str], None]
) -> bool:
    """Write everything that a finished or interrupted run leaves. Returns whether every target is met.

    Args:
        record: what run.json gets beside the graph's rates and latencies: falls, device_faults, device_cause,
            complete, changes that somebody made under way, and times (s).
    """
    measured = measure_timing(folder.recording) if folder.recording.is_file() else {}
    write_run_record(folder.record, wall_time_s, {**record, "graph": measured})
    return _write_results(folder, configuration, say)


def report_again(run_folder: str, strict: bool) -> int:
    """`exo report` of a run: its figures, picture and page anew. Returns the exit code."""
    folder = RunFolder.existing(run_folder)
    met = _write_results(folder, folder.read_configuration(), print)
    return 1 if strict and not met else 0


def _write_results(folder: RunFolder, configuration: dict, say: Callable[[str], None]) -> bool:
    from exo_lab.report.run import draw_run, write_report_page  # draws: imported when needed

    run = load_run(folder.path, ("summary",))
    figures = run_figures(run, _outcome(run))
    write_summary(folder.summary, figures, configuration, configuration["seed"], {"command": COMMAND})
    draw_run(folder.picture, run)
    write_report_page(folder.path)
    for line in figure_lines(figures):
        say(line)
    say(f"written to {folder.path}: {', '.join(sorted(p.name for p in folder.path.iterdir() if p.is_file()))}")
    return not missed(figures)


def figure_lines(figures: Sequence[Figure]) -> list[str]:
    """The figures as lines of a plain table."""
    marks = {None: "", True: "met", False: "MISSED"}
    return [f"  {f.name:<26} {f.value:>9.3f} {f.unit:<6} {f.target or '':<14} {marks[f.met]}".rstrip() for f in figures]


# --- the figures of a run


@dataclass(frozen=True)
class RunOutcome:
    """What a run tells beside its curves and strides; `device_faults`: names of those latched when the run ended,
    None where that is not known, as `falls` is NaN."""

    falls: float = 0
    device_faults: tuple[str, ...] | None = ()


def _outcome(run: RunData) -> RunOutcome:
    try:
        if not run.record:  # the run ended before it was written
            return RunOutcome(math.nan, None)
        return RunOutcome(int(run.record["falls"]), tuple(run.record["device_faults"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{run.folder.record} cannot be used: {error}") from error


def run_figures(run: RunData, outcome: RunOutcome) -> list[Figure]:
    """Figures of the conditions "unassisted" and "assisted" and of the difference between them.

    What was not walked gives NaN, which misses a target.
    """
    low, high = TARGET_SPEED_MPS - SPEED_TOLERANCE_MPS, TARGET_SPEED_MPS + SPEED_TOLERANCE_MPS
    held = abs(run.speed_mps - TARGET_SPEED_MPS) < SAME_SPEED_MPS
    speed_target = {"at_least": low, "at_most": high} if held else {}
    small, none = {"at_most": LARGEST_RMSE_DEG}, {"at_most": 0.0}
    figures = []
    for c in CONDITIONS:
        figures.append(Figure.judged(f"walking_speed_{c}", run.mean("speed", c), "m/s", **speed_target))
        figures.append(Figure(f"stride_time_{c}", run.mean("duration", c), "s"))
        for joint, variable in ANGLES.items():
            error = _score(run, c, variable, score_against_reference, "rmse")
            figures.append(Figure.judged(f"{joint}_rmse_{c}", error, "deg", **small))
        r = _score(run, c, VERTICAL_FORCE, score_against_normative, "r")
        figures.append(Figure.judged(f"grf_vertical_r_{c}", r, "1", **{"at_least": SMALLEST_FORCE_R}))
        figures.append(Figure(f"metabolic_power_{c}", run.mean(METABOLIC_POWER, c), "W/kg"))
        figures.append(Figure(f"strides_{c}", len(run.strides_of(c)), "1"))
    without, assisted = (run.mean(METABOLIC_POWER, c) for c in CONDITIONS)
    figures.append(Figure("metabolic_power_change", 100.0 * (assisted - without) / without, "%"))
    figures += [Figure(f"assistance_peak_{joint}", _peak(run, name), "Nm/kg") for joint, name in TORQUES.items()]
    figures.append(Figure.judged("falls", outcome.falls, "1", **none))
    faults = math.nan if outcome.device_faults is None else len(outcome.device_faults)
    figures.append(Figure.judged("device_faults", faults, "1", **none))
    return figures


def _score(run: RunData, condition: str, variable: str, score: Callable, part: str) -> float:
    """Mean over both sides; NaN where it was not walked long enough for a stride, or the walker fell."""
    leg_length_m = MODEL_LEG_LENGTH_M * run.subject.length_scale
    try:
        curves = [run.curves.get(condition, variable, side) for side in SIDES]
        return float(np.mean([getattr(score(curve, leg_length_m), part) for curve in curves]))
    except GaitError:
        return math.nan


def _peak(run: RunData, variable: str) -> float:
    """Largest mean assistance over the stride, both sides averaged; NaN where the joint is not driven."""
    curves = [curve for side in SIDES if (curve := run.curve("assisted", variable, side)) is not None]
    return float(np.mean([np.nanmax(np.abs(curve.mean)) for curve in curves])) if curves else math.nan


# --- rates and latencies of the graph, from the wall times in a recording

#: Name of a latency: topic that starts it, topic that ends it, and how both tell which belong together.
LATENCIES: dict[str, tuple[str, str, Callable, Callable]] = {
    "policy_round_trip": (
        "exo/joint_states",
        "exo/command",
        lambda m: _stamp(m.header.stamp),
        lambda m: _stamp(m.state_stamp),
    ),
    "motor_round_trip": ("sim/motor_states", "sim/motor_command", lambda m: m.sequence, lambda m: m.sequence),
}
#: The device's joint_states stand before the body's, whose name ends theirs.
RATED_TOPICS = (
    *("sim/motor_states", "sim/motor_command", "exo/joint_states", "exo/imu", "exo/command", "exo/status"),
    *("human/state", "joint_states", "tf"),
)


def _rated(topic: str) -> str:
    return next((name for name in RATED_TOPICS if topic.endswith("/" + name)), "")


def _stamp(stamp) -> int:
    return stamp.sec * 10**9 + stamp.nanosec


def measure_timing(recording: Path) -> dict:
    """Rates (Hz, wall time) by topic and latencies (ms: median, p99, count) of a recording; empty where nothing can be
    read of it.

    A message's time is when its sender sent it. The median interval is taken, so that pauses do not count. A recording
    that the disk had no room for, or whose recorder was killed, is measured as far as it goes.
    """
    from rclpy.serialization import deserialize_message

    ends = {topic for start, end, _, _ in LATENCIES.values() for topic in (start, end)}
    times: dict[str, list[int]] = {}
    decoded: dict[str, list[tuple[int, object]]] = {}
    try:
        for message in RecordingReader(recording).messages(lambda name: bool(_rated(name))):
            topic = _rated(message.topic)
            times.setdefault(topic, []).append(message.sent_ns)
            if topic in ends:
                content = deserialize_message(message.data, message_class(message.type_name))
                decoded.setdefault(topic, []).append((message.sent_ns, content))
    except RecordingError as error:
        warn([f"no rates and latencies: {error}"])
    rates = {
        topic: round(1e9 / float(np.median(np.diff(stamps))), 1) for topic, stamps in times.items() if len(stamps) > 2
    }
    latencies = {}
    for name, (start, end, start_key, end_key) in LATENCIES.items():
        starts = [(start_key(m), t) for t, m in decoded.get(start, [])]
        taken = match_latencies(starts, [(end_key(m), t) for t, m in decoded.get(end, [])])
        if taken:
            median, p99 = float(np.median(taken)), float(np.percentile(taken, 99))
            latencies[name] = {"median_ms": round(median, 3), "p99_ms": round(p99, 3), "count": len(taken)}
    return {"rates_hz": rates, "latencies": latencies}


def match_latencies(starts: Sequence[tuple[int, int]], ends: Sequence[tuple[int, int]]) -> list[float]:
    """Times (ms) from each start to the end with the same key; a repeated key counts once, from its first.

    Args:
        starts, ends: (key, time in ns).
    """
    first_start, first_end = dict(reversed(starts)), dict(reversed(ends))
    return [(first_end[key] - first_start[key]) / 1e6 for key, _ in dict(starts).items() if key in first_end]


# --- studies

#: The module that draws a study, by the command in its summary.json; imported when needed.
STUDY_REPORTS = {f"exo evaluate {kind}": kind for kind in ("human", "exo", "impaired")}


def is_evaluation(folder: str | Path) -> bool:
    """Whether `exo evaluate ...` wrote this folder and there is a report for it."""
    return command_of(folder) in STUDY_REPORTS


def write_evaluation_report(folder: str | Path) -> Path:
    """Write report.html, and what else belongs to it, into the folder of an evaluation. Returns the page's path.

    Raises:
        KeyError: not such a folder, see `is_evaluation`.
        UserError, GaitError: as the report does.
    """
    return import_module(f"exo_lab.report.{STUDY_REPORTS[command_of(folder)]}").write_page_of(folder)


def report_folder(words: Sequence[str]) -> str:
    """The folder that `exo report [exo|human|impaired] FOLDER` means.

    Raises:
        UserError: more words than that, or a kind that the folder is not of.
    """
    *kind, folder = words
    if not kind:
        return folder
    if len(kind) > 1 or kind[0] not in STUDY_REPORTS.values():
        raise UserError(f"give one folder, or {' or '.join(STUDY_REPORTS.values())} before it, got: {' '.join(words)}")
    if STUDY_REPORTS.get(command_of(folder)) != kind[0]:
        raise UserError(f"{folder} is not a folder that `exo evaluate {kind[0]}` wrote")
    return folder
