# SPDX-License-Identifier: Apache-2.0
"""One person walks once, in a device or without one, and is measured: the walk of every study and training check.

Who walks, in what and how is data (WalkTask), so that a study is a list of tasks; what came of it is one WalkResult.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np

from exo_core.joints import SIDES
from exo_device.description import DeviceDescription
from exo_device.devices import NO_DEVICE, find_device
from exo_sim.body.subject import Subject
from exo_sim.errors import GaitError
from exo_sim.gait.curves import CurveTable
from exo_sim.gait.reference import NormativeGait
from exo_sim.gait.sample import pelvis_angles
from exo_sim.gait.strides import StrideRecorder
from exo_sim.plant.offline import NO_CONTROLLER, OfflineLoop
from exo_sim.plant.sample import SimulationSample
from exo_sim.plant.simulation import Simulation
from exo_sim.world.meters import METERS, Moment, MotorFigures

#: Not measured (s): a walk settles in three strides.
SETTLE_S = 4.0
#: The same in a device: the supervisor waits for a full stride and fades in over two, then the walk settles.
SETTLE_IN_DEVICE_S = 7.0
#: Whoever wants more walks several seeds (s).
LONGEST_WALK_S = 3600.0
#: Any of these speeds may be asked for, also one that the walker falls at: that is a finding (m/s).
SPEED_LIMITS_MPS = (0.55, 2.0)
#: Where a push comes from, as the direction it pushes in: forward and left of the walker's heading.
PUSH_DIRECTIONS = {"behind": (1.0, 0.0), "front": (-1.0, 0.0), "left": (0.0, -1.0), "right": (0.0, 1.0)}
#: Force (N) and duration (s) of a push.
PUSH_N, PUSH_S = 50.0, 0.2
#: Who walks this long (s) after a push without a fall has recovered; falls come within two or three strides.
WATCHED_S = 8.0


@dataclass(frozen=True)
class WalkTask:
    """Everything that decides a walk; picklable. Equal tasks give equal walks.

    Attributes:
        condition: what is worn under which control, as in summaries and curves.csv.
        person: name of who walks where a study has several people; empty where it has one.
        device: name, path or description, "none" without.
        controller: of exo_policy, "none" for a device that stays off.
        checkpoint: of the policy, where the controller takes one.
        params: further ones of the controller.
        policy: label of the training whose policy or walker this is; empty where it does not matter.
        digest: of checkpoint and walker, so that another file of the same name is another task.
        settle_s: walked before anything is measured.
        delay_s: of the motors, instead of the device's own; None keeps that.
        mass_factor: mass that the device assumes over the true one.
        pushed_from: a key of PUSH_DIRECTIONS: one push after settling, at a random instant of a stride; the walk ends
            WATCHED_S after it.
        meters: what is measured beside strides, keys of METERS.
    """

    condition: str
    subject: Subject
    speed_mps: float
    seed: int
    duration_s: float
    person: str = ""
    device: str | DeviceDescription = NO_DEVICE
    controller: str = NO_CONTROLLER
    checkpoint: str = ""
    params: tuple[tuple[str, Any], ...] = ()
    policy: str = ""
    human: str | None = None
    digest: str = ""
    physics_rate_hz: float = 500.0
    speed_range_mps: tuple[float, float] = SPEED_LIMITS_MPS
    settle_s: float = SETTLE_S
    delay_s: float | None = None
    mass_factor: float = 1.0
    pushed_from: str = ""
    push_n: float = PUSH_N
    meters: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Name of the strides: the condition, of this person where there are several."""
        return strides_key(self.person, self.condition)


def strides_key(person: str, condition: str) -> str:
    """Name of the strides of a person in a condition: "drop_foot_right:unpowered"."""
    return f"{person}:{condition}" if person else condition


@dataclass
class WalkResult:
    """What came of a walk; its strides lie in `recorder` under the task's key. What no meter was asked for is empty.

    Attributes:
        walked_s: until the first fall, or the whole duration.
        faults: cause of a latched fault of the device.
        force_peaks_bw: highest vertical force on a foot in every measured stride, body weights.
        drift_rad: heading at the end less heading when measuring began, + to the left.
        resting_w_kg: what the simulated body spends at rest: basal power and the muscles' least heat.
        group_power: by muscle group, W/kg, Bhargava 2004, mean while measured.
        motors: of all joints by kind, over the measured time.
        torque, power: mean absolute torque (Nm/kg) and positive power (W/kg) of every driven joint over whole strides.
        means: of power and speed over the measured time, by name.
        pushed_s, push_phase: when the push began, and where in the right leg's stride; NaN without.
    """

    task: WalkTask
    walked_s: float
    fell: bool
    faults: str
    recorder: StrideRecorder
    leg_length_m: float
    force_peaks_bw: list[float] = field(default_factory=list)
    drift_rad: float = float("nan")
    resting_w_kg: float = float("nan")
    group_power: dict[str, float] = field(default_factory=dict)
    motors: MotorFigures | None = None
    torque: dict[str, float] = field(default_factory=dict)
    power: dict[str, float] = field(default_factory=dict)
    means: dict[str, float] = field(default_factory=dict)
    pushed_s: float = float("nan")
    push_phase: float = float("nan")

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
            return self.recorder.figures(self.task.key, self.task.speed_mps, side)[name][0]
        except (GaitError, KeyError):
            return float("nan")

    def curve(self, variable: str, side: str | None = None) -> np.ndarray | None:
        """Mean over the stride (101,) of a side, None where it was not measured.

        Without a side: mean of both sides, of one where only that is driven; None where a value is missing.
        """
        if side is not None:
            try:
                return self.curves.get(self.task.key, variable, side).mean
            except GaitError:
                return None
        found = [curve for curve in (self.curve(variable, each) for each in SIDES) if curve is not None]
        return np.mean(found, axis=0) if found and np.isfinite(found).all() else None

    def strides(self) -> int:
        """How many strides of both legs were measured."""
        return sum(self.recorder.stride_count(self.task.key, self.task.speed_mps, side) for side in SIDES)

    def pack(self) -> tuple[dict, dict[str, np.ndarray]]:
        """All but the task as a JSON document and arrays, for a file."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("task", "recorder", "motors")}
        strides, arrays = self.recorder.pack()
        motors = None if self.motors is None else asdict(self.motors)
        return {**own, "motors": motors, "strides": strides}, arrays

    @classmethod
    def unpack(cls, task: WalkTask, document: dict, arrays: Mapping[str, np.ndarray]) -> WalkResult:
        """The reverse of `pack`."""
        own = dict(document)
        recorder, motors = StrideRecorder.unpack(own.pop("strides"), arrays), own.pop("motors")
        return cls(task, recorder=recorder, motors=None if motors is None else MotorFigures(**motors), **own)

    @property
    def recovered(self) -> bool:
        """Whether a push ended in no fall; False as well for a fall before it."""
        return not self.fell

    @property
    def fell_after_s(self) -> float:
        """From the push's begin to the fall (s); NaN without one."""
        return self.walked_s - self.pushed_s if self.fell else float("nan")


def walk(task: WalkTask, watch: Callable[[Simulation, SimulationSample], None] | None = None) -> WalkResult:
    """Walks until the first fall or the end.

    Args:
        watch: is called with every sample.

    Raises:
        SimError, DeviceError, CheckpointError, ControllerError: as their parts do.
    """
    simulation = Simulation(
        task.subject,
        _with_delay(find_device(task.device) if isinstance(task.device, str) else task.device, task.delay_s),
        human=task.human,
        speed_mps=task.speed_mps,
        physics_rate_hz=task.physics_rate_hz,
        seed=task.seed,
        speed_range_mps=task.speed_range_mps,
    )
    params = dict(task.params) | ({"checkpoint": task.checkpoint} if task.checkpoint else {})
    mass = simulation.body.body_mass
    loop = OfflineLoop(simulation, task.controller, assumed_mass=task.mass_factor * mass, **params)
    recorder, measuring = StrideRecorder(mass), False
    meters = [METERS[name](simulation) for name in task.meters]
    push = _Push(task, simulation) if task.pushed_from else None
    duration_s = push.end_s if push else task.duration_s - 1e-9
    while simulation.t < duration_s:
        sample = loop.step()
        if sample.fallen:
            break
        if not measuring and simulation.t >= task.settle_s:
            recorder.begin(task.key, task.speed_mps)
            measuring = True
        strides = recorder.feed(sample.gait_sample())
        if measuring:
            moment = Moment(simulation, sample, strides, loop.bites)
            for meter in meters:
                meter.feed(moment)
        if push:
            push.act(sample, recorder)
        if watch:
            watch(simulation, sample)
    result = WalkResult(task, simulation.t, simulation.falls > 0, loop.faults, recorder, simulation.body.leg_length_m)
    if push:
        result.pushed_s, result.push_phase = push.begin_s, push.phase
    for meter in meters:
        for name, value in meter.figures().items():
            setattr(result, name, value)
    return result


class _Push:
    """One push at the pelvis, from a side, at a random instant of a stride."""

    def __init__(self, task: WalkTask, simulation: Simulation):
        self._task, self._simulation, self._pushed = task, simulation, False
        random = np.random.default_rng([task.seed, list(PUSH_DIRECTIONS).index(task.pushed_from)])
        stride_time = NormativeGait(task.speed_mps, simulation.body.leg_length_m).stride_time_s
        self.begin_s = task.settle_s + random.random() * stride_time
        self.end_s = self.begin_s + PUSH_S + WATCHED_S
        #: Fraction of the right leg's stride at which the push began; NaN where no stride was seen.
        self.phase = float("nan")

    def act(self, sample: SimulationSample, recorder: StrideRecorder) -> None:
        """After every sample: begins and ends the push."""
        now = self._simulation.t
        if not self._pushed and now >= self.begin_s:
            self._pushed, self.phase = True, recorder.phase("r")
            direction = _direction(self._task.pushed_from, pelvis_angles(sample.root_orientation_xyzw)[2])
            self._simulation.push(self._task.push_n * direction)
        elif now >= self.begin_s + PUSH_S:
            self._simulation.push(np.zeros(3))


def _direction(origin: str, yaw: float) -> np.ndarray:
    """Unit vector (3,), world, of a push from a side of a walker who heads along yaw (rad)."""
    forward, left = PUSH_DIRECTIONS[origin]
    cos, sin = np.cos(yaw), np.sin(yaw)
    return np.array([forward * cos - left * sin, forward * sin + left * cos, 0.0])


def _with_delay(device: DeviceDescription | None, delay_s: float | None) -> DeviceDescription | None:
    if device is None or delay_s is None:
        return device
    joints = {name: joint.model_copy(update={"delay_s": delay_s}) for name, joint in device.joints.items()}
    return device.model_copy(update={"joints": joints})
