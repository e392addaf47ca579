# SPDX-License-Identifier: Apache-2.0
"""Measures the walk as a gait laboratory would, by condition, and writes what it measured."""

from __future__ import annotations

import dataclasses
from collections import deque
from pathlib import Path

from exo_sim.gait.stride_metrics import StrideMetrics
from exo_sim.gait.strides import StrideRecorder
from exo_sim.measurement import write_json
from exo_sim.plant.sample import SimulationSample

CURVES_FILE = "curves.csv"
STRIDES_FILE = "strides.json"
#: Walking speed is a mean over this long (s), about a stride.
SPEED_WINDOW_S = 1.1


class GaitMeasurement:
    """Strides and stride-normalised curves of a walk, in named conditions.

    Args:
        body_mass: of the wearer without device (kg).
        period_s: time between samples (s).
    """

    def __init__(self, body_mass: float, period_s: float):
        self._recorder = StrideRecorder(body_mass)
        self._finished: list[StrideRecorder] = []
        self._condition = ""
        self._strides: list[dict] = []
        self._speeds: deque[float] = deque(maxlen=round(SPEED_WINDOW_S / period_s))

    @property
    def speed(self) -> float:
        """Forward speed (m/s), mean over about a stride."""
        return sum(self._speeds) / len(self._speeds) if self._speeds else 0.0

    def begin(self, condition: str, speed_mps: float) -> None:
        """Strides that start from now on count for this condition; an empty name: for none."""
        self._condition = condition
        if condition:
            self._recorder.begin(condition, speed_mps)
        else:
            self._recorder.pause()

    def restart(self, body_mass: float | None = None) -> None:
        """Forgets open strides, as after a fall or a reset; another body mass (kg) is another person."""
        self._speeds.clear()
        if body_mass is not None and body_mass != self._recorder.body_mass:
            self._finished.append(self._recorder)
            self._recorder = StrideRecorder(body_mass)
            self._recorder.pause()
        self._recorder.restart()

    def feed(self, sample: SimulationSample) -> list[StrideMetrics]:
        """Takes in one sample; returns the strides that it closed."""
        self._speeds.append(sample.speed)
        strides = self._recorder.feed(sample.gait_sample())
        self._strides += [{"condition": self._condition, **dataclasses.asdict(stride)} for stride in strides]
        return strides

    def phase(self, side: str) -> float:
        """Stride fraction since that side's last heel strike; NaN before the first stride."""
        return self._recorder.phase(side)

    def contact(self, side: str) -> bool:
        """Whether that foot bears load."""
        return self._recorder.contact(side)

    def write(self, folder: Path) -> list[str]:
        """Writes curves.csv, stride_counts.json and strides.json; returns what must be said of strides left out."""
        for recorder in self._finished:
            self._recorder.merge(recorder)
        self._finished.clear()
        warnings = self._recorder.write(folder / CURVES_FILE)
        write_json(folder / STRIDES_FILE, self._strides)
        return warnings
