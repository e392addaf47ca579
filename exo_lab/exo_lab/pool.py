# SPDX-License-Identifier: Apache-2.0
"""Runs many simulations on all cores, shows how far it is, and keeps every result as it comes."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, Protocol

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from exo_core.errors import UserError

#: Libraries that would start a thread a core in every process read these when they are imported.
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class Store(Protocol):
    """Keeps results by task."""

    def load(self, task: Any) -> Any | None:
        """The result of a task; None where there is none."""

    def save(self, task: Any, result: Any) -> None:
        """Keeps a result."""


def run_all(
    function: Callable[[Any], Any],
    tasks: Sequence[Any],
    workers: int,
    description: str,
    store: Store | None = None,
    show: bool = True,
) -> list[Any]:
    """Results of function(task) in the order of tasks; those in the store are not computed again.

    Args:
        function: of a module, so that another process finds it.
        tasks: picklable.
        workers: processes, each with one thread.
        store: finds and keeps results.
        show: a progress bar on the terminal.

    Raises:
        UserError: the system killed a process. What function raises. Results that were finished before are kept in the
            store.
    """
    results = [None if store is None else store.load(task) for task in tasks]
    with progress_bar(show) as progress, one_thread():
        bar = progress.add_task(description, total=len(tasks), completed=sum(r is not None for r in results))
        open_tasks = {i: task for i, task in enumerate(tasks) if results[i] is None}
        if not open_tasks:
            return results
        pool = ProcessPoolExecutor(
            max(1, min(workers, len(open_tasks))), mp_context=multiprocessing.get_context("spawn")
        )
        try:
            futures = {pool.submit(function, task): i for i, task in open_tasks.items()}
            for future in as_completed(futures):
                i = futures[future]
                results[i] = future.result()
                if store is not None:
                    store.save(tasks[i], results[i])
                progress.advance(bar)
        except BrokenProcessPool as error:
            raise UserError(
                f"{description}: a process was killed, perhaps for want of memory: fewer --workers need less; the same "
                "command goes on with what is finished"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return results


def progress_bar(show: bool = True) -> Progress:
    """How far something is, with the time it took and will take."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        disable=not show,
    )


@contextmanager
def one_thread() -> Iterator[None]:
    """Processes that start within it compute in one thread each."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
