# SPDX-License-Identifier: Apache-2.0
"""How the wearer holds themselves: upright or fallen, standing, seated. From joint angles and the pelvis IMU."""

from __future__ import annotations

import math

import numpy as np

from exo_core.joints import SIDES
from exo_device.safety.plausibility import up_in_imu
from exo_device.state import DeviceState, ImuSample

#: A pelvis that leans farther than this (rad) for this long (s) belongs to somebody who has fallen, or bends down. The
#: pelvis leans by 5 to 20 degrees in walking, crouch gait and climbing.
FALLEN_TILT_RAD, FALLEN_S = math.radians(45.0), 0.05
#: Less specific force than this (m/s^2) for this long (s) is free fall: walking shows 6 and more.
FREE_FALL_M_S2, FREE_FALL_S = 3.0, 0.05
#: Upright again: below this lean (rad) for this long (s).
UPRIGHT_TILT_RAD, UPRIGHT_S = math.radians(30.0), 0.5
#: Without orientation the specific force, averaged over this time (s), tells where up is.
FORCE_AVERAGE_S = 0.1
#: Hips (or else knees) of both legs that are bent farther than this (rad) on average are those of somebody seated.
#: Chairs bend both by 80 to 100 degrees, crouch gait the hip by 30 to 45 and the knee by up to 60.
SEATED_RAD = {"hip_flexion": math.radians(55.0), "knee_angle": math.radians(75.0)}
#: Angles (rad) of upright standing with a margin for posture and the fit of the device, and how alike both sides are.
STANCE_RAD = {"hip_flexion": (-0.4, 0.6), "knee_angle": (-0.15, 0.6), "ankle_angle": (-0.4, 0.5)}
MOST_UNEVEN_RAD = math.radians(17.0)


class UprightSensor:
    """Has the wearer fallen? Streaming; time is that of the states' stamps (s)."""

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
        self._force = np.zeros(3)
        self._leaning_s = self._falling_s = self._upright_s = 0.0

    def see(self, t: float, imu: ImuSample) -> bool:
        """Takes in a sample. Returns whether the wearer is down, or falling."""
        step_s = 0.0 if self._last_s is None else t - self._last_s
        if step_s < 0.0 or step_s > 10.0 * FORCE_AVERAGE_S:
            step_s = 0.0
        share = 1.0 if self._last_s is None else -math.expm1(-step_s / FORCE_AVERAGE_S)
        self._last_s = t
        self._force = self._force + share * (imu.linear_acceleration - self._force)
        up = up_in_imu(imu) if imu.has_orientation else self._force
        length = float(np.linalg.norm(up))
        self.tilt = math.acos(float(np.clip(up[2] / length, -1.0, 1.0))) if length > 0.0 else math.pi
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


def pairs(joint_names: tuple[str, ...], kind: str) -> list[int]:
    """Places of a kind of joint in the device's order, right before left; those that there are."""
    return [joint_names.index(f"{kind}_{side}") for side in SIDES if f"{kind}_{side}" in joint_names]


def not_standing(state: DeviceState, tilt: float) -> str | None:
    """Why this is nobody who stands upright with both feet side by side; None where it is.

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
                    f"{state.names[place]} is at {math.degrees(state.position[place]):.0f} degrees, upright standing at "
                    f"{math.degrees(low):.0f} to {math.degrees(high):.0f}: stand upright, or the joint's zero is wrong"
                )
        if len(places) == 2:
            uneven = abs(float(state.position[places[0]] - state.position[places[1]]))
            if uneven > MOST_UNEVEN_RAD:
                return (
                    f"both {kind} differ by {math.degrees(uneven):.0f} degrees: stand with the feet side by side, or a "
                    "joint's zero is wrong"
                )
    return None
