# SPDX-License-Identifier: Apache-2.0
"""One person in one device, walking: the simulator without ROS."""

from __future__ import annotations

import mujoco
import numpy as np

from exo_core.joints import SIDES
from exo_device.description import DeviceDescription
from exo_sim.body.impairments import Impairments
from exo_sim.body.model import (
    FOOT_BODIES,
    MYO_TO_REP103,
    PELVIS_BODY,
    build_body,
)
from exo_sim.body.subject import Subject, make_subject
from exo_sim.errors import SimError
from exo_sim.human.checkpoint import Human, load_any_human
from exo_sim.human.control import HumanControl
from exo_sim.human.observation import COORDINATION_RATE_HZ
from exo_sim.human.pace import FASTEST_WALK_MPS, SLOWEST_WALK_MPS, Pace
from exo_sim.human.walkers import Walkers
from exo_sim.plant.energetics import Energetics
from exo_sim.plant.sample import SimulationSample
from exo_sim.plant.sensors import DeviceSensors, conjugate, multiply, quaternion_xyzw_from_wxyz, rotation_quaternion

#: Speeds (m/s) that the shipped walker may be asked for: what it was trained for, from any phase of the stride.
SPEED_RANGE_MPS = (SLOWEST_WALK_MPS, FASTEST_WALK_MPS)
#: The person lies this long (s) before walking starts again.
FALL_REST_S = 1.0
_BASE_TURN = rotation_quaternion(MYO_TO_REP103)


class Simulation:
    """Simulates a walking person with a device, one control period (10 ms) at a time.

    Args:
        subject: who walks.
        device: what they wear, or None.
        human: checkpoint of the human policy, of either kind, or the name of a shipped one (`find_human`); None for the
            one that comes with the project for people so impaired, or healthy: it changes where impairments set in or
            pass under way.
        speed_mps: commanded walking speed at the start; 0 to begin with standing.
        physics_rate_hz: steps of the physics per second, a multiple of the control rate.
        seed: of the gait phase that walking starts in, and of the sensor noise.
        speed_range_mps: lowest and highest speed that may be asked for.

    Raises:
        SimError: speed or physics rate out of range.
        CheckpointError: a checkpoint that cannot be used.
    """

    control_rate_hz = COORDINATION_RATE_HZ
    _chosen: Human | None
    _control: HumanControl

    def __init__(
        self,
        subject: Subject,
        device: DeviceDescription | None,
        *,
        human: str | None = None,
        speed_mps: float | None = None,
        physics_rate_hz: float = 500.0,
        seed: int = 0,
        speed_range_mps: tuple[float, float] = SPEED_RANGE_MPS,
    ):
        self._device, self._physics_rate_hz, self._speed_range_mps = device, physics_rate_hz, speed_range_mps
        self._human = human
        self._humans: dict[bool, Human] = {}
        self._random = np.random.default_rng(seed)
        self._target_speed = subject.preferred_speed_mps if speed_mps is None else speed_mps
        self._check_speed(self._target_speed)
        self.t = 0.0
        self.falls = 0
        self._ticks = 0
        self._build(subject)
        self._start()

    @property
    def period_s(self) -> float:
        """Control period (s)."""
        return 1.0 / self.control_rate_hz

    @property
    def commanded_speed(self) -> float:
        """Speed that the walker is asked for at the end of its present ramp (m/s)."""
        return self._target_speed

    def set_speed(self, speed_mps: float) -> None:
        """Asks the walker for another speed, which it approaches gradually; 0 to stop and stand.

        Raises:
            SimError: out of range.
        """
        self._check_speed(speed_mps)
        self._target_speed = float(speed_mps)

    def muscle_power(self) -> np.ndarray:
        """Metabolic power (80,) in W of each muscle at present after Bhargava 2004, without the body's basal power."""
        return self._energetics.muscle_power(self._data)

    def set_strengths(self, strengths: dict[str, float]) -> None:
        """Changes muscle strengths under way (fractions by muscle group and side, or muscle; others are full).

        Raises:
            SimError: unknown group or a strength out of range, or one that contradicts another impairment.
        """
        self.impair(make_subject({**self.subject.model_dump(), "strengths": strengths}))

    def impair(self, impairments: Impairments) -> None:
        """Gives the person these impairments under way, in place of those that they have."""
        self.body.impair(impairments)
        self.subject = self.subject.model_copy(update=dict(impairments.only))
        self._walkers.coordinators[0].refresh_strength()
        self._energetics = Energetics(self.body, self._walkers.coordinators[0])
        self._choose_human()

    def set_subject(self, subject: Subject) -> None:
        """Another person: the body is built anew and starts to walk; time goes on."""
        self._build(subject)
        self._start()

    def reset(self, seed: int | None = None) -> None:
        """Starts walking anew; a seed restarts the random numbers too. Time goes on."""
        if seed is not None:
            self._random = np.random.default_rng(seed)
            self._sensors = DeviceSensors(self.body, self._random)
        self._start()

    def push(self, force: np.ndarray) -> None:
        """Pushes the pelvis at its centre of mass with a force (3,) in N, world, until the next call."""
        pelvis = self.body.model.body(PELVIS_BODY).id
        self._data.xfrc_applied[pelvis, :3] = MYO_TO_REP103.T @ np.asarray(force, dtype=float)

    def advance(self, motor_torque: dict[str, float]) -> SimulationSample:
        """One control period with these device torques (Nm by joint name; joints not named get 0).

        Raises:
            SimError: a joint that the device does not drive, or a torque that is not finite.
        """
        self._command(motor_torque)
        self.t = round(self.t + self.period_s, 9)
        if self._rest_until is not None:
            self._rest()
            return self.sample
        walkers, data = self._walkers, self._data
        walkers.speed_command = self._pace.advance(self._target_speed, np.array([-data.qvel[1]]), self.period_s)
        if self._ticks % self._control.periods == 0:
            self._control.decide()
        self._ticks += 1
        walkers.coordinate()
        grf = np.zeros((len(SIDES), 3))
        for _ in range(walkers.substeps):
            mujoco.mj_step(self.body.model, data)
            for k, side in enumerate(SIDES):
                at = self.body.foot_sensor[side]
                grf[k] -= data.sensordata[at : at + 3] / walkers.substeps
        self._watch_for_falls()
        self.sample = self._measure(grf)
        return self.sample

    def _choose_human(self) -> None:
        """How this person has learned to walk; a checkpoint that was named serves everybody."""
        impaired = not self._human and bool(self.body.deficit.any())
        if impaired not in self._humans:
            self._humans[impaired] = load_any_human(self._human, impaired)
        human = self._humans[impaired]
        if human is not self._chosen:
            self._chosen, self._control = human, human.control(self._walkers)

    def _build(self, subject: Subject) -> None:
        self.subject = subject
        self.body = build_body(subject, self._device, self._physics_rate_hz)
        self._walkers, self._pace = Walkers([self.body], compiled=False), Pace(1)
        self._chosen = None
        self._choose_human()
        self._data = self._walkers.datas[0]
        self._sensors = DeviceSensors(self.body, self._random)
        self._energetics = Energetics(self.body, self._walkers.coordinators[0])
        # compiles the coordination where no compiled copy is cached: seconds that would fall into the first step
        self._walkers.place(0, 0.0, self._target_speed)
        self._walkers.coordinate()

    def _start(self) -> None:
        # in the middle of a stride, anywhere in it: seeds are to differ
        self._walkers.place(0, self._random.random(), self._target_speed)
        self._pace.place(0, self._target_speed)
        self._sensors.restart(0)
        self._ticks = 0
        self._rest_until = None
        self.sample = self._measure(np.zeros((len(SIDES), 3)))

    def _check_speed(self, speed: float) -> None:
        low, high = self._speed_range_mps
        if not (low <= speed <= high or speed == 0.0):
            raise SimError(f"walking speed must be 0 (stand) or between {low} and {high} m/s, got {speed}")

    def _command(self, motor_torque: dict[str, float]) -> None:
        control = np.zeros(len(self.body.exo_joints))
        for joint, torque in motor_torque.items():
            if joint not in self.body.exo_joints:
                raise SimError(f"the device drives no joint '{joint}'; it drives: {', '.join(self.body.exo_joints)}")
            if not np.isfinite(torque):
                raise SimError(f"torque of {joint} is {torque}; send finite numbers")
            control[self.body.exo_joints.index(joint)] = torque
        self._data.ctrl[self.body.exo_actuators] = control

    def _watch_for_falls(self) -> None:
        if self._walkers.fallen(self._walkers.state())[0]:
            self.falls += 1
            self._rest_until = self.t + FALL_REST_S

    def _rest(self) -> None:
        """The person has been caught and hangs still, until walking starts anew."""
        if self.t >= self._rest_until:
            self._start()
            return
        self._data.qvel[:] = 0.0
        mujoco.mj_forward(self.body.model, self._data)
        self.sample = self._measure(np.zeros((len(SIDES), 3)))

    def _measure(self, grf: np.ndarray) -> SimulationSample:
        body, data, muscles = self.body, self._data, len(self.body.muscles)
        angle, rate = data.qpos[body.joint_qpos].copy(), data.qvel[body.joint_dof].copy()
        force = data.qfrc_actuator + data.qfrc_passive
        moment = force[body.joint_dof].copy()
        np.add.at(moment, body.coupling.leader, force[body.coupling.dof] * body.coupling.slopes(angle))
        power, power_umberger = self._energetics.power(data)
        root = quaternion_xyzw_from_wxyz(data.qpos[3:7])
        feet = {side: MYO_TO_REP103 @ data.body(name).xpos for side, name in FOOT_BODIES.items()}
        pressure = {}
        for _k, side in enumerate(SIDES):
            at = body.foot_sensor[side]
            contact = data.sensordata[at : at + 3].any()
            pressure[side] = MYO_TO_REP103 @ data.sensordata[at + 3 : at + 6] if contact else np.full(3, np.nan)
        return SimulationSample(
            t=self.t,
            motors=self._sensors.read([data]).of(0),
            root_position=MYO_TO_REP103 @ data.qpos[:3],
            root_orientation_xyzw=multiply(multiply(_BASE_TURN, root), conjugate(_BASE_TURN)),
            speed=float(-data.qvel[1]),
            commanded_speed=float(self._pace.asked[0]),
            joint_angle=angle,
            joint_velocity=rate,
            joint_moment=moment,
            exo_torque=data.actuator_force[body.exo_actuators].copy(),
            excitation=data.ctrl[:muscles].copy(),
            activation=data.act[:muscles].copy(),
            muscle_force=-data.actuator_force[:muscles],
            metabolic_power=power,
            metabolic_power_umberger=power_umberger,
            grf={side: MYO_TO_REP103 @ grf[k] for k, side in enumerate(SIDES)},
            centre_of_pressure=pressure,
            foot_position=feet,
            fallen=self._rest_until is not None,
            muscles=body.muscles,
        )
