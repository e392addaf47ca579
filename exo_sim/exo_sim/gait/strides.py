# SPDX-License-Identifier: Apache-2.0
"""Cuts a stream of samples into strides: figures stride by stride, and mean curves per condition."""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from exo_core.joints import SIDES
from exo_sim.gait.curves import PHASE_PERCENT, Curve, CurveTable
from exo_sim.gait.errors import GaitError
from exo_sim.gait.events import HEEL_STRIKE, StrideDetector
from exo_sim.gait.layout import SampleLayout
from exo_sim.gait.reference import GRAVITY_M_S2
from exo_sim.gait.sample import GaitSample
from exo_sim.gait.statistics import RunningStatistics
from exo_sim.gait.stride_metrics import StrideMetrics, measure_stride
from exo_sim.gait.symmetry import symmetry_index
from exo_sim.gait.travel import direction_of_travel, turned_into_travel
from exo_sim.gait.variables import SideChannels

# Human strides last 0.8 s (2.1 m/s) to 1.8 s (0.5 m/s), see the reference gait; what lies far outside is a
# stumble or a stop and is no stride.
STRIDE_TIME_RANGE_S = (0.4, 3.0)
EVENT_DELAY_S = 0.5  # samples kept beyond the longest stride, because events are reported late


@dataclass
class _Leg:
    detector: StrideDetector
    heel_strike: float | None = None
    toe_off: float | None = None
    count: int = 0
    latest: StrideMetrics | None = None
    rows: deque = field(default_factory=deque)  # (t, packed row) since the open stride began


class StrideRecorder:
    """Streaming stride measurement of both legs, in bounded memory.

    Curves and statistics are kept per (condition, speed) that ``begin`` announces; strides that began before
    it, and the first ``skip`` strides of each leg after it, do not enter them.

    Args:
        body_mass: the wearer's own mass, kg, by which moments, powers and forces are normalised.
        stride_time_range_s: strides shorter or longer than this are dropped.

    Attributes:
        dropped: strides dropped because of their duration, since the last restart.

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
        self.restart()

    def restart(self) -> None:
        """Forget the open strides, as after a reset or a fall. Curves and statistics stay."""
        weight = self.body_mass * GRAVITY_M_S2
        self._legs = {side: _Leg(StrideDetector(weight)) for side in SIDES}
        self._layout: SampleLayout | None = None
        self._channels: dict[str, SideChannels] = {}
        self._t = -math.inf
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
            the strides that closed, none, one or two. A stride closes some 10 ms after its last heel strike,
            when that is certain; its ``end`` is the heel strike itself.

        Raises:
            GaitError: time does not increase, a force is not finite, names changed.
        """
        if self._layout is None:
            self._layout = SampleLayout(sample)
            self._channels = {side: SideChannels(self._layout, side, self.body_mass) for side in SIDES}
        row = self._layout.pack(sample)
        closed = []
        for side in SIDES:
            leg = self._legs[side]
            events = leg.detector.update(sample.t, float(row[self._layout.index("grf", side, 2)]))
            leg.rows.append((sample.t, row))
            for event in events:
                if event.kind == HEEL_STRIKE:
                    closed += self._close(side, leg, event.t)
                else:
                    leg.toe_off = event.t
            while leg.rows[0][0] < sample.t - self._longest - EVENT_DELAY_S:
                leg.rows.popleft()
        self._t = sample.t
        return closed

    def _close(self, side: str, leg: _Leg, heel_strike: float) -> list[StrideMetrics]:
        start, leg.heel_strike = leg.heel_strike, heel_strike
        toe_off, leg.toe_off = leg.toe_off, None
        stride = []
        if start is not None:
            if self._shortest <= heel_strike - start <= self._longest:
                stride = [self._measure(side, leg, start, heel_strike, toe_off)]
            else:
                self.dropped += 1
        while len(leg.rows) > 1 and leg.rows[1][0] <= heel_strike:
            leg.rows.popleft()
        return stride

    def _measure(self, side: str, leg: _Leg, start: float, end: float, toe_off: float | None) -> StrideMetrics:
        sampled = np.array([t for t, _ in leg.rows])
        rows = np.array([row for _, row in leg.rows])
        times = np.concatenate([[start], sampled[(sampled > start) & (sampled < end)], [end]])
        heading = direction_of_travel(self._layout, _resample(sampled, rows, np.array([start, end])))
        rows = turned_into_travel(self._layout, rows, heading)
        metrics = measure_stride(
            self._layout, side, leg.count, times, _resample(sampled, rows, times), toe_off, self.body_mass
        )
        other = self._legs["l" if side == "r" else "r"].latest
        if other is not None:
            metrics = dataclasses.replace(
                metrics,
                symmetry_step_length=symmetry_index(metrics.step_length, other.step_length),
                symmetry_stance_time=symmetry_index(metrics.stance_time, other.stance_time),
            )
        leg.count += 1
        leg.latest = metrics
        if self._group is not None and start >= self._group_from[side]:
            if self._skip[side] > 0:
                self._skip[side] -= 1
            else:
                grid = start + (end - start) * PHASE_PERCENT / PHASE_PERCENT[-1]
                self._collect(side, metrics, self._channels[side].values(_resample(sampled, rows, grid)))
        return metrics

    def _collect(self, side: str, metrics: StrideMetrics, curves: np.ndarray) -> None:
        key = (*self._group, side)
        variables = self._channels[side].variables
        known, statistics = self._curves.setdefault(key, (variables, RunningStatistics(curves.shape)))
        if known != variables:
            raise GaitError(f"condition {key[0]} was recorded with other signals before; use another name")
        statistics.add(curves)
        figures = self._figures.setdefault(key, {})
        for name, value in metrics.scalars().items():
            figures.setdefault(name, RunningStatistics(())).add(value)

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


def _resample(sampled: np.ndarray, rows: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Rows (n, R) at ``sampled`` (n,) linearly interpolated to ``times`` (k,) within them -> (k, R)."""
    after = np.clip(np.searchsorted(sampled, times), 1, len(sampled) - 1)
    left, right = sampled[after - 1], sampled[after]
    weight = ((times - left) / (right - left))[:, None]
    return rows[after - 1] * (1.0 - weight) + rows[after] * weight
