# SPDX-License-Identifier: Apache-2.0
"""These checks say whether what motors and IMU report can be true, and whether the motors do what they are told.

They are the same for every driver.

Times are those of the states' stamps (s) where what is compared was stamped, and the supervisor's elsewhere.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from exo_device.description import DeviceDescription
from exo_device.safety.modes import Fault, Problem
from exo_device.signals import DeviceState, ImuSample
from exo_device.timing import Lasting

#: A step between two states beyond this (rad), and beyond this multiple of what the reported speeds explain, is a leap.
#: Walking joints turn by up to 10 rad/s, and speeds of a state and the one before differ by a few rad/s at heel strike.
LEAP_RAD, LEAP_SPEED_FACTOR = 0.15, 2.0
#: Over this time (s) the angle must move as the reported speed says, but for this angle (rad) and this share of the
#: way.
WINDOW_S, WINDOW_RAD, WINDOW_SHARE = 0.25, 0.10, 0.5
#: Every number of a state equal to the last bit for this long (s) although torque of this share of the cap is asked
#: for: an old state that is sent again. No joint of a person keeps so still under torque.
REPEATED_S, REPEATED_SHARE = 1.0, 0.1
#: A longer step between two states (s) is no stream: nothing is compared across it.
LONGEST_GAP_S = 0.1


class MotionCheck:
    """Angle against speed of every joint, and states that repeat an old one. One device: arrays have shape (J,)."""

    def __init__(self, device: DeviceDescription, cap: np.ndarray) -> None:
        self._names, self._cap = device.joint_names, cap
        self._last: DeviceState | None = None
        self._window_s = 0.0
        self._start: np.ndarray | None = None
        self._travel = self._path = np.zeros(len(self._names))
        self._repeats = Lasting(REPEATED_S)

    def see(self, state: DeviceState, motor_torque: np.ndarray, *, may_leap: bool) -> Problem | None:
        """Takes in a new state.

        Args:
            motor_torque: the last one (Nm).
            may_leap: the plant may be put somewhere else, as a simulator's person is after a fall.
        """
        before, self._last = self._last, state
        if before is None or not 0.0 < state.stamp_s - before.stamp_s <= LONGEST_GAP_S:
            self._begin_window(state)
            self._repeats.end()
            return None
        step_s = state.stamp_s - before.stamp_s
        moved = state.position - before.position
        fastest = np.maximum(np.abs(state.velocity), np.abs(before.velocity))
        leap = np.abs(moved) - LEAP_RAD - LEAP_SPEED_FACTOR * fastest * step_s
        if leap.max() > 0.0:
            self._begin_window(state)
            if may_leap:
                return None
            joint = int(leap.argmax())
            return Problem(
                Fault.IMPLAUSIBLE_STATE,
                f"{self._names[joint]} leapt by {moved[joint]:+.2f} rad in {1e3 * step_s:.0f} ms, while its speed says "
                f"{state.velocity[joint]:+.1f} rad/s: its zero may be lost",
            )
        return self._against_speed(before, state, step_s) or self._repeated(before, state, motor_torque)

    def _against_speed(self, before: DeviceState, state: DeviceState, step_s: float) -> Problem | None:
        mean = 0.5 * (before.velocity + state.velocity)
        self._travel, self._path = self._travel + mean * step_s, self._path + np.abs(mean) * step_s
        self._window_s += step_s
        if self._window_s < WINDOW_S:
            return None
        moved = state.position - self._start
        # a motor that reports no speed shows an angle that moves by itself: that is no angle that stands still
        residual = np.where(np.abs(moved) < np.abs(self._travel), np.abs(moved - self._travel), 0.0)
        residual = residual - WINDOW_RAD - WINDOW_SHARE * self._path
        joint, travel = int(residual.argmax()), self._travel
        self._begin_window(state)
        if residual.max() <= 0.0:
            return None
        return Problem(
            Fault.IMPLAUSIBLE_STATE,
            f"{self._names[joint]} moved by {moved[joint]:+.2f} rad in {WINDOW_S:g} s, while its speed says "
            f"{travel[joint]:+.2f}: the angle stands still",
        )

    def _begin_window(self, state: DeviceState) -> None:
        self._window_s, self._start = 0.0, state.position
        self._travel = self._path = np.zeros(len(self._names))

    def _repeated(self, before: DeviceState, state: DeviceState, motor_torque: np.ndarray) -> Problem | None:
        same = (
            np.array_equal(before.position, state.position)
            and np.array_equal(before.velocity, state.velocity)
            and np.array_equal(before.torque, state.torque, equal_nan=True)
            and np.array_equal(before.imu.linear_acceleration, state.imu.linear_acceleration)
            and np.array_equal(before.imu.angular_velocity, state.imu.angular_velocity)
        )
        has_torque = bool((np.abs(motor_torque) >= REPEATED_SHARE * self._cap).any())
        if not self._repeats.see(state.stamp_s, same and has_torque):
            return None
        return Problem(
            Fault.IMPLAUSIBLE_STATE,
            f"every number of the states is equal for {REPEATED_S:g} s under torque: an old state is sent again",
        )


#: Applied torque over this multiple of the cap, or farther from the motor torque than this share of the cap and this
#: torque (Nm), for this long (s).
OVER_CAP, FOLLOWING_SHARE, FOLLOWING_NM, FOLLOWING_S = 1.2, 0.35, 2.0, 0.1
#: A motor torque may show this much later (s) than the device file's delay: a bus cycle, a state's age, a late loop.
FOLLOWING_SLACK_S = 0.06
#: After the end of a stop the applied torque must be below this share of the cap and this torque (Nm) within this time
#: (s) and the delay, and stay there.
STOPPED_SHARE, STOPPED_NM, STOPPED_WITHIN_S, STOPPED_FOR_S = 0.15, 2.0, 0.1, 0.05


class TorqueCheck:
    """Compares applied torque with motor torque, by the bandwidth and delay of the device file."""

    def __init__(self, device: DeviceDescription, cap: np.ndarray) -> None:
        joints = device.joints.values()
        self._names, self._cap = device.joint_names, cap
        self._rate = np.array([2.0 * math.pi * joint.bandwidth_hz for joint in joints])
        self._memory_s = max(joint.delay_s for joint in joints) + FOLLOWING_SLACK_S
        self._expected = np.zeros(len(self._names))
        self._recent: deque[tuple[float, np.ndarray]] = deque()
        self._motor_torque = np.zeros(len(self._names))
        self._wrong, self._goes_on = Lasting(FOLLOWING_S), Lasting(STOPPED_FOR_S)
        self._told_to_stop = Lasting(STOPPED_WITHIN_S + self._memory_s)

    def sent(self, t: float, motor_torque: np.ndarray) -> None:
        """A motor torque (Nm) has been sent at t (s)."""
        if self._recent:
            step_s = max(t - self._recent[-1][0], 0.0)
            self._expected = self._expected - np.expm1(-self._rate * step_s) * (self._motor_torque - self._expected)
        self._motor_torque = motor_torque
        self._recent.append((t, self._expected))
        while t - self._recent[0][0] > self._memory_s:
            self._recent.popleft()

    def following(self, t: float, applied: np.ndarray) -> Problem | None:
        """Compares an applied torque (Nm) of t (s) with what it may be. NaN is not measured."""
        if not self._recent:
            return None
        known = np.array([expected for _, expected in self._recent] + [self._motor_torque])
        allowed = FOLLOWING_SHARE * self._cap + FOLLOWING_NM
        beyond = np.maximum(known.min(axis=0) - allowed - applied, applied - known.max(axis=0) - allowed)
        beyond = np.nan_to_num(np.maximum(beyond, np.abs(applied) - OVER_CAP * self._cap), nan=-1.0)
        if not self._wrong.see(t, bool(beyond.max() > 0.0)):
            return None
        joint = int(beyond.argmax())
        return Problem(
            Fault.TORQUE_MISMATCH,
            f"the motor of {self._names[joint]} gives {applied[joint]:.1f} Nm, asked for "
            f"{self._motor_torque[joint]:.1f} of at most {self._cap[joint]:.1f}",
        )

    def stopped(self, t: float, applied: np.ndarray, *, must_be_zero: bool) -> Problem | None:
        """Tells whether a stop has come about, from an applied torque (Nm) of t (s)."""
        rest = self.rest(applied) if self._told_to_stop.see(t, must_be_zero) else None
        if not self._goes_on.see(t, rest is not None):
            return None
        return Problem(Fault.STOP_NOT_CONFIRMED, f"told to stop, and {rest}: take the power away")

    def rest(self, applied: np.ndarray) -> str | None:
        """An applied torque (Nm) that is too large for motors that are told zero, in words; None without one."""
        beyond = np.nan_to_num(np.abs(applied) - STOPPED_SHARE * self._cap - STOPPED_NM, nan=-1.0)
        joint = int(beyond.argmax())
        return None if beyond[joint] <= 0.0 else f"the motor of {self._names[joint]} gives {applied[joint]:.1f} Nm"


#: More changes of direction of substantial torque (share of the cap) than this in this time (s) shake a person. Walking
#: at 2 m/s turns hip torque 2.4 times a second.
REVERSAL_SHARE, MOST_REVERSALS, REVERSAL_WINDOW_S = 0.25, 7, 2.0


class ShakingCheck:
    """Finds torque that changes its direction again and again.

    It gives energy to limbs and takes it back, and no gait asks for it.
    """

    def __init__(self, joint_names: tuple[str, ...], cap: np.ndarray) -> None:
        self._names, self._least = joint_names, REVERSAL_SHARE * cap
        self._side = np.zeros(len(joint_names))
        self._turns: list[deque[float]] = [deque() for _ in joint_names]

    def see(self, t: float, motor_torque: np.ndarray) -> Problem | None:
        """Takes in the motor torque (Nm) of t (s)."""
        side = np.where(np.abs(motor_torque) >= self._least, np.sign(motor_torque), 0.0)
        turned = (side != 0.0) & (self._side != 0.0) & (side != self._side)
        self._side = np.where(side != 0.0, side, self._side)
        for joint in np.flatnonzero(turned):
            turns = self._turns[joint]
            turns.append(t)
            while t - turns[0] > REVERSAL_WINDOW_S:
                turns.popleft()
            if len(turns) > MOST_REVERSALS:
                return Problem(
                    Fault.OSCILLATION,
                    f"torque at {self._names[joint]} changed its direction {len(turns)} times in "
                    f"{REVERSAL_WINDOW_S:g} s",
                )
        return None


#: Time over which orientation and specific force are averaged before they are compared (s).
IMU_AVERAGE_S = 0.5
#: Larger angle between both than this (rad) for this long (s). Walking stays below 10 degrees.
IMU_DISAGREEMENT_RAD, IMU_DISAGREEMENT_S = math.radians(30.0), 0.5
#: Mean specific force between these (m/s^2) is mostly gravity; else nothing can be compared.
GRAVITY_LIKE_M_S2 = (7.0, 12.5)
#: Norm of a quaternion that is one.
QUATERNION_NORM = (0.9, 1.1)
#: No wearable IMU measures more: the usual ends of scale are 2000 degrees a second and 16 g.
MOST_RATE_RAD_S, MOST_FORCE_M_S2 = math.radians(2000.0) * 1.05, 16.0 * 9.81 * 1.05


class ImuCheck:
    """Orientation against the specific force, and numbers that no IMU reports. Nothing to compare where the IMU says
    that it has no orientation."""

    def __init__(self) -> None:
        self._last_s: float | None = None
        self._up = self._force = np.zeros(3)
        self._seen_s = 0.0
        self._wrong = Lasting(IMU_DISAGREEMENT_S)
        #: Angle (rad) between orientation and specific force, NaN before it is known.
        self.disagreement = math.nan

    def see(self, t: float, imu: ImuSample) -> Problem | None:
        """Takes in a sample of t (s)."""
        rate, force = np.abs(imu.angular_velocity).max(), np.abs(imu.linear_acceleration).max()
        if rate > MOST_RATE_RAD_S or force > MOST_FORCE_M_S2:
            return Problem(
                Fault.IMU_FAULT, f"the IMU reports {rate:.3g} rad/s and {force:.3g} m/s^2, which none can measure"
            )
        if not imu.has_orientation:
            self._last_s, self.disagreement = None, math.nan
            return None
        norm = float(np.linalg.norm(imu.orientation_xyzw))
        if not QUATERNION_NORM[0] <= norm <= QUATERNION_NORM[1]:
            return Problem(
                Fault.IMU_FAULT,
                f"the IMU's orientation has the norm {norm:.2f} instead of 1; an IMU without orientation says so by "
                "orientation_covariance[0] = -1",
            )
        step_s = None if self._last_s is None else t - self._last_s
        self._last_s = t
        if step_s is None or not 0.0 < step_s <= LONGEST_GAP_S:
            self._up, self._force, self._seen_s = imu.up, np.array(imu.linear_acceleration, dtype=float), 0.0
            self._wrong.end()
            return None
        share = -math.expm1(-step_s / IMU_AVERAGE_S)
        self._up = self._up + share * (imu.up - self._up)
        self._force = self._force + share * (imu.linear_acceleration - self._force)
        self._seen_s += step_s
        return self._compare(t)

    def _compare(self, t: float) -> Problem | None:
        length, up = float(np.linalg.norm(self._force)), float(np.linalg.norm(self._up))
        is_gravity = GRAVITY_LIKE_M_S2[0] <= length <= GRAVITY_LIKE_M_S2[1]
        can_tell = self._seen_s >= 0.5 * IMU_AVERAGE_S and is_gravity and up >= 0.5
        if can_tell:
            self.disagreement = math.acos(float(np.clip(self._up @ self._force / (up * length), -1.0, 1.0)))
        if not self._wrong.see(t, can_tell and self.disagreement > IMU_DISAGREEMENT_RAD):
            return None
        return Problem(
            Fault.IMU_FAULT,
            f"the IMU's orientation and its accelerometer disagree by {math.degrees(self.disagreement):.0f} degrees: "
            "quaternion in another order (x, y, z, w is right), another axis convention (REP-145), or the IMU was "
            "turned",
        )
