# SPDX-License-Identifier: Apache-2.0
"""Runs a trial: progress, rounds kept one by one, summary.json, exit code."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from exo_bringup.trials.trial import Rounds, Trial
from exo_sim.measurement import Figure, missed, write_run_record, write_summary

EXIT_OK, EXIT_MISSED, EXIT_INTERRUPTED = 0, 1, 130
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def conduct(trial: Trial, *, seed: int | None, strict: bool, console: Console | None = None) -> int:
    """Runs what is left of a trial. Returns the exit code: 1 for a missed target if strict, 130 after Ctrl-C.

    summary.json holds the figures of the rounds that there are, also after an interruption or an error.
    """
    console = console or Console(highlight=False, soft_wrap=True)
    rounds = Rounds(trial.folder, trial)
    left = [name for name in trial.rounds() if name not in rounds.measured]
    began, interrupted = time.monotonic(), False
    # also where a shell has them ignored
    handlers = {number: signal.signal(number, _interrupt) for number in SIGNALS}
    try:
        _run(trial, rounds, left, console)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        figures = list(trial.figures(rounds.measured)) if rounds.measured else []
        if figures:
            complete = set(trial.rounds()) <= set(rounds.measured)
            write_summary(
                trial.folder,
                figures,
                trial.configuration(),
                seed,
                {
                    "command": f"exo trial {trial.name}",
                    "complete": complete,
                    "rounds": len(rounds.measured),
                    **trial.details(rounds.measured),
                },
            )
            write_run_record(trial.folder, time.monotonic() - began)
    if figures:
        console.print(_table(trial, figures))
        console.print(f"written: {trial.folder / 'summary.json'}", markup=False)
    if interrupted:
        console.print(
            f"interrupted: go on with  exo trial {trial.name} --resume {trial.folder}  and the same options",
            markup=False,
        )
        return EXIT_INTERRUPTED
    return EXIT_MISSED if strict and missed(figures) else EXIT_OK


def _interrupt(*_) -> None:
    """Once: `timeout`, for one, sends its signal twice, and what the trial has started must be ended in peace."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _run(trial: Trial, rounds: Rounds, left: list[str], console: Console) -> None:
    if not left:
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(trial.unit),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    total = len(trial.rounds())
    with trial, Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(trial.name, total=total, completed=total - len(left))
        for name in left:
            progress.update(task, description=f"{trial.name}: {name}")
            rounds.add(name, trial.run(name))
            progress.advance(task)


def _table(trial: Trial, figures: Sequence[Figure]) -> Table:
    table = Table(title=f"exo trial {trial.name}", title_justify="left")
    for heading, justify in (
        ("figure", "left"),
        ("value", "right"),
        ("unit", "left"),
        ("target", "left"),
        ("", "left"),
    ):
        table.add_column(heading, justify=justify)
    for figure in figures:
        met = {None: "", True: "[green]met", False: "[red]missed"}[figure.met]
        table.add_row(
            figure.name,
            f"{figure.value:.4g}" if figure.value < 1e5 else f"{figure.value:.0f}",
            figure.unit,
            figure.target or "",
            met,
        )
    return table
