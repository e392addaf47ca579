# SPDX-License-Identifier: Apache-2.0
"""One walk of an evaluation of an exoskeleton: strides, metabolic cost by muscle group, and what the motors did."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from exo_core.joints import SIDES
from exo_device.description import DeviceDescription
from exo_device.devices import find_device
from exo_lab.evaluate.exo.conditions import LEARNED, SPLINE, UNPOWERED
from exo_lab.evaluate.exo.meter import MotorFigures, MotorMeter
from exo_sim.body.muscle_groups import main_groups
from exo_sim.body.subject import load_subject
from exo_sim.gait.curves import CurveTable
from exo_sim.gait.errors import GaitError
from exo_sim.gait.strides import StrideRecorder
from exo_sim.metabolics.heat import MINIMUM_HEAT_W_KG
from exo_sim.metabolics.parameters import published_muscle_mass
from exo_sim.metabolics.whole_body import BASAL_W_KG
from exo_sim.plant.offline import NO_CONTROLLER, OfflineLoop
from exo_sim.plant.simulation import Simulation

#: Not measured (s): the supervisor waits for a full stride and fades in over two, then the walk settles in three.
SETTLE_S = 7.0
#: Any of these may be asked for, also one that the walker falls at: that is a finding (m/s).
SPEED_LIMITS_MPS = (0.55, 2.0)
CONTROLLERS = {UNPOWERED: "zero", SPLINE: "spline", LEARNED: "learned"}


@dataclass(frozen=True)
class ExoWalkTask:
    """Everything that decides a walk; picklable.

    Attributes:
        condition: as in the summary; what precedes a colon is one of CONDITIONS.
        policy: label of the training whose policy or walker this is; empty where it does not matter.
        checkpoint: of the policy, in the condition "learned".
        digest: of checkpoint and walker, so that another file of the same name is another task.
        delay_s: of the motors, instead of the device's own; None keeps that.
        mass_factor: mass told to the device over the true one.
    """

    condition: str
    policy: str
    speed_mps: float
    seed: int
    duration_s: float
    device: str
    human: str | None
    checkpoint: str
    digest: str
    subject: str
    physics_rate_hz: float
    delay_s: float | None = None
    mass_factor: float = 1.0


@dataclass
class ExoWalkResult:
    """What came of a walk; its strides lie in `recorder` under the condition's name."""

    task: ExoWalkTask
    walked_s: float
    fell: bool
    faults: str
    recorder: StrideRecorder
    resting_w_kg: float  #: what the simulated body spends at rest: basal power and the muscles' least heat
    group_power: dict[str, float] = field(default_factory=dict)  #: W/kg, Bhargava 2004, mean while measured
    motors: MotorFigures | None = None

    @cached_property
    def curves(self) -> CurveTable:
        """Mean curves of the measured strides."""
        return self.recorder.curve_table()

    def scalar(self, name: str) -> float:
        """Mean of a stride figure on both sides; NaN without strides."""
        try:
            return float(
                np.mean(
                    [self.recorder.figures(self.task.condition, self.task.speed_mps, side)[name][0] for side in SIDES]
                )
            )
        except (GaitError, KeyError):
            return float("nan")

    def curve(self, variable: str) -> np.ndarray | None:
        """Mean of both sides over the stride (101,); of one side where only that is driven; None without strides."""
        found = []
        for side in SIDES:
            try:
                found.append(self.curves.get(self.task.condition, variable, side).mean)
            except GaitError:
                continue
        return np.mean(found, axis=0) if found and np.isfinite(found).all() else None


def walk_in_device(task: ExoWalkTask) -> ExoWalkResult:
    """Walks until the first fall or the end.

    Raises:
        SimError, DeviceError, CheckpointError, ControllerError: as their parts do.
    """
    device = _with_delay(find_device(task.device), task.delay_s)
    simulation = Simulation(
        load_subject(task.subject),
        device,
        human=task.human,
        speed_mps=task.speed_mps,
        physics_rate_hz=task.physics_rate_hz,
        seed=task.seed,
        speed_range_mps=SPEED_LIMITS_MPS,
    )
    mass = simulation.body.body_mass
    controller = CONTROLLERS.get(task.condition.split(":")[0], NO_CONTROLLER)
    params = {"checkpoint": task.checkpoint} if controller == "learned" else {}
    loop = OfflineLoop(simulation, controller, believed_mass=task.mass_factor * mass, **params)
    recorder = StrideRecorder(mass)
    # the limit is that of the true wearer: a device that is told a wrong mass must not hide it
    meter = MotorMeter(
        simulation.body.exo_joints, device.torque_limits(mass) if device else (), mass, simulation.period_s
    )
    joints = simulation.body.exo_joint_index
    muscles, samples, measuring = np.zeros(len(simulation.body.muscles)), 0, False
    while simulation.t < task.duration_s - 1e-9:
        sample = loop.step()
        if sample.fallen:
            break
        if not measuring and simulation.t >= SETTLE_S:
            recorder.begin(task.condition, task.speed_mps)
            measuring = True
        recorder.feed(sample.gait_sample())
        if measuring:
            meter.feed(sample.exo_torque, sample.joint_velocity[joints])
            muscles += simulation.muscle_power()
            samples += 1
    groups = {}
    if samples:
        per_mass = muscles / samples / mass
        groups = {group: float(per_mass[own].sum()) for group, own in main_groups(simulation.body.muscles).items()}
    return ExoWalkResult(
        task, simulation.t, simulation.falls > 0, loop.faults, recorder, _resting(simulation), groups, meter.figures()
    )


def _resting(simulation: Simulation) -> float:
    mass = simulation.body.body_mass
    return BASAL_W_KG + MINIMUM_HEAT_W_KG * float(published_muscle_mass(simulation.body.muscles, mass).sum()) / mass


def _with_delay(device: DeviceDescription | None, delay_s: float | None) -> DeviceDescription | None:
    if device is None or delay_s is None:
        return device
    joints = {name: joint.model_copy(update={"delay_s": delay_s}) for name, joint in device.joints.items()}
    return device.model_copy(update={"joints": joints})
