# SPDX-License-Identifier: Apache-2.0
"""The result files of every measuring command.

``summary.json`` is a pure function of code, configuration and seed: the same seed gives the same bytes.
What differs between two equal runs (when, where, how long) goes into ``run.json`` beside it.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from exo_core.files import whole_file
from exo_sim.measurement.errors import MeasurementError
from exo_sim.measurement.figures import Figure
from exo_sim.measurement.provenance import git_revision, versions


def write_summary(
    path: str | Path,
    figures: Sequence[Figure],
    config: Mapping[str, Any],
    seed: int | None,
    extra: Mapping[str, Any] | None = None,
) -> dict:
    """Write ``summary.json`` and return what was written.

    Args:
        path: the file, or an existing folder that gets a ``summary.json``.
        figures: in the order in which they are to be read; names must be unique.
        config: the full configuration of the run; may hold dataclasses, pydantic models, numpy values, paths.
        seed: the seed of the run, None for a run without randomness.
        extra: further deterministic entries at the top level, for example {"command": "exo evaluate human"}.

    Returns:
        {"configuration", "figures", "git_revision", "seed", "versions"} and ``extra``; NaN and infinity as
        None.

    Raises:
        MeasurementError: duplicate figure names, values JSON cannot hold, or the file cannot be written.
    """
    names = [figure.name for figure in figures]
    duplicates = sorted({name for name in names if names.count(name) > 1})
    if duplicates:
        raise MeasurementError(f"figure name(s) given twice: {', '.join(duplicates)}")
    summary = {
        "versions": versions(),
        "git_revision": git_revision(),
        "seed": seed,
        "configuration": config,
        "figures": list(figures),
    }
    clash = sorted(set(extra or {}) & set(summary))
    if clash:
        raise MeasurementError(f"extra must not replace {', '.join(clash)}")
    return write_json(_file(path, "summary.json"), {**summary, **(extra or {})})


def write_run_record(path: str | Path, wall_time_s: float, extra: Mapping[str, Any] | None = None) -> dict:
    """Write ``run.json``: when and on what the run was made, and how long it took (wall time, s).

    ``path`` is the file or an existing folder. Raises MeasurementError when it cannot be written.
    """
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    record = {
        "finished": finished,
        "wall_time_s": wall_time_s,
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
    }
    return write_json(_file(path, "run.json"), {**record, **(extra or {})})


def write_json(path: str | Path, content: Mapping[str, Any]) -> dict:
    """Write JSON with sorted keys in one step (a reader never sees half a file); returns the plain content.

    Raises:
        MeasurementError: a value that JSON cannot hold, or a path that cannot be written.
    """
    plain = to_plain(content)
    text = json.dumps(plain, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            file.write(text)
    except OSError as error:
        raise MeasurementError(
            f"cannot write {path}: {error.strerror}. Choose a folder that is writable and has free space"
        ) from error
    return plain


def to_plain(value: Any) -> Any:
    """``value`` as JSON types: NaN and infinity become None, arrays lists, dataclasses and models dicts."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, np.ndarray):
        return to_plain(value.tolist())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if hasattr(value, "model_dump"):  # pydantic
        return to_plain(value.model_dump())
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((to_plain(item) for item in value), key=str)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise MeasurementError(f"cannot write a value of type {type(value).__name__} to JSON: {value!r}")


def _file(path: str | Path, name: str) -> Path:
    path = Path(path)
    return path / name if path.is_dir() else path
