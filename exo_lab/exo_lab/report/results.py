# SPDX-License-Identifier: Apache-2.0
"""From a run's raw results to summary.json, run.json, the picture and the page; again at any time with `exo report`.

Also: which report belongs to which folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from exo_core.errors import UserError
from exo_lab.report.run_data import RunData, load_run
from exo_lab.report.run_figures import RunOutcome, run_figures
from exo_lab.report.study import command_of
from exo_lab.report.timing import measure_timing
from exo_lab.run_folder import RunFolder
from exo_sim.body.model import MODEL_LEG_LENGTH_M
from exo_sim.measurement import Figure, missed, write_run_record, write_summary

COMMAND = "exo sim"


def write_report(
    folder: RunFolder,
    configuration: dict,
    wall_time_s: float,
    record: Mapping[str, object],
    say: Callable[[str], None],
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
    from exo_lab.report.picture import draw_run
    from exo_lab.report.run import subtitle, write_report_page

    run = load_run(folder.path, ("summary",))
    leg_length_m = MODEL_LEG_LENGTH_M * run.subject.length_scale
    figures = run_figures(run.curves, run.strides, run.speed_mps, leg_length_m, _outcome(run))
    write_summary(folder.summary, figures, configuration, configuration["seed"], {"command": COMMAND})
    draw_run(folder.picture, run.curves, run.strides, run.speed_mps, leg_length_m, subtitle(run))
    write_report_page(folder.path)
    for line in figure_lines(figures):
        say(line)
    say(f"written to {folder.path}: {', '.join(sorted(p.name for p in folder.path.iterdir() if p.is_file()))}")
    return not missed(figures)


def _outcome(run: RunData) -> RunOutcome:
    try:
        return RunOutcome(int(run.record["falls"]), tuple(run.record["device_faults"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{run.folder.record} cannot be used: {error}") from error


def figure_lines(figures: Sequence[Figure]) -> list[str]:
    """The figures as lines of a plain table."""
    marks = {None: "", True: "met", False: "MISSED"}
    return [
        f"  {figure.name:<26} {figure.value:>9.3f} {figure.unit:<6} "
        f"{figure.target or '':<14} {marks[figure.met]}".rstrip()
        for figure in figures
    ]


# --- studies


def _walker(folder: str | Path) -> Path:
    from exo_lab.report.walker import write_walker_page

    return write_walker_page(folder)


def _device(folder: str | Path) -> Path:
    from exo_lab.report.device import write_exo_page

    return write_exo_page(folder)[0]


def _impaired(folder: str | Path) -> Path:
    from exo_lab.report.impaired import write_impaired_page

    return write_impaired_page(folder)


#: By the command in summary.json; what draws is imported when needed.
STUDY_REPORTS: dict[str, Callable[[str | Path], Path]] = {
    "exo evaluate human": _walker,
    "exo evaluate exo": _device,
    "exo evaluate impaired": _impaired,
}
KINDS = {command.rsplit(" ", 1)[1]: command for command in STUDY_REPORTS}


def is_evaluation(folder: str | Path) -> bool:
    """Whether `exo evaluate ...` wrote this folder and there is a report for it."""
    return command_of(folder) in STUDY_REPORTS


def write_evaluation_report(folder: str | Path) -> Path:
    """Write report.html into the folder of an evaluation. Returns its path.

    Raises:
        KeyError: not such a folder, see `is_evaluation`.
        UserError, GaitError: as the report does.
    """
    return STUDY_REPORTS[command_of(folder)](folder)


def report_folder(words: Sequence[str]) -> str:
    """The folder that `exo report [exo|human|impaired] FOLDER` means.

    Raises:
        UserError: more words than that, or a kind that the folder is not of.
    """
    *kind, folder = words
    if not kind:
        return folder
    if len(kind) > 1 or kind[0] not in KINDS:
        raise UserError(f"give one folder, or {' or '.join(KINDS)} before it, got: {' '.join(words)}")
    if command_of(folder) != KINDS[kind[0]]:
        raise UserError(f"{folder} is not a folder that `{KINDS[kind[0]]}` wrote")
    return folder
