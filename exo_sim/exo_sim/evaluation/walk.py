# SPDX-License-Identifier: Apache-2.0
"""One walk of an evaluation: a seed in a condition, measured as a gait laboratory would."""
from __future__ import annotations

from dataclasses import dataclass, field

from exo_sim.body.devices import find_device
from exo_sim.body.subject import load_subject
from exo_sim.gait.strides import StrideRecorder
from exo_sim.plant.offline import OfflineLoop
from exo_sim.plant.simulation import Simulation

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


@dataclass
class WalkResult:
    """What came of a walk. `recorder` holds its strides under the condition's name."""

    task: WalkTask
    walked_s: float              #: until the first fall, or the whole duration
    fell: bool
    distance_m: float            #: from the end of settling to the end
    measured_s: float
    faults: str
    recorder: StrideRecorder

    @property
    def speed(self) -> float:
        """Mean speed while measured (m/s); NaN if the walk ended before."""
        return self.distance_m / self.measured_s if self.measured_s > 0.0 else float("nan")


def walk(task: WalkTask) -> WalkResult:
    """Walks until the first fall or the end.

    Raises:
        SimError, DeviceError, CheckpointError, ControllerError: as their parts do.
    """
    simulation = Simulation(load_subject(task.subject), find_device(task.condition.device), human=task.human,
                            speed_mps=task.speed_mps, physics_rate_hz=task.physics_rate_hz, seed=task.seed)
    loop = OfflineLoop(simulation, task.condition.controller, **task.condition.params)
    recorder = StrideRecorder(simulation.body.body_mass)
    start = None
    while simulation.t < task.duration_s - 1e-9:
        sample = loop.step()
        if sample.fallen:
            break
        if start is None and simulation.t >= SETTLE_S:
            recorder.begin(task.condition.name, task.speed_mps)
            start = (simulation.t, sample.root_position[0])
        recorder.feed(sample.gait_sample())
    begun, from_x = start if start is not None else (simulation.t, simulation.sample.root_position[0])
    return WalkResult(task, simulation.t, simulation.falls > 0, simulation.sample.root_position[0] - from_x,
                      simulation.t - begun, loop.faults, recorder)
