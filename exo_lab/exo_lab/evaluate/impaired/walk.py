# SPDX-License-Identifier: Apache-2.0
"""One walk of a patient, without a device or in one: strides, cost, and the torque that each joint got."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from exo_core.joints import SIDES
from exo_device.devices import find_device
from exo_lab.evaluate.exo.conditions import LEARNED, NO_DEVICE, UNPOWERED
from exo_lab.evaluate.exo.walk import SPEED_LIMITS_MPS
from exo_lab.evaluate.impaired.torque import JointMeter
from exo_sim.body.subject import Subject
from exo_sim.gait.curves import CurveTable
from exo_sim.gait.errors import GaitError
from exo_sim.gait.strides import StrideRecorder
from exo_sim.plant.offline import NO_CONTROLLER, OfflineLoop
from exo_sim.plant.simulation import Simulation

#: The policy of a training on one wearer.
PERSONALISED = "personalised"
#: Unpowered too, but after as much practice as with power: what practice alone does.
PRACTISED = "practised"
CONTROLLERS = {
    NO_DEVICE: NO_CONTROLLER,
    UNPOWERED: "zero",
    PRACTISED: "zero",
    LEARNED: "learned",
    PERSONALISED: "learned",
}
#: Not measured (s): the walk settles in three strides; assistance begins after a full stride and fades in over two.
SETTLE_S = {NO_DEVICE: 4.0, UNPOWERED: 7.0, PRACTISED: 7.0, LEARNED: 7.0, PERSONALISED: 7.0}


@dataclass(frozen=True)
class PatientTask:
    """Everything that decides a walk; picklable.

    Attributes:
        patient: name.
        worn: no_device, unpowered, practised, learned or personalised.
        device: name or path, "none" without.
        policy: label of the training whose policy or walker this is; empty where it does not matter.
        checkpoint: of the policy, where it is worn.
        digest: of checkpoint and walker, so that another file of the same name is another task.
    """

    patient: str
    subject: Subject
    worn: str
    device: str
    policy: str
    speed_mps: float
    seed: int
    duration_s: float
    human: str | None
    checkpoint: str
    digest: str
    physics_rate_hz: float

    @property
    def condition(self) -> str:
        """As in curves.csv and in the names of figures."""
        return condition(self.patient, self.worn)


def condition(patient: str, worn: str) -> str:
    """Name of a patient in a condition: "drop_foot_right:unpowered"."""
    return f"{patient}:{worn}"


@dataclass
class PatientWalk:
    """What came of a walk; its strides lie in `recorder` under the condition's name.

    Attributes:
        torque: mean absolute torque of every driven joint over whole strides, Nm/kg.
        power: mean positive power of every driven joint over whole strides, W/kg.
    """

    task: PatientTask
    walked_s: float
    fell: bool
    faults: str
    recorder: StrideRecorder
    torque: dict[str, float] = field(default_factory=dict)
    power: dict[str, float] = field(default_factory=dict)

    @cached_property
    def curves(self) -> CurveTable:
        """Mean curves of the measured strides."""
        return self.recorder.curve_table()

    def curve(self, variable: str, side: str) -> np.ndarray | None:
        """Mean over strides (101,) of a side, None where it was not measured."""
        try:
            return self.curves.get(self.task.condition, variable, side).mean
        except GaitError:
            return None

    def scalar(self, name: str, side: str | None = None) -> float:
        """Mean of a stride figure of a side or, for None, of both; NaN without strides."""
        if side is None:
            return float(np.mean([self.scalar(name, each) for each in SIDES]))
        try:
            return self.recorder.figures(self.task.condition, self.task.speed_mps, side)[name][0]
        except (GaitError, KeyError):
            return float("nan")


def walk_patient(task: PatientTask) -> PatientWalk:
    """Walks until the first fall or the end.

    Raises:
        SimError, DeviceError, CheckpointError, ControllerError: as their parts do.
    """
    simulation = Simulation(
        task.subject,
        find_device(task.device),
        human=task.human,
        speed_mps=task.speed_mps,
        physics_rate_hz=task.physics_rate_hz,
        seed=task.seed,
        speed_range_mps=SPEED_LIMITS_MPS,
    )
    body = simulation.body
    params = {"checkpoint": task.checkpoint} if CONTROLLERS[task.worn] == "learned" else {}
    loop = OfflineLoop(simulation, CONTROLLERS[task.worn], **params)
    recorder, measuring = StrideRecorder(body.body_mass), False
    meter = JointMeter(body.exo_joints, body.body_mass)
    while simulation.t < task.duration_s - 1e-9:
        sample = loop.step()
        if sample.fallen:
            break
        if not measuring and simulation.t >= SETTLE_S[task.worn]:
            recorder.begin(task.condition, task.speed_mps)
            measuring = True
        strides = recorder.feed(sample.gait_sample())
        if measuring:
            meter.feed(simulation.t, sample.exo_torque, sample.joint_velocity[body.exo_joint_index], strides)
    return PatientWalk(task, simulation.t, simulation.falls > 0, loop.faults, recorder, meter.torque, meter.power)
