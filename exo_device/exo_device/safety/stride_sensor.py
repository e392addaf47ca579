# SPDX-License-Identifier: Apache-2.0
"""Does the wearer walk? A full stride, from what a worn device measures: joint angles and the pelvis IMU.

A stride is one joint's way from a turning point at the top to the next (hip flexion, or else knee or ankle),
within the time that a stride takes, while the other leg turns in between, the pelvis is upright and shakes as
steps make it. Legs that dangle in the air, a squat, standing and lying are none of it.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from exo_device.safety.posture import SEATED_RAD
from exo_device.safety.swing import Cycle, SwingTracker
from exo_device.state import DeviceState

#: The first kind that the device drives is watched, both legs of it.
WATCHED_JOINTS = ("hip_flexion", "knee_angle", "ankle_angle")
SIDES = ("r", "l")
#: The other leg turns at half of the stride in a healthy gait; in one-sided weakness at up to a third more or
#: less. In a squat or a jump it turns at the same time.
EARLIEST_OPPOSITE, LATEST_OPPOSITE = 0.2, 0.8
#: Share of the specific force along the pelvis's upward axis: 45 degrees of lean.
LEAST_UPRIGHT = math.cos(math.radians(45.0))
#: Samples farther apart than this (s) are no stream: begin anew.
LONGEST_GAP_S = 0.5


@dataclass(frozen=True)
class StrideLimits:
    """What counts as a stride."""

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
    """Streaming; time is that of the states' stamps. reason says what is missing."""

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
        #: (stamp, smallest flexion of both legs).
        self._bends: deque[tuple[float, float]] = deque()
        self._last_s: float | None = None
        self._refusal: tuple[float, str] | None = None

    def see(self, state: DeviceState) -> float | None:
        """Takes in a state. Returns the duration (s) of the stride that it completes."""
        t = state.stamp_s
        if self._last_s is not None and not 0.0 < t - self._last_s <= LONGEST_GAP_S:
            self.reset()
        self._last_s = t
        force = state.imu.linear_acceleration
        self._forces.append((t, float(np.linalg.norm(force)), float(force[2])))
        self._bends.append((t, min(float(state.position[index]) for index in self._index.values())))
        while t - self._forces[0][0] > self._limits.longest_s + LONGEST_GAP_S:
            self._forces.popleft()
            self._bends.popleft()
        found = None
        for side, index in self._index.items():
            cycle = self._trackers[side].see(t, float(state.position[index]))
            if cycle is None:
                continue
            refusal = self._refuse(side, cycle)
            if refusal:
                self._refusal = (t, refusal)
            else:
                found = cycle.end_s - cycle.start_s
        return found

    @property
    def reason(self) -> str:
        """What is missing for a stride, for a person."""
        window_s = self._limits.longest_s
        for side, tracker in self._trackers.items():
            if tracker.range_rad < self._limits.least_swing_rad:
                return (
                    f"{self._joint[side]} moved by {math.degrees(tracker.range_rad):.0f} deg lately, "
                    f"walking moves it by {math.degrees(self._limits.least_swing_rad):.0f} or more"
                )
        if self._refusal and self._last_s - self._refusal[0] <= window_s:
            return self._refusal[1]
        return "the legs move, and no full stride is complete"

    def _refuse(self, side: str, cycle: Cycle) -> str:
        """Why this cycle is no stride, or ""."""
        limits, duration_s = self._limits, cycle.end_s - cycle.start_s
        if not limits.shortest_s <= duration_s <= limits.longest_s:
            return (
                f"{self._joint[side]} took {duration_s:.2f} s to and fro, a stride takes "
                f"{limits.shortest_s:g} to {limits.longest_s:g}"
            )
        if self._last_s - cycle.end_s > duration_s:
            return f"{self._joint[side]} has come to rest"
        for other, tracker in self._trackers.items():
            if other != side and not self._is_between(tracker.last_top_s, cycle):
                return f"{self._joint[other]} does not move in turn with {self._joint[side]}"
        if self._is_seated(cycle.start_s):
            return f"{self._kind}s are bent as in sitting"
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

    def _is_seated(self, start_s: float) -> bool:
        """Whether the watched joints were bent like a seated person's on average since a time (s)."""
        most = SEATED_RAD.get(self._kind)
        bends = [bend for t, bend in self._bends if t >= start_s]
        return most is not None and bool(bends) and float(np.mean(bends)) > most

    @staticmethod
    def _is_between(top_s: float | None, cycle: Cycle) -> bool:
        if top_s is None:
            return False
        phase = (top_s - cycle.start_s) / (cycle.end_s - cycle.start_s)
        return EARLIEST_OPPOSITE <= phase <= LATEST_OPPOSITE
