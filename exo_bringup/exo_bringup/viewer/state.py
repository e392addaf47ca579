# SPDX-License-Identifier: Apache-2.0
"""What the page knows, without ROS: the latest of every topic, and what the plots remember of it.

Only the viewer's own loop touches it.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from exo_bringup.telemetry import mode_name
from exo_core.errors import one_line
from exo_core.joints import SIDES
from exo_sim.gait.variables import ANGLES


@dataclass
class Foot:
    """Force on a foot (3,) N and its centre of pressure (3,) m, in the world; NaN where it is not known."""

    force: np.ndarray = field(default_factory=lambda: np.full(3, np.nan))
    centre: np.ndarray = field(default_factory=lambda: np.full(3, np.nan))


@dataclass
class Snapshot:
    """The latest of everything. Names and signs of MyoLegs, world after REP-103."""

    #: Joint positions (rad) and net joint moments (Nm) of the simulated body; empty without a simulator.
    joints: dict[str, float] = field(default_factory=dict)
    #: Angle (rad) and applied torque (Nm) of the device's joints.
    device_joints: dict[str, float] = field(default_factory=dict)
    device_torque: dict[str, float] = field(default_factory=dict)
    #: Pelvis in the world (3,) m and (4,) x, y, z, w; None until the simulator has said it.
    root_position: np.ndarray | None = None
    root_xyzw: np.ndarray | None = None
    #: Orientation of the device's IMU (4,) x, y, z, w.
    imu_xyzw: np.ndarray | None = None

    muscle_names: tuple[str, ...] = ()
    activation: np.ndarray = field(default_factory=lambda: np.zeros(0))
    muscle_force: np.ndarray = field(default_factory=lambda: np.zeros(0))
    feet: dict[str, Foot] = field(default_factory=lambda: {"r": Foot(), "l": Foot()})
    phase: dict[str, float] = field(default_factory=lambda: {"r": math.nan, "l": math.nan})

    #: Of human/state: simulated time (s), speeds (m/s), metabolic power (W/kg), and how the simulation goes.
    time_s: float = math.nan
    speed_mps: float = math.nan
    commanded_speed_mps: float = math.nan
    metabolic_w_per_kg: float = math.nan
    real_time_factor: float = math.nan
    paused: bool = False
    fallen: bool = False
    falls: int = 0

    #: Of exo/status. Mode is None before the first one.
    mode: int | None = None
    cause: str = ""
    device_names: tuple[str, ...] = ()
    assistance_gain: float = math.nan
    wearer_mass_kg: float = math.nan
    command_age_s: float = math.nan

    #: Wall time (s, monotonic) of the last message of the simulator and of the device; -inf for never.
    heard_simulator_s: float = -math.inf
    heard_device_s: float = -math.inf

    @property
    def mode_name(self) -> str:
        """Device mode as text; `-` before the first status."""
        return mode_name(self.mode)

    def muscle_values(self, values: np.ndarray, wanted: tuple[str, ...]) -> np.ndarray:
        """Values in the order of other names; 0 for those that are not known."""
        if self.muscle_names == wanted:
            return values
        known = dict(zip(self.muscle_names, values, strict=False))
        return np.array([known.get(name, 0.0) for name in wanted])


#: After this long without a message (s, wall time) a node counts as silent: a new body takes a second.
SILENT_S = 3.0
#: What Markdown gives a meaning; a cause or an answer may hold a stranger's text, and a link or picture in it.
MARKUP = re.compile(r"([\\`*_{}\[\]()<>#!|~$])")


def simulated(now: Snapshot, monotonic_s: float) -> bool:
    """Whether a simulator has been heard lately."""
    return monotonic_s - now.heard_simulator_s < SILENT_S


def device_heard(now: Snapshot, monotonic_s: float) -> bool:
    """Whether the device has been heard lately."""
    return monotonic_s - now.heard_device_s < SILENT_S


def status_text(now: Snapshot, monotonic_s: float, news: str) -> str:
    """Markdown; `news` is the last answer of a service."""
    simulator, device = simulated(now, monotonic_s), device_heard(now, monotonic_s)
    if not simulator and not device:
        lines = ["**waiting for the graph ...**"]
    else:
        mode = f"**{now.mode_name}**" if device else f"{now.mode_name}, silent"
        cause = f": {_plain(now.cause)}" if now.cause else ""
        lines = [f"Device {mode}{cause}"]
        if simulator:
            state = "fallen" if now.fallen else f"{_number(now.speed_mps)} m/s"
            pace = "paused" if now.paused else f"×{_number(now.real_time_factor)} real time"
            lines.append(
                f"{now.time_s:.1f} s, {pace}, {state}, {_number(now.metabolic_w_per_kg, 1)} W/kg"
                + (f", {now.falls} falls" if now.falls else "")
            )
        else:
            lines.append("no simulator: the wearer's joints without a sensor are drawn straight")
    if news:
        lines.append(f"*{_plain(news)}*")
    return "  \n".join(lines)


def _plain(text: str) -> str:
    return MARKUP.sub(r"\\\1", one_line(text))


def _number(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"


#: Peak torque in a stride (Nm/kg): above the first it was assisted, below the second it was not, in between
#: assistance was fading. The weakest published profiles peak at some tenths; friction leaves less than 0.01.
ASSISTED_NM_PER_KG, UNASSISTED_NM_PER_KG = 0.08, 0.02
#: Strides that count, and that are drawn.
KEPT_STRIDES = 60
#: After a change the body needs some strides; these do not count.
SETTLING_STRIDES = 6


@dataclass(frozen=True)
class StrideCost:
    """When a stride ended (s), its gross metabolic power (W/kg), whether it was assisted (None: fading)."""

    time_s: float
    power_w_per_kg: float
    assisted: bool | None
    counts: bool


class CostComparison:
    """A running comparison over the last strides of both kinds."""

    def __init__(self):
        self.strides: deque[StrideCost] = deque(maxlen=KEPT_STRIDES)
        self._counted: dict[bool | None, deque[float]] = {kind: deque(maxlen=KEPT_STRIDES) for kind in (False, True)}
        self._kind: bool | None = None
        self._since_change = 0

    def add(self, time_s: float, power_w_per_kg: float, peak_torque_nm_per_kg: Iterable[float]) -> None:
        """Take one stride of one side; peak torques of that side's driven joints. Time that goes back, as
        after a restart of the simulator, begins anew."""
        if self.strides and time_s < self.strides[-1].time_s - 2.0:
            self.__init__()
        if not math.isfinite(power_w_per_kg):
            return
        peak = max((abs(value) for value in peak_torque_nm_per_kg), default=0.0)
        kind = True if peak > ASSISTED_NM_PER_KG else False if peak < UNASSISTED_NM_PER_KG else None
        self._since_change = self._since_change + 1 if kind == self._kind else 0
        self._kind = kind
        counts = kind is not None and self._since_change >= SETTLING_STRIDES
        if counts:
            self._counted[kind].append(power_w_per_kg)
        self.strides.append(StrideCost(time_s, power_w_per_kg, kind, counts))

    def mean(self, assisted: bool) -> float:
        """Mean power (W/kg) of the strides that count; NaN before the first."""
        counted = self._counted[assisted]
        return float(np.mean(counted)) if counted else math.nan

    def count(self, assisted: bool) -> int:
        """How many strides the mean is over."""
        return len(self._counted[assisted])

    @property
    def change_percent(self) -> float:
        """Assisted against unassisted (percent, negative: cheaper); NaN until both are known."""
        return 100.0 * (self.mean(True) / self.mean(False) - 1.0)

    def text(self) -> str:
        """Two lines of Markdown."""

        def one(assisted: bool) -> str:
            if not self.count(assisted):
                return "-"
            return f"{self.mean(assisted):.2f} W/kg ({self.count(assisted)} strides)"

        change = self.change_percent
        known = math.isfinite(change)
        verdict = f"**{change:+.1f} %** with assistance" if known else "walk with both to compare"
        return f"Without: {one(False)}  \nWith: {one(True)}  \n{verdict}"


#: Points of a curve: 0, 1, ... 100 percent of the stride.
POINTS = 101
#: A phase that goes back by more than this opens a new stride; less is measurement.
NEW_STRIDE = 0.5
#: A phase that leaps ahead by more than this is not bridged: samples are missing.
LONGEST_GAP = 0.2


class StrideCurve:
    """One signal of one side over its stride; the present stride writes over the one before."""

    def __init__(self):
        self.values = np.full(POINTS, np.nan)
        self._phase = self._value = np.nan

    def add(self, phase: float, value: float) -> None:
        """Take a value at a phase from 0 to 1. Values that are not finite break the curve."""
        if not (np.isfinite(phase) and np.isfinite(value) and 0.0 <= phase <= 1.0):
            self._phase = self._value = np.nan
            return
        before, first = self._phase, self._value
        if before - phase > NEW_STRIDE:
            before -= 1.0
        if 0.0 < phase - before <= LONGEST_GAP:
            where = np.arange(np.ceil(100.0 * before), np.floor(100.0 * phase) + 1.0)
            filled = first + (value - first) * (where / 100.0 - before) / (phase - before)
            self.values[where.astype(int) % (POINTS - 1)] = filled
            self.values[-1] = self.values[0]
        self._phase, self._value = phase, value

    def clear(self) -> None:
        """Forget everything."""
        self.__init__()


class TimeTrace:
    """Rows of values over time, those of the last seconds.

    Args:
        width: values in a row.
        window_s: what is older is dropped (s).
    """

    def __init__(self, width: int, window_s: float):
        self._width, self._window_s = width, window_s
        self._rows: deque[tuple[float, np.ndarray]] = deque()

    def add(self, time_s: float, values: np.ndarray) -> None:
        """Take a row (width,) of a time; time that goes back begins anew, the same time is left aside."""
        if self._rows and time_s <= self._rows[-1][0]:
            if time_s == self._rows[-1][0]:
                return
            self._rows.clear()
        self._rows.append((time_s, np.array(values, dtype=float)))
        while self._rows[0][0] < time_s - self._window_s:
            self._rows.popleft()

    def columns(self) -> tuple[np.ndarray, np.ndarray]:
        """Times (N,) in s, and values (N, width). At least two rows: NaN where there is nothing yet."""
        if len(self._rows) < 2:
            return np.array([0.0, self._window_s]), np.full((2, self._width), np.nan)
        times, rows = zip(*self._rows, strict=True)
        return np.array(times), np.array(rows)


#: Joints whose angle is drawn over the normative band, without side.
ANGLE_JOINTS = ("hip_flexion", "knee_angle", "ankle_angle")
#: Time that the plots over time reach back (s).
WINDOW_S = 4.0


class Memory:
    """Grows with every snapshot; forgets when time goes back."""

    def __init__(self):
        self.cost = CostComparison()
        self.angle_deg = {(joint, side): StrideCurve() for joint in ANGLE_JOINTS for side in SIDES}
        self.torque: TimeTrace | None = None
        self.torque_names: tuple[str, ...] = ()
        self.activation: TimeTrace | None = None
        self.muscle_names: tuple[str, ...] = ()
        self._time_s = -np.inf
        self._speed_mps = np.nan

    def add_stride(self, time_s: float, power_w_per_kg: float, peak_torque_nm_per_kg: list[float]) -> None:
        """Take one stride of one side, as CostComparison.add."""
        self.cost.add(time_s, power_w_per_kg, peak_torque_nm_per_kg)

    def forget_costs(self) -> None:
        """Compare anew: another person, or another speed."""
        self.cost = CostComparison()

    def add(self, now: Snapshot, device_time_s: float) -> None:
        """Take the latest; `device_time_s` is the stamp of the device's joint states."""
        if now.time_s < self._time_s:
            for curve in self.angle_deg.values():
                curve.clear()
        if np.isfinite(now.time_s):
            self._time_s = now.time_s
        if now.commanded_speed_mps != self._speed_mps and np.isfinite(now.commanded_speed_mps):
            self._speed_mps = now.commanded_speed_mps
            self.forget_costs()
        for (joint, side), curve in self.angle_deg.items():
            angle = now.joints.get(f"{joint}_{side}", np.nan)
            # the band is drawn by another definition of the hip's zero
            curve.add(now.phase[side], np.rad2deg(angle) + ANGLES[joint][1])
        names = tuple(now.device_torque)
        if names and names != self.torque_names:
            self.torque_names, self.torque = names, TimeTrace(len(names), WINDOW_S)
        if names and np.isfinite(device_time_s):
            self.torque.add(device_time_s, np.array(list(now.device_torque.values())))
        if now.muscle_names and now.muscle_names != self.muscle_names:
            self.muscle_names = now.muscle_names
            self.activation = TimeTrace(len(now.muscle_names), WINDOW_S)
        if now.muscle_names and np.isfinite(now.time_s):
            self.activation.add(now.time_s, now.activation)
