# SPDX-License-Identifier: Apache-2.0
"""Cuts a stream of samples into strides: figures stride by stride, and mean curves per condition."""

from __future__ import annotations

import dataclasses
import json
import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from exo_core.files import whole_file
from exo_core.joints import SIDES
from exo_sim.errors import GaitError
from exo_sim.gait.curves import PHASE_PERCENT, Curve, CurveTable
from exo_sim.gait.events import HEEL_STRIKE, GaitEvent, StrideDetector
from exo_sim.gait.reference import GRAVITY_M_S2
from exo_sim.gait.sample import GaitSample, SampleLayout
from exo_sim.gait.stride_metrics import (
    StrideMetrics,
    direction_of_travel,
    measure_stride,
    symmetry_index,
    turned_into_travel,
)
from exo_sim.gait.variables import SideChannels


class RunningStatistics:
    """Mean and SD of a stream of equally shaped arrays (Welford 1962), element by element; NaN is skipped.

    Attributes:
        count: how many finite values each element has seen, an array of the stream's shape.
    """

    def __init__(self, shape: tuple[int, ...]):
        self.count = np.zeros(shape)
        self._mean = np.zeros(shape)
        self._squares = np.zeros(shape)

    def add(self, value: np.ndarray) -> None:
        """Take in one array of the stream's shape."""
        value = np.asarray(value, dtype=float)
        seen = np.isfinite(value)
        self.count += seen
        step = np.where(seen, value - self._mean, 0.0)
        self._mean += step / np.maximum(self.count, 1)
        self._squares += step * np.where(seen, value - self._mean, 0.0)

    def merge(self, other: RunningStatistics) -> None:
        """Take in everything that another stream of the same shape has seen (Chan 1979)."""
        total = np.maximum(self.count + other.count, 1)
        delta = other._mean - self._mean
        self._squares += other._squares + delta**2 * self.count * other.count / total
        self._mean += delta * other.count / total
        self.count = self.count + other.count

    def as_array(self) -> np.ndarray:
        """All that is known, (3, ...): counts, means and sums of squares."""
        return np.stack([self.count.astype(float), self._mean, self._squares])

    @classmethod
    def from_array(cls, known: np.ndarray) -> RunningStatistics:
        """The reverse of `as_array`."""
        statistics = cls(known.shape[1:])
        statistics.count = known[0].astype(statistics.count.dtype)
        statistics._mean, statistics._squares = known[1].copy(), known[2].copy()
        return statistics

    @property
    def mean(self) -> np.ndarray:
        """Mean so far; NaN where nothing was seen."""
        return np.where(self.count > 0, self._mean, np.nan)

    @property
    def sd(self) -> np.ndarray:
        """Sample standard deviation (n - 1) so far; NaN below two values."""
        return np.where(self.count > 1, np.sqrt(self._squares / np.maximum(self.count - 1, 1)), np.nan)


# Human strides last 0.8 s (2.1 m/s) to 1.8 s (0.5 m/s), see the reference gait; what lies far outside is a
# stumble or a stop and is no stride.
STRIDE_TIME_RANGE_S = (0.4, 3.0)
EVENT_DELAY_S = 0.5  # samples kept beyond the longest stride, because events are reported late
#: Of the usual stride's duration: a stride outside this has missed a heel strike of its side, or has one too many.
USUAL_STRIDE_SHARE = (0.7, 1.5)
#: The usual stride is the median of the last so many between two heel strikes of either leg, once there are some.
USUAL_OF, USUAL_FROM = 11, 3
#: Two heel strikes of a leg in a row that follow each other within this share of the stride before: one of them is
#: no step (a stub, a bounce). Farther apart, the other foot has missed one.
EXTRA_STRIKE_SHARE = 0.75
#: Above this share of strides left out (percent) the figures of a side are warned about.
LEFT_OUT_WARNING_PERCENT = 10.0
#: Lies beside curves.csv: strides that count and strides left out, by condition, speed and side.
COVERAGE_FILE = "stride_counts.json"

_Group = tuple[str, float]


@dataclass
class _Stride:
    """A stride that has closed, but not yet been followed by a heel strike of the other side."""

    metrics: StrideMetrics
    curves: np.ndarray
    group: _Group | None


@dataclass
class _Leg:
    detector: StrideDetector
    heel_strike: float | None = None
    is_sound: bool = True  # whether the open stride's heel strike can be a step
    strikes_of_other: int = 0  # heel strikes of the other side since then
    toe_off: GaitEvent | None = None
    closed: _Stride | None = None
    usual_s: float | None = None  # duration of the last stride that could be one
    count: int = 0
    latest: StrideMetrics | None = None
    rows: deque = field(default_factory=deque)  # (t, packed row) since the open stride began


class StrideRecorder:
    """Streaming stride measurement of both legs, in bounded memory.

    Curves and statistics are kept per (condition, speed) that ``begin`` announces; strides that began before
    it, and the first ``skip`` strides of each leg after it, do not enter them.

    In walking the heel strikes of both sides alternate. A stride counts only where the forces show that: exactly one
    heel strike of the other side within it, feet that do not drag into or out of their events, a duration like those
    before, and a heel strike of the other side after it. Whatever else lies between two heel strikes of a foot is left
    out of curves and figures and counted (``left_out``), for one missed event makes one stride of two: a toe that
    drags, a stub, a foot on the other belt.

    Args:
        body_mass: the wearer's own mass, kg, by which moments, powers and forces are normalised.
        stride_time_range_s: strides shorter or longer than this are left out.

    Attributes:
        dropped: strides left out since the last restart, of both legs, whether a condition was measured or not.

    Raises:
        GaitError: body mass not positive.
    """

    def __init__(self, body_mass: float, stride_time_range_s: tuple[float, float] = STRIDE_TIME_RANGE_S):
        if not (math.isfinite(body_mass) and body_mass > 0):
            raise GaitError(f"body mass must be a positive number of kg, got {body_mass}")
        self.body_mass = float(body_mass)
        self._shortest, self._longest = stride_time_range_s
        self._group: tuple[str, float] | None = None
        self._group_from = dict.fromkeys(SIDES, math.inf)
        self._skip = dict.fromkeys(SIDES, 0)
        self._curves: dict[tuple[str, float, str], tuple[tuple[str, ...], RunningStatistics]] = {}
        self._figures: dict[tuple[str, float, str], dict[str, RunningStatistics]] = {}
        self._left_out: dict[tuple[str, float, str], int] = {}
        self.restart()

    def restart(self) -> None:
        """Forget the open strides, as after a reset or a fall. Curves and statistics stay."""
        weight = self.body_mass * GRAVITY_M_S2
        self._legs = {side: _Leg(StrideDetector(weight)) for side in SIDES}
        self._layout: SampleLayout | None = None
        self._channels: dict[str, SideChannels] = {}
        self._t = -math.inf
        self._last_side: str | None = None  # of the last heel strike
        self._durations: deque[float] = deque(maxlen=USUAL_OF)
        self.dropped = 0
        # time may start again at zero, and no stride is open: all that comes belongs to the current group
        self._group_from = dict.fromkeys(SIDES, -math.inf)

    def begin(self, condition: str, speed_mps: float, skip: int = 0) -> None:
        """From now on strides count for this condition ("unassisted") at this commanded speed (m/s).

        Args:
            condition: name of the condition, as written to curves.csv.
            speed_mps: commanded speed, m/s.
            skip: complete strides per leg to leave out, until the gait has settled.

        Raises:
            GaitError: empty condition, speed not finite, negative skip.
        """
        if not condition or not math.isfinite(speed_mps) or skip < 0:
            raise GaitError(
                f"need a condition name, a finite speed and skip >= 0, got {condition!r}, {speed_mps}, {skip}"
            )
        self._group = (condition, float(speed_mps))
        for side in SIDES:  # that nobody took a stride in a condition has to be told as well
            self._left_out.setdefault((*self._group, side), 0)
        self._group_from = dict.fromkeys(SIDES, self._t)
        self._skip = dict.fromkeys(SIDES, skip)

    def pause(self) -> None:
        """From now on strides enter no condition, until ``begin`` is called again."""
        self._group = None

    def contact(self, side: str) -> bool:
        """Whether that foot ("r", "l") is on the ground, after hysteresis and debounce."""
        return bool(self._legs[side].detector.contact)

    def phase(self, side: str) -> float:
        """That side's stride fraction now, 0 to 1 from its heel strike; NaN until a stride was seen."""
        return self._legs[side].detector.phase(self._t)

    def feed(self, sample: GaitSample) -> list[StrideMetrics]:
        """Take in one sample, some 10 ms after the one before (at most 20 ms for sound events).

        Returns:
            the strides that became certain, none or one. A stride is certain at the other foot's heel strike after it,
            about half a stride after its end; its ``end`` is its own heel strike.

        Raises:
            GaitError: time does not increase, a force is not finite, names changed.
        """
        if self._layout is None:
            self._layout = SampleLayout(sample)
            self._channels = {side: SideChannels(self._layout, side, self.body_mass) for side in SIDES}
        row = self._layout.pack(sample)
        certain = []
        for side in SIDES:
            leg = self._legs[side]
            events = leg.detector.update(sample.t, float(row[self._layout.index("grf", side, 2)]))
            leg.rows.append((sample.t, row))
            for event in events:
                if event.kind == HEEL_STRIKE:
                    certain += self._strike(side, event)
                else:
                    leg.toe_off = event
            while leg.rows[0][0] < sample.t - self._longest - EVENT_DELAY_S:
                leg.rows.popleft()
        self._t = sample.t
        return certain

    def _strike(self, side: str, event: GaitEvent) -> list[StrideMetrics]:
        """A foot has landed: the other side's stride before it is certain, and one of this side closes."""
        leg, other = self._legs[side], self._legs["l" if side == "r" else "r"]
        is_extra, certain = False, []
        if self._last_side == side:
            since = event.t - leg.heel_strike
            is_extra = leg.usual_s is None or since < EXTRA_STRIKE_SHARE * leg.usual_s
            if leg.closed is not None:
                if is_extra:
                    self._leave_out(side, leg.closed.group)
                else:
                    certain.append(self._keep(side, leg.closed))
                leg.closed = None
        elif other.closed is not None:
            other_side = "l" if side == "r" else "r"
            if event.t - other.heel_strike < other.usual_s:
                certain.append(self._keep(other_side, other.closed))
            else:  # the walk had ended
                self._leave_out(other_side, other.closed.group)
            other.closed = None
        other.strikes_of_other += 1
        self._last_side = side
        self._close(side, leg, event, can_be_one=not is_extra)
        return certain

    def _close(self, side: str, leg: _Leg, strike: GaitEvent, can_be_one: bool) -> None:
        start, toe_off = leg.heel_strike, leg.toe_off
        can_be_one = can_be_one and not strike.drags
        if start is not None:
            group = self._group if self._group is not None and start >= self._group_from[side] else None
            duration = strike.t - start
            alternates = leg.is_sound and can_be_one and leg.strikes_of_other == 1
            if alternates and self._lasts_as_usual(duration) and toe_off is not None and not toe_off.drags:
                leg.closed = self._measure(side, leg, start, strike.t, toe_off.t, group)
                leg.usual_s = duration
            else:
                self._leave_out(side, group)
            if self._shortest <= duration <= self._longest:
                self._durations.append(duration)
        leg.heel_strike, leg.is_sound = strike.t, can_be_one
        leg.toe_off, leg.strikes_of_other = None, 0
        while len(leg.rows) > 1 and leg.rows[1][0] <= strike.t:
            leg.rows.popleft()

    def _lasts_as_usual(self, duration: float) -> bool:
        if not self._shortest <= duration <= self._longest:
            return False
        if len(self._durations) < USUAL_FROM:
            return True
        shortest, longest = USUAL_STRIDE_SHARE
        usual = float(np.median(self._durations))
        return shortest * usual <= duration <= longest * usual

    def _leave_out(self, side: str, group: _Group | None) -> None:
        self.dropped += 1
        if group is not None:
            self._left_out[(*group, side)] = self._left_out.get((*group, side), 0) + 1

    def _keep(self, side: str, stride: _Stride) -> StrideMetrics:
        """A stride that is certain enters the figures of its condition."""
        leg, other = self._legs[side], self._legs["l" if side == "r" else "r"].latest
        metrics = dataclasses.replace(stride.metrics, index=leg.count)
        if other is not None:
            metrics = dataclasses.replace(
                metrics,
                symmetry_step_length=symmetry_index(metrics.step_length, other.step_length),
                symmetry_stance_time=symmetry_index(metrics.stance_time, other.stance_time),
            )
        leg.count += 1
        leg.latest = metrics
        if stride.group is not None and stride.group == self._group and self._skip[side] > 0:
            self._skip[side] -= 1
        elif stride.group is not None:
            self._collect((*stride.group, side), metrics, stride.curves)
        return metrics

    def _measure(self, side: str, leg: _Leg, start: float, end: float, toe_off: float, group: _Group | None) -> _Stride:
        sampled = np.array([t for t, _ in leg.rows])
        rows = np.array([row for _, row in leg.rows])
        times = np.concatenate([[start], sampled[(sampled > start) & (sampled < end)], [end]])
        heading = direction_of_travel(self._layout, _resample(sampled, rows, np.array([start, end])))
        rows = turned_into_travel(self._layout, rows, heading)
        metrics = measure_stride(
            self._layout, side, leg.count, times, _resample(sampled, rows, times), toe_off, self.body_mass
        )
        grid = start + (end - start) * PHASE_PERCENT / PHASE_PERCENT[-1]
        return _Stride(metrics, self._channels[side].values(_resample(sampled, rows, grid)), group)

    def _collect(self, key: tuple[str, float, str], metrics: StrideMetrics, curves: np.ndarray) -> None:
        variables = self._channels[key[2]].variables
        known, statistics = self._curves.setdefault(key, (variables, RunningStatistics(curves.shape)))
        if known != variables:
            raise GaitError(f"condition {key[0]} was recorded with other signals before; use another name")
        statistics.add(curves)
        figures = self._figures.setdefault(key, {})
        for name, value in metrics.scalars().items():
            figures.setdefault(name, RunningStatistics(())).add(value)

    def left_out(self, condition: str, speed_mps: float, side: str) -> int:
        """How many strides of a condition were left out for one side, because they are no single sound stride."""
        return self._left_out.get((condition, float(speed_mps), side), 0)

    def coverage(self) -> list[dict]:
        """Strides that count and strides left out of every condition, speed and side, as records for a JSON file.

        Each has condition, speed_mps, side, strides, left_out and left_out_percent (of both together, None without).
        """
        groups = dict.fromkeys((condition, speed) for condition, speed, _ in (*self._figures, *self._left_out))
        records = []
        for condition, speed in groups:
            for side in SIDES:
                kept, lost = self.stride_count(condition, speed, side), self.left_out(condition, speed, side)
                percent = round(100.0 * lost / (kept + lost), 1) if kept + lost else None
                records.append(
                    {
                        "condition": condition,
                        "speed_mps": speed,
                        "side": side,
                        "strides": kept,
                        "left_out": lost,
                        "left_out_percent": percent,
                    }
                )
        return records

    def stride_count(self, condition: str, speed_mps: float, side: str) -> int:
        """How many strides a condition has for one side."""
        figures = self._figures.get((condition, float(speed_mps), side))
        return int(figures["duration"].count) if figures else 0

    def figures(self, condition: str, speed_mps: float, side: str) -> dict[str, tuple[float, float]]:
        """(mean, SD) over strides of every scalar of ``StrideMetrics.scalars``.

        Raises:
            GaitError: no stride of that condition, speed and side was recorded.
        """
        try:
            figures = self._figures[(condition, float(speed_mps), side)]
        except KeyError:
            raise GaitError(
                f"no strides of side {side} for {condition} at {speed_mps} m/s; recorded: {sorted(self._figures)}"
            ) from None
        return {name: (float(value.mean), float(value.sd)) for name, value in figures.items()}

    def curve_table(self) -> CurveTable:
        """Mean and SD over strides of all conditions; variables that were never measured are left out."""
        table = CurveTable()
        for (condition, speed, side), (variables, statistics) in self._curves.items():
            mean, sd = statistics.mean, statistics.sd
            for column, variable in enumerate(variables):
                if statistics.count[:, column].any():
                    table.add(Curve(condition, speed, side, variable, PHASE_PERCENT, mean[:, column], sd[:, column]))
        return table

    def write(self, curves_file: Path) -> list[str]:
        """Writes all curves, and beside them COVERAGE_FILE: which strides they are of.

        Returns:
            a sentence for each side and condition that too many strides are left out of, for whoever reads figures.

        Raises:
            GaitError: a file cannot be written.
        """
        self.curve_table().write(curves_file)
        coverage, file = self.coverage(), curves_file.parent / COVERAGE_FILE
        try:
            with whole_file(file) as stream:
                json.dump(coverage, stream, indent=1)
        except OSError as error:
            raise GaitError(f"cannot write {file}: {error.strerror}") from error
        return coverage_warnings(coverage)

    def pack(self) -> tuple[dict, dict[str, np.ndarray]]:
        """Curves and statistics as a JSON document and arrays, for a file; open strides are not in it."""
        document, arrays = {"body_mass": self.body_mass, "groups": []}, {}
        for number, (key, (variables, curves)) in enumerate(self._curves.items()):
            figures = self._figures[key]
            document["groups"].append({"key": list(key), "variables": list(variables), "figures": list(figures)})
            arrays[f"curves_{number}"] = curves.as_array()
            arrays[f"figures_{number}"] = np.stack([value.as_array() for value in figures.values()], axis=1)
        document["left_out"] = [[list(key), count] for key, count in self._left_out.items()]
        return document, arrays

    @classmethod
    def unpack(cls, document: dict, arrays: Mapping[str, np.ndarray]) -> StrideRecorder:
        """The reverse of `pack`."""
        recorder = cls(document["body_mass"])
        for number, group in enumerate(document["groups"]):
            condition, speed, side = group["key"]
            key = (condition, float(speed), side)
            curves = RunningStatistics.from_array(arrays[f"curves_{number}"])
            recorder._curves[key] = (tuple(group["variables"]), curves)
            known = arrays[f"figures_{number}"]
            recorder._figures[key] = {
                name: RunningStatistics.from_array(known[:, column]) for column, name in enumerate(group["figures"])
            }
        for (condition, speed, side), count in document["left_out"]:
            recorder._left_out[condition, float(speed), side] = count
        return recorder

    def merge(self, other: StrideRecorder) -> None:
        """Take in the curves and statistics of another recorder, for example of another seed.

        Raises:
            GaitError: a condition was recorded with other signals there.
        """
        for key, (variables, statistics) in other._curves.items():
            known, mine = self._curves.setdefault(key, (variables, RunningStatistics(statistics.count.shape)))
            if known != variables:
                raise GaitError(f"condition {key[0]} was recorded with other signals in the other recorder")
            mine.merge(statistics)
        for key, figures in other._figures.items():
            target = self._figures.setdefault(key, {})
            for name, value in figures.items():
                target.setdefault(name, RunningStatistics(())).merge(value)
        for key, count in other._left_out.items():
            self._left_out[key] = self._left_out.get(key, 0) + count


def read_coverage_warnings(folder: Path) -> list[str]:
    """The same sentences from a folder that ``StrideRecorder.write`` wrote into; none where the file is not there.

    Raises:
        GaitError: the file is damaged.
    """
    file = folder / COVERAGE_FILE
    if not file.is_file():
        return []
    try:
        return coverage_warnings(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise GaitError(f"{file} is damaged: {error}") from error


def coverage_warnings(coverage: Iterable[Mapping], above_percent: float = LEFT_OUT_WARNING_PERCENT) -> list[str]:
    """One sentence for each side of each condition with too many strides left out, or none that counts.

    Args:
        coverage: records of ``StrideRecorder.coverage``.
        above_percent: share of strides left out from which figures are warned about.
    """
    warnings = []
    for record in coverage:
        kept, lost = record["strides"], record["left_out"]
        share = 100.0 * lost / (kept + lost) if kept + lost else 100.0
        if share <= above_percent:
            continue
        leg = f"the {'right' if record['side'] == 'r' else 'left'} leg"
        where = f"{record['condition']} at {record['speed_mps']:g} m/s"
        if kept + lost:
            warnings.append(
                f"{where}: {lost} of {kept + lost} strides of {leg} are left out, because heel strikes of the two "
                "sides do not alternate there (a foot that drags, stubs, or lands on the other belt), or they last "
                "unlike those before (a stop); figures are of the others"
            )
        else:
            warnings.append(f"{where}: {leg} made no stride: its foot was never seen to leave the floor and land again")
    return warnings


def _resample(sampled: np.ndarray, rows: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Rows (n, R) at ``sampled`` (n,) linearly interpolated to ``times`` (k,) within them -> (k, R)."""
    after = np.clip(np.searchsorted(sampled, times), 1, len(sampled) - 1)
    left, right = sampled[after - 1], sampled[after]
    weight = ((times - left) / (right - left))[:, None]
    return rows[after - 1] * (1.0 - weight) + rows[after] * weight
