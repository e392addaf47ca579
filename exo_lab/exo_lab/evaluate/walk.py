# SPDX-License-Identifier: Apache-2.0
"""One walk of an evaluation: a seed in a condition, measured as a gait laboratory would."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from exo_core.joints import SIDES
from exo_device.devices import find_device
from exo_lab.evaluate.force_peaks import ForcePeaks
from exo_sim.body.subject import load_subject
from exo_sim.gait.curves import CurveTable
from exo_sim.gait.errors import GaitError
from exo_sim.gait.layout import pelvis_angles
from exo_sim.gait.strides import StrideRecorder
from exo_sim.plant.offline import OfflineLoop
from exo_sim.plant.simulation import SPEED_RANGE_MPS, Simulation

#: Time after the start (or after assistance has faded in) that is not measured (s): the walk settles in 3 strides.
SETTLE_S = 4.0


@dataclass(frozen=True)
class Condition:
    """What is worn and how it is controlled."""

    name: str
    device: str
    controller: str
    params: dict = field(default_factory=dict)


@dataclass(frozen=True)
class WalkTask:
    """Everything that decides a walk; picklable."""

    condition: Condition
    seed: int
    speed_mps: float
    duration_s: float
    subject: str
    human: str | None
    physics_rate_hz: float
    speed_range_mps: tuple[float, float] = SPEED_RANGE_MPS


@dataclass
class WalkResult:
    """What came of a walk. `recorder` holds its strides under the condition's name."""

    task: WalkTask
    walked_s: float  #: until the first fall, or the whole duration
    fell: bool
    faults: str
    recorder: StrideRecorder
    leg_length_m: float
    force_peaks_bw: list[float]  #: highest vertical force on a foot in every measured stride, body weights
    drift_rad: float  #: heading at the end less heading when measuring began, + to the left

    @cached_property
    def curves(self) -> CurveTable:
        """Mean curves of the measured strides."""
        return self.recorder.curve_table()

    @property
    def speed(self) -> float:
        """Mean speed of the measured strides along their direction of travel (m/s); NaN without strides."""
        lengths, times = ([self.scalar(name, side) for side in SIDES] for name in ("stride_length", "duration"))
        return sum(lengths) / sum(times)

    def scalar(self, name: str, side: str | None = None) -> float:
        """Mean of a stride figure on a side or, with None, on both; NaN without strides."""
        if side is None:
            return float(np.mean([self.scalar(name, each) for each in SIDES]))
        try:
            figures = self.recorder.figures(self.task.condition.name, self.task.speed_mps, side)
        except GaitError:
            return float("nan")
        return figures[name][0]

    def strides(self) -> int:
        """How many strides of both legs were measured."""
        return sum(self.recorder.stride_count(self.task.condition.name, self.task.speed_mps, side) for side in SIDES)


def walk(task: WalkTask) -> WalkResult:
    """Walks until the first fall or the end.

    Raises:
        SimError, DeviceError, CheckpointError, ControllerError: as their parts do.
    """
    simulation = Simulation(
        load_subject(task.subject),
        find_device(task.condition.device),
        human=task.human,
        speed_mps=task.speed_mps,
        physics_rate_hz=task.physics_rate_hz,
        seed=task.seed,
        speed_range_mps=task.speed_range_mps,
    )
    loop = OfflineLoop(simulation, task.condition.controller, **task.condition.params)
    recorder = StrideRecorder(simulation.body.body_mass)
    peaks = ForcePeaks(simulation.body.body_mass)
    heading_then = None
    while simulation.t < task.duration_s - 1e-9:
        sample = loop.step()
        if sample.fallen:
            break
        if heading_then is None and simulation.t >= SETTLE_S:
            recorder.begin(task.condition.name, task.speed_mps)
            heading_then = heading(sample.root_orientation_xyzw)
        strides = recorder.feed(sample.gait_sample())
        if heading_then is not None:
            peaks.feed(sample.grf, strides)
    now = heading(simulation.sample.root_orientation_xyzw)
    return WalkResult(
        task,
        simulation.t,
        simulation.falls > 0,
        loop.faults,
        recorder,
        simulation.body.leg_length_m,
        peaks.values,
        now - (now if heading_then is None else heading_then),
    )


def heading(orientation_xyzw: np.ndarray) -> float:
    """Where the pelvis points (rad), + to the left of the world's x axis."""
    return float(pelvis_angles(orientation_xyzw)[2])
