# SPDX-License-Identifier: Apache-2.0
"""These sensors tell from joint angles and the pelvis IMU what the wearer does: falls, stands, sits, walks."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from exo_core.joints import SIDES
from exo_device.signals import STANDARD_GRAVITY_M_S2, DeviceState, ImuSample

#: A pelvis that leans farther than this (rad) for this long (s) belongs to somebody who has fallen, or bends down. The
#: pelvis leans by 5 to 20 degrees in walking, crouch gait and climbing.
FALLEN_TILT_RAD, FALLEN_S = math.radians(45.0), 0.05
#: Less specific force than this (m/s^2) for this long (s) is free fall: walking shows 6 and more.
FREE_FALL_M_S2, FREE_FALL_S = 3.0, 0.05
#: Upright again: below this lean (rad) for this long (s).
UPRIGHT_TILT_RAD, UPRIGHT_S = math.radians(30.0), 0.5
#: Beside the orientation, which may stand still, the specific force tells where up is, averaged over this time (s).
FORCE_AVERAGE_S = 0.1
#: Hips (or else knees) of both legs that are bent farther than this (rad) on average are those of somebody seated.
#: Chairs bend both by 80 to 100 degrees, crouch gait the hip by 30 to 45 and the knee by up to 60.
SEATED_RAD = {"hip_flexion": math.radians(55.0), "knee_angle": math.radians(75.0)}
#: Angles (rad) of upright standing with a margin for posture and the fit of the device, and how alike both sides are.
STANCE_RAD = {
    "hip_flexion": (-0.4, 0.6),
    "knee_angle": (-0.15, 0.6),
    "ankle_angle": (-0.4, 0.5),
    "hip_adduction": (-0.4, 0.3),
    "hip_rotation": (-0.6, 0.6),
    "subtalar_angle": (-0.4, 0.4),
    "mtp_angle": (-0.5, 0.5),
}
MOST_UNEVEN_RAD = math.radians(17.0)


class UprightSensor:
    """Tells whether the wearer has fallen, from a stream of samples. Time is that of the states' stamps (s)."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forgets everything seen: upright until the contrary shows."""
        self.fallen = False
        #: Lean of the pelvis (rad), NaN before the first sample.
        self.tilt = math.nan
        #: Specific force (m/s^2), about 9.8 but in a fall.
        self.force = math.nan
        self._last_s: float | None = None
        #: Averaged specific force (m/s^2). It begins upright: a single sample may be a bump, or a body that has just
        #: been put into a simulation.
        self._force = np.array([0.0, 0.0, STANDARD_GRAVITY_M_S2])
        self._leaning_s = self._falling_s = self._upright_s = 0.0

    def see(self, t: float, imu: ImuSample) -> bool:
        """Takes in a sample. Returns whether the wearer is down, or falling."""
        step_s = 0.0 if self._last_s is None else t - self._last_s
        if step_s < 0.0 or step_s > 10.0 * FORCE_AVERAGE_S:
            step_s = 0.0
        share = -math.expm1(-step_s / FORCE_AVERAGE_S)
        self._last_s = t
        self._force = self._force + share * (imu.linear_acceleration - self._force)
        self.tilt = _lean(self._force)
        if imu.has_orientation:
            self.tilt = max(self.tilt, _lean(imu.up))
        self.force = float(np.linalg.norm(imu.linear_acceleration))
        free = self.force < FREE_FALL_M_S2
        self._leaning_s = self._leaning_s + step_s if self.tilt > FALLEN_TILT_RAD else 0.0
        self._falling_s = self._falling_s + step_s if free else 0.0
        self._upright_s = self._upright_s + step_s if self.tilt < UPRIGHT_TILT_RAD and not free else 0.0
        if self._leaning_s >= FALLEN_S or self._falling_s >= FREE_FALL_S:
            self.fallen = True
        elif self._upright_s >= UPRIGHT_S:
            self.fallen = False
        return self.fallen


def _lean(up: np.ndarray) -> float:
    """Angle (rad) of a direction (3,) from the IMU's z axis; half a turn for none."""
    length = float(np.linalg.norm(up))
    return math.acos(float(np.clip(up[2] / length, -1.0, 1.0))) if length > 0.0 else math.pi


def pairs(joint_names: tuple[str, ...], kind: str) -> list[int]:
    """Places of a kind of joint in the device's order, right before left; those that there are."""
    return [joint_names.index(f"{kind}_{side}") for side in SIDES if f"{kind}_{side}" in joint_names]


def not_standing(state: DeviceState, tilt: float) -> str | None:
    """Says why this is nobody who stands upright with both feet side by side; None where it is.

    Args:
        tilt: lean of the pelvis (rad); NaN counts as upright, for a device without an IMU.
    """
    if tilt > UPRIGHT_TILT_RAD:
        return f"the pelvis leans by {math.degrees(tilt):.0f} degrees: stand upright"
    for kind, (low, high) in STANCE_RAD.items():
        places = pairs(state.names, kind)
        for place in places:
            if not low <= state.position[place] <= high:
                return (
                    f"{state.names[place]} is at {math.degrees(state.position[place]):.0f} degrees, upright standing "
                    f"at {math.degrees(low):.0f} to {math.degrees(high):.0f}: stand upright, or the joint's zero is "
                    "wrong"
                )
        if len(places) == 2:
            uneven = abs(float(state.position[places[0]] - state.position[places[1]]))
            if uneven > MOST_UNEVEN_RAD:
                return (
                    f"both {kind} differ by {math.degrees(uneven):.0f} degrees: stand with the feet side by side, or a "
                    "joint's zero is wrong"
                )
    return None


#: A swing counts when it covers this share of what the joint has moved lately: the ankle's small
#: plantarflexion after heel strike and the knee's stance flexion are a third to a half of their joint's range
#: in walking, and no strides (Winter 1991, The Biomechanics and Motor Control of Human Gait).
SHARE_OF_RANGE = 0.65
#: The range is kept in parts of this length (s).
BIN_S = 0.1


class Cycle(NamedTuple):
    """The motion of a joint from one turning point at the top to the next."""

    start_s: float
    end_s: float
    #: Smaller one of the ways down and up again (rad).
    swing_rad: float


class RecentRange:
    """Lowest and highest value of the last window_s."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._bins: deque[list[float]] = deque()

    def add(self, t: float, value: float) -> None:
        """One value at time t (s)."""
        if self._bins and t - self._bins[-1][0] < BIN_S:
            last = self._bins[-1]
            last[1], last[2] = min(last[1], value), max(last[2], value)
        else:
            self._bins.append([t, value, value])
        while t - self._bins[0][0] > self._window_s:
            self._bins.popleft()

    @property
    def span(self) -> float:
        """Highest less lowest; 0 before the first value."""
        if not self._bins:
            return 0.0
        return max(part[2] for part in self._bins) - min(part[1] for part in self._bins)


class SwingTracker:
    """Finds a joint's turning points. A turn shows once the joint has come back by a whole swing.

    least_rad: a smaller motion is no swing. window_s: what counts as lately.
    """

    def __init__(self, least_rad: float, window_s: float) -> None:
        self._least = least_rad
        self._range = RecentRange(window_s)
        self._is_rising = True
        self._extreme: tuple[float, float] | None = None
        self._top: tuple[float, float] | None = None
        self._bottom: tuple[float, float] | None = None

    @property
    def range_rad(self) -> float:
        """Tells how far the joint has moved lately (rad)."""
        return self._range.span

    @property
    def last_top_s(self) -> float | None:
        """Time when the joint last turned at the top (s)."""
        return self._top[0] if self._top else None

    def see(self, t: float, angle: float) -> Cycle | None:
        """Takes in an angle (rad) at time t (s). Returns the cycle whose second top has just shown."""
        self._range.add(t, angle)
        if self._extreme is None:
            self._extreme = (t, angle)
            return None
        beyond = angle - self._extreme[1] if self._is_rising else self._extreme[1] - angle
        if beyond >= 0.0:
            self._extreme = (t, angle)
            return None
        if -beyond < self._swing_needed():
            return None
        turn, self._extreme = self._extreme, (t, angle)
        self._is_rising = not self._is_rising
        return self._turned(turn, at_top=not self._is_rising)

    def _swing_needed(self) -> float:
        return max(self._least, SHARE_OF_RANGE * self._range.span)

    def _turned(self, turn: tuple[float, float], *, at_top: bool) -> Cycle | None:
        if not at_top:
            self._bottom = turn
            return None
        before, self._top = self._top, turn
        if before is None or self._bottom is None:
            return None
        swing = min(before[1], turn[1]) - self._bottom[1]
        # the first turns were found when little of the range was known
        return Cycle(before[0], turn[0], swing) if swing >= self._swing_needed() else None


#: The first kind that the device drives is watched, both legs of it.
WATCHED_JOINTS = ("hip_flexion", "knee_angle", "ankle_angle")
#: The other leg turns at half of the stride in a healthy gait; in one-sided weakness at up to a third more or
#: less. In a squat or a jump it turns at the same time.
EARLIEST_OPPOSITE, LATEST_OPPOSITE = 0.2, 0.8
#: Share of the specific force along the pelvis's upward axis: 45 degrees of lean.
LEAST_UPRIGHT = math.cos(math.radians(45.0))
#: The watched joints of both legs are farther apart than this (rad) on average in no gait; in simulated hemiparesis
#: it is 8 degrees.
MOST_APART_RAD = math.radians(25.0)
#: Samples farther apart than this (s) are no stream: begin anew.
LONGEST_STREAM_GAP_S = 0.5


@dataclass(frozen=True)
class StrideLimits:
    """Bounds of what counts as a stride."""

    #: Walking at 2 m/s takes 0.85 s a stride, at 0.4 m/s 1.8 s; impaired gait is slower still (s).
    shortest_s: float = 0.5
    longest_s: float = 3.0
    #: The watched joint moves at least this far to and fro (rad; 7 degrees). Standing sways by 2 to 3; slow
    #: and impaired walking swings the hip by 15 to 30.
    least_swing_rad: float = 0.12
    #: The length of the pelvis's specific force varies at least this much over the stride (standard
    #: deviation, m/s^2); 0 for a device without an IMU. Slow walking shows 0.4, normal walking 2 to 3, legs
    #: that swing in the air the sensor's noise.
    least_shake_m_s2: float = 0.2


class StrideSensor:
    """Tells whether the wearer walks, by full strides in what a worn device measures: joint angles and pelvis IMU.

    A stride is one joint's way from a turning point at the top to the next (hip flexion, or else knee or ankle),
    within the time that a stride takes, while the other leg turns in between, the pelvis is upright and shakes as
    steps make it. Legs that dangle in the air, a squat, standing and lying are none of it. Time is that of the states'
    stamps; `reason` says what is missing.
    """

    def __init__(self, joint_names: tuple[str, ...], limits: StrideLimits) -> None:
        """Raises ValueError for a device without any of WATCHED_JOINTS."""
        kinds = [kind for kind in WATCHED_JOINTS if any(f"{kind}_{side}" in joint_names for side in SIDES)]
        if not kinds:
            raise ValueError(
                f"a stride shows in {', '.join(WATCHED_JOINTS)} only, and the device drives {', '.join(joint_names)}"
            )
        self._index = {
            side: joint_names.index(f"{kinds[0]}_{side}") for side in SIDES if f"{kinds[0]}_{side}" in joint_names
        }
        self._joint = {side: f"{kinds[0]}_{side}" for side in self._index}
        self._limits = limits
        self._kind = kinds[0]
        self.reset()

    def reset(self) -> None:
        """Forgets everything seen."""
        limits = self._limits
        self._trackers = {side: SwingTracker(limits.least_swing_rad, limits.longest_s) for side in self._index}
        self._forces: deque[tuple[float, float, float]] = deque()
        #: (stamp, flexion of each leg).
        self._bends: deque[tuple[float, list[float]]] = deque()
        self._last_s: float | None = None
        self._refusal: tuple[float, str] | None = None

    def see(self, state: DeviceState) -> float | None:
        """Takes in a state. Returns the duration (s) of the stride that it completes."""
        t = state.stamp_s
        if self._last_s is not None and not 0.0 < t - self._last_s <= LONGEST_STREAM_GAP_S:
            self.reset()
        self._last_s = t
        force = state.imu.linear_acceleration
        self._forces.append((t, float(np.linalg.norm(force)), float(force[2])))
        self._bends.append((t, [float(state.position[index]) for index in self._index.values()]))
        while t - self._forces[0][0] > self._limits.longest_s + LONGEST_STREAM_GAP_S:
            self._forces.popleft()
            self._bends.popleft()
        found = None
        for side, index in self._index.items():
            cycle = self._trackers[side].see(t, float(state.position[index]))
            if cycle is None:
                continue
            refusal = self._refuse(side, cycle, t)
            if refusal:
                self._refusal = (t, refusal)
            else:
                found = cycle.end_s - cycle.start_s
        return found

    @property
    def reason(self) -> str:
        """Says what is missing for a stride, for a person."""
        window_s = self._limits.longest_s
        for side, tracker in self._trackers.items():
            if tracker.range_rad < self._limits.least_swing_rad:
                return (
                    f"{self._joint[side]} moved by {math.degrees(tracker.range_rad):.0f} deg lately, "
                    f"walking moves it by {math.degrees(self._limits.least_swing_rad):.0f} or more"
                )
        if self._refusal and self._last_s is not None and self._last_s - self._refusal[0] <= window_s:
            return self._refusal[1]
        return "the legs move, and no full stride is complete"

    def _refuse(self, side: str, cycle: Cycle, now_s: float) -> str:
        """Says why this cycle is no stride, or ""."""
        limits, duration_s = self._limits, cycle.end_s - cycle.start_s
        if not limits.shortest_s <= duration_s <= limits.longest_s:
            return (
                f"{self._joint[side]} took {duration_s:.2f} s to and fro, a stride takes "
                f"{limits.shortest_s:g} to {limits.longest_s:g}"
            )
        if now_s - cycle.end_s > duration_s:
            return f"{self._joint[side]} has come to rest"
        for other, tracker in self._trackers.items():
            if other != side and not self._is_between(tracker.last_top_s, cycle):
                return f"{self._joint[other]} does not move in turn with {self._joint[side]}"
        bends = np.array([bend for t, bend in self._bends if cycle.start_s <= t <= cycle.end_s])
        if bends.min(axis=1).mean() > SEATED_RAD.get(self._kind, math.inf):
            return f"{self._kind}s are bent as in sitting"
        apart = float(np.ptp(bends.mean(axis=0)))
        if apart > MOST_APART_RAD:
            return (
                f"both {self._kind}s differ by {math.degrees(apart):.0f} deg on average: has the zero of one drifted?"
            )
        forces = np.array([sample[1:] for sample in self._forces if sample[0] >= cycle.start_s])
        if forces[:, 1].mean() < LEAST_UPRIGHT * forces[:, 0].mean():
            return "the pelvis is not upright"
        shake = float(forces[:, 0].std())
        if shake < limits.least_shake_m_s2:
            return (
                f"the legs move, and the pelvis shows no steps ({shake:.2f} m/s^2, walking shows "
                f"{limits.least_shake_m_s2:g} or more): in the air, or a device without IMU?"
            )
        return ""

    @staticmethod
    def _is_between(top_s: float | None, cycle: Cycle) -> bool:
        if top_s is None:
            return False
        phase = (top_s - cycle.start_s) / (cycle.end_s - cycle.start_s)
        return EARLIEST_OPPOSITE <= phase <= LATEST_OPPOSITE
