# SPDX-License-Identifier: Apache-2.0
"""What every measuring command writes: figures with targets and confidence intervals, and its result files.

``summary.json`` is a pure function of code, configuration and seed: the same seed gives the same bytes. What differs
between two equal runs (when, where, how long) goes into ``run.json`` beside it.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from exo_core.files import whole_file
from exo_sim.errors import MeasurementError


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    Attributes:
        name: snake_case, unique within a summary.
        value: the figure, in ``unit``; NaN when it could not be measured (which misses any target).
        unit: SI unit or "1", "%", "deg", "W/kg" and so on.
        target: the target in words, for example "<= 6", or None where there is none.
        met: whether the target is met, None without a target.
        interval: (low, high), 95 % confidence unless the name says otherwise, or None.
        left_out: walks that the figure is not of, because they had no value, as after a fall before the first stride.
    """

    name: str
    value: float
    unit: str
    target: str | None = None
    met: bool | None = None
    interval: tuple[float, float] | None = None
    left_out: int = 0

    def __post_init__(self):
        if not self.name:
            raise MeasurementError("a figure needs a name")
        if (self.target is None) != (self.met is None):
            raise MeasurementError(f"figure {self.name}: target and met must be given together, or neither")

    @property
    def low(self) -> float:
        """Lower end of the interval; NaN without one."""
        return math.nan if self.interval is None else self.interval[0]

    @property
    def high(self) -> float:
        """Upper end of the interval; NaN without one."""
        return math.nan if self.interval is None else self.interval[1]

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Figure:
        """A figure as a summary.json holds it, where NaN and infinity are null.

        Raises:
            KeyError, TypeError, ValueError: the entry is damaged.
        """

        def number(value) -> float:
            return math.nan if value is None else float(value)

        interval = entry.get("interval")
        return cls(
            entry["name"],
            number(entry["value"]),
            entry["unit"],
            entry.get("target"),
            entry.get("met"),
            None if interval is None else (number(interval[0]), number(interval[1])),
            int(entry.get("left_out", 0)),
        )

    @classmethod
    def mean_of(
        cls,
        name: str,
        values: Sequence[float],
        unit: str,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
    ) -> Figure:
        """Mean of one value a walk, with its interval; judged where limits are given.

        Walks without a value (NaN) are left out, and counted; NaN is the figure where no walk has one.
        """
        known = [value for value in values if math.isfinite(value)]
        mean, interval = mean_interval(known)
        return cls.judged(
            name,
            mean,
            unit,
            at_least=at_least,
            at_most=at_most,
            interval=interval if len(known) > 1 else None,
            left_out=len(values) - len(known),
        )

    @classmethod
    def judged(
        cls,
        name: str,
        value: float,
        unit: str,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
        **more: Any,
    ) -> Figure:
        """A figure against limits where there are any, else one without a target; `more`: interval, left_out."""
        if at_least is None and at_most is None:
            return cls(name, value, unit, **more)
        return cls.against(name, value, unit, at_least=at_least, at_most=at_most, **more)

    @property
    def left_out_words(self) -> str:
        """What to put behind a figure that is not of every walk; empty where it is."""
        return f" ({self.left_out} left out)" if self.left_out else ""

    @classmethod
    def against(
        cls,
        name: str,
        value: float,
        unit: str,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
        interval: tuple[float, float] | None = None,
        left_out: int = 0,
    ) -> Figure:
        """A figure judged against limits (inclusive, in ``unit``); both limits make a range.

        The value itself is judged, not its interval. NaN misses.

        Raises:
            MeasurementError: no limit given, or at_least above at_most.
        """
        if at_least is None and at_most is None:
            raise MeasurementError(f"figure {name}: give at_least, at_most or both")
        if at_least is not None and at_most is not None:
            if at_least > at_most:
                raise MeasurementError(f"figure {name}: at_least {at_least:g} is above at_most {at_most:g}")
            target = f"{at_least:g} to {at_most:g}"
        else:
            target = f"<= {at_most:g}" if at_least is None else f">= {at_least:g}"
        value = float(value)
        met = (
            not math.isnan(value) and (at_least is None or value >= at_least) and (at_most is None or value <= at_most)
        )
        return cls(name, value, unit, target, met, interval, left_out)


def missed(figures: Iterable[Figure]) -> list[Figure]:
    """The figures whose target is missed; a command exits 1 under --strict when there are any."""
    return [figure for figure in figures if figure.met is False]


def mean_interval(samples, level: float = 0.95) -> tuple[float, tuple[float, float]]:
    """Mean and Student-t confidence interval of independent samples.

    Args:
        samples: (n,) independent values, one per seed or run; strides of one run are not independent.
        level: confidence level, between 0 and 1.

    Returns:
        mean and (low, high). NaN limits for a single sample, NaN throughout for none or for NaN samples.

    Raises:
        MeasurementError: samples are not one-dimensional, or the level is not between 0 and 1.
    """
    values = np.asarray(samples, dtype=float)
    if values.ndim != 1:
        raise MeasurementError(f"samples must be one-dimensional, got shape {values.shape}")
    _check_level(level)
    if values.size == 0:
        return math.nan, (math.nan, math.nan)
    mean = float(values.mean())
    if values.size == 1:
        return mean, (math.nan, math.nan)
    half = float(stats.t.ppf(0.5 + level / 2, values.size - 1) * values.std(ddof=1) / math.sqrt(values.size))
    return mean, (mean - half, mean + half)


def share_interval(successes: int, trials: int, level: float = 0.95) -> tuple[float, tuple[float, float]]:
    """Share of successes and its Wilson score interval (Wilson 1927), sound for few trials and for 0 or all.

    Raises:
        MeasurementError: successes not between 0 and trials, no trials, level not between 0 and 1.
    """
    _check_level(level)
    if trials < 1 or not 0 <= successes <= trials:
        raise MeasurementError(f"need 0 <= successes <= trials and at least one trial, got {successes} of {trials}")
    result = stats.binomtest(successes, trials).proportion_ci(level, method="wilson")
    return successes / trials, (float(result.low), float(result.high))


def rate_interval(events: int, exposure: float, level: float = 0.95) -> tuple[float, tuple[float, float]]:
    """Events per unit of exposure (a minute, say) and the exact interval of a Poisson rate (Garwood 1936).

    Raises:
        MeasurementError: a negative number of events, no exposure, level not between 0 and 1.
    """
    _check_level(level)
    if events < 0 or not exposure > 0.0:
        raise MeasurementError(f"need events >= 0 and an exposure above 0, got {events} in {exposure}")
    tail = (1.0 - level) / 2.0
    low = 0.0 if events == 0 else float(stats.chi2.ppf(tail, 2 * events)) / 2.0
    high = float(stats.chi2.ppf(1.0 - tail, 2 * events + 2)) / 2.0
    return events / exposure, (low / exposure, high / exposure)


def _check_level(level: float) -> None:
    if not 0.0 < level < 1.0:
        raise MeasurementError(f"confidence level must be between 0 and 1, got {level}")


GIT_TIMEOUT_S = 5.0


def package_version(distribution: str) -> str:
    """Version of an installed distribution, or "not installed"; imports nothing."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"


def versions() -> dict[str, str]:
    """Versions of what a result depends on: Python, MuJoCo, the musculoskeletal model, torch, numpy, this."""
    return {
        "python": platform.python_version(),
        "mujoco": package_version("mujoco"),
        "myo_sim": package_version("myo-sim"),
        "torch": package_version("torch"),
        "numpy": package_version("numpy"),
        "exo_gait": package_version("exo_sim"),
    }


def git_revision(directory: Path | None = None) -> str:
    """Commit hash of the checkout that holds ``directory`` (this file's if None), or "unknown".

    "-dirty" is appended when tracked files differ from the commit.
    """
    where = Path(__file__).resolve().parent if directory is None else Path(directory)
    revision = _git(where, "rev-parse", "HEAD")
    if not revision:
        return "unknown"
    changes = _git(where, "status", "--porcelain", "--untracked-files=no")
    return revision + ("-dirty" if changes else "")


def _git(directory: Path, *arguments: str) -> str:
    try:
        result = subprocess.run(
            ["git", "-C", str(directory), *arguments], capture_output=True, text=True, timeout=GIT_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):  # no git, no repository, not ours to read
        return ""
    return result.stdout.strip()


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
