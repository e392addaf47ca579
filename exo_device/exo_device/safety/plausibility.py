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
#: A joint that has said once that it turns this fast (rad/s) reports its speed, and is held to it: its angle must move
#: neither less nor more, nor the other way.
SPEAKING_RAD_S = 0.2
#: In that time an angle goes to and fro by no more than this (rad) beside the way that its speed explains.
WOBBLE_RAD = 0.8
#: An angle that creeps away beside its speed, by this (rad) within some SLIP_S (s); 2 degrees a second show. Speeds
#: that a motor cuts off to 12 bits of +-50 rad/s creep by half of it.
SLIP_RAD, SLIP_S = 0.25, 10.0
#: Every number of a state equal to the last bit for this long (s) although torque of this share of the cap is asked
#: for: an old state that is sent again. No joint of a person keeps so still under torque.
REPEATED_S, REPEATED_SHARE = 1.0, 0.1
#: A joint whose angle and speed are equal to the last bit for this long (s) although it is given torque of
#: REPEATED_SHARE, while the same joint of the other side goes this far (rad): its encoder is dead.
DEAD_S, OTHER_SIDE_RAD = 2.0, 0.5
#: A longer step between two states (s) is no stream: nothing is compared across it.
LONGEST_GAP_S = 0.1


class MotionCheck:
    """Angle against speed of every joint, and states that repeat an old one. One device: arrays have shape (J,)."""

    def __init__(self, device: DeviceDescription, cap: np.ndarray) -> None:
        self._names, self._cap = device.joint_names, cap
        self._last: DeviceState | None = None
        self._window_s = 0.0
        self._start = np.zeros(len(self._names))
        self._travel = self._path = self._wobble = self._slip = np.zeros(len(self._names))
        self._speaks = np.zeros(len(self._names), dtype=bool)
        self._repeats = Lasting(REPEATED_S)
        #: Place of the same joint on the other side, or of itself where there is none; for how long each joint has
        #: shown the same (s), and how far the other one has gone meanwhile (rad).
        self._other = np.array([self._place_of_other(name) for name in self._names])
        self._same_s = self._other_way = np.zeros(len(self._names))
        #: Joints whose zero may be lost by what the newest state says, and why.
        self.lost: dict[str, str] = {}

    def _place_of_other(self, name: str) -> int:
        other = f"{name[:-1]}{'l' if name.endswith('r') else 'r'}"
        return self._names.index(other if other in self._names else name)

    def see(self, state: DeviceState, motor_torque: np.ndarray, *, may_leap: bool) -> Problem | None:
        """Takes in a new state.

        Args:
            motor_torque: the last one (Nm).
            may_leap: the plant may be put somewhere else, as a simulator's person is after a fall.
        """
        before, self._last = self._last, state
        self.lost = {}
        if before is None or not 0.0 < state.stamp_s - before.stamp_s <= LONGEST_GAP_S:
            self._begin_window(state)
            self._slip = np.zeros(len(self._names))
            self._repeats.end()
            return None
        step_s = state.stamp_s - before.stamp_s
        moved = state.position - before.position
        fastest = np.maximum(np.abs(state.velocity), np.abs(before.velocity))
        leap = np.abs(moved) - LEAP_RAD - LEAP_SPEED_FACTOR * fastest * step_s
        self._speaks = self._speaks | (np.abs(state.velocity) > SPEAKING_RAD_S)
        if leap.max() > 0.0:
            self._begin_window(state)
            self._slip = np.zeros(len(self._names))
            if may_leap:
                return None
            self.lost = {self._names[joint]: "its angle leapt" for joint in np.flatnonzero(leap > 0.0)}
            joint = int(leap.argmax())
            return Problem(
                Fault.IMPLAUSIBLE_STATE,
                f"{self._names[joint]} leapt by {moved[joint]:+.2f} rad in {1e3 * step_s:.0f} ms, while its speed says "
                f"{state.velocity[joint]:+.1f} rad/s: its zero may be lost",
            )
        return (
            self._against_speed(before, state, step_s)
            or self._repeated(before, state, motor_torque)
            or self._dead(before, state, motor_torque, step_s)
        )

    def _against_speed(self, before: DeviceState, state: DeviceState, step_s: float) -> Problem | None:
        moved, explained = state.position - before.position, 0.5 * (before.velocity + state.velocity) * step_s
        self._travel, self._path = self._travel + explained, self._path + np.abs(explained)
        self._wobble = self._wobble + np.abs(moved)
        self._slip = self._slip * math.exp(-step_s / SLIP_S) + np.where(self._speaks, moved - explained, 0.0)
        self._window_s += step_s
        if self._window_s < WINDOW_S:
            return None
        moved, travel = state.position - self._start, self._travel
        # a motor that never reports a speed shows an angle that moves by itself: that is no angle that stands still
        residual = np.where(self._speaks | (np.abs(moved) < np.abs(travel)), np.abs(moved - travel), 0.0)
        residual = residual - WINDOW_RAD - WINDOW_SHARE * self._path
        beside = self._wobble - np.abs(moved) - self._path
        self._begin_window(state)
        joint = int(residual.argmax())
        if residual[joint] > 0.0:
            return self._contradiction(
                joint,
                f"moved by {moved[joint]:+.2f} rad in {WINDOW_S:g} s, while its speed says {travel[joint]:+.2f}: one "
                "of them is wrong",
            )
        joint = int(beside.argmax())
        if beside[joint] > WOBBLE_RAD:
            return self._contradiction(
                joint, f"went to and fro by {beside[joint]:.2f} rad in {WINDOW_S:g} s, and its speed says nothing of it"
            )
        joint = int(np.abs(self._slip).argmax())
        if abs(self._slip[joint]) > SLIP_RAD:
            return self._contradiction(
                joint, f"has crept by {self._slip[joint]:+.2f} rad beside what its speed says: its zero drifts"
            )
        return None

    def _contradiction(self, joint: int, what: str) -> Problem:
        name = self._names[joint]
        self.lost = {name: "its angle and its speed contradict each other"}
        return Problem(Fault.IMPLAUSIBLE_STATE, f"{name} {what}")

    def _begin_window(self, state: DeviceState) -> None:
        self._window_s, self._start = 0.0, state.position
        self._travel = self._path = self._wobble = np.zeros(len(self._names))

    def _dead(self, before: DeviceState, state: DeviceState, motor_torque: np.ndarray, step_s: float) -> Problem | None:
        moved = state.position - before.position
        same = (moved == 0.0) & (state.velocity == before.velocity)
        same &= np.abs(motor_torque) >= REPEATED_SHARE * self._cap
        self._same_s = np.where(same, self._same_s + step_s, 0.0)
        self._other_way = np.where(same, self._other_way + np.abs(moved[self._other]), 0.0)
        dead = (self._same_s >= DEAD_S) & (self._other_way >= OTHER_SIDE_RAD)
        if not dead.any():
            return None
        name = self._names[int(dead.argmax())]
        return Problem(
            Fault.IMPLAUSIBLE_STATE,
            f"{name} has shown the same angle and speed for {DEAD_S:g} s under torque, while the other side moves: its "
            "encoder is dead",
        )

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
#: ... or outside of what the delay explains by this share of the cap and this torque (Nm) on average, over this time
#: (s): a little too much, for ever.
LASTING_SHARE, LASTING_NM, LASTING_S = 0.15, 1.0, 1.0
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
        self._mean_outside, self._followed_s = np.zeros(len(self._names)), -math.inf
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
        outside = np.maximum(known.min(axis=0) - applied, applied - known.max(axis=0))
        step_s, self._followed_s = min(max(t - self._followed_s, 0.0), FOLLOWING_S), t
        share = -math.expm1(-step_s / LASTING_S)
        self._mean_outside = self._mean_outside + share * (np.nan_to_num(np.maximum(outside, 0.0)) - self._mean_outside)
        lasting = self._mean_outside - LASTING_SHARE * self._cap - LASTING_NM
        beyond = outside - FOLLOWING_SHARE * self._cap - FOLLOWING_NM
        beyond = np.nan_to_num(np.maximum(beyond, np.abs(applied) - OVER_CAP * self._cap), nan=-1.0)
        is_wrong = self._wrong.see(t, bool(beyond.max() > 0.0))
        if not is_wrong and lasting.max() <= 0.0:
            return None
        beyond = beyond if is_wrong else lasting
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


#: The ways of torque up and down, summed up over this time (s), in multiples of the cap; smaller turns than this share
#: of it are no turn. Walking at 2 m/s goes from cap to cap 2.4 times a second, which makes 10.
MOST_SWING, SWING_SHARE, SWING_WINDOW_S = 14.0, 0.2, 2.0


class ShakingCheck:
    """Finds torque that goes up and down again and again: to and fro, on and off, or little and fast.

    It gives energy to limbs and takes it back, and no gait asks for it.
    """

    def __init__(self, joint_names: tuple[str, ...], cap: np.ndarray) -> None:
        self._names, self._cap = joint_names, cap
        #: Where each torque turned last, how far it has come since, and in which direction.
        self._turn = self._extreme = np.zeros(len(joint_names))
        self._way = np.ones(len(joint_names))
        self._swings: deque[tuple[float, np.ndarray]] = deque()

    def see(self, t: float, motor_torque: np.ndarray) -> Problem | None:
        """Takes in the motor torque (Nm) of t (s)."""
        turned = self._way * (self._extreme - motor_torque) > SWING_SHARE * self._cap
        if turned.any():
            self._swings.append((t, np.where(turned, np.abs(self._extreme - self._turn), 0.0) / self._cap))
        self._turn = np.where(turned, self._extreme, self._turn)
        self._way = np.where(turned, -self._way, self._way)
        farther = turned | (self._way * (motor_torque - self._extreme) > 0.0)
        self._extreme = np.where(farther, motor_torque, self._extreme)
        while self._swings and t - self._swings[0][0] > SWING_WINDOW_S:
            self._swings.popleft()
        swing = sum((swing for _, swing in self._swings), np.zeros(len(self._names)))
        if swing.max() <= MOST_SWING:
            return None
        joint = int(swing.argmax())
        return Problem(
            Fault.OSCILLATION,
            f"torque at {self._names[joint]} went up and down by {swing[joint]:.0f} times its cap in "
            f"{SWING_WINDOW_S:g} s",
        )


#: Time over which orientation and specific force are averaged before they are compared (s).
IMU_AVERAGE_S = 0.5
#: Larger angle between both than this (rad) for this long (s). Walking stays below 10 degrees.
IMU_DISAGREEMENT_RAD, IMU_DISAGREEMENT_S = math.radians(30.0), 0.5
#: Mean specific force between these (m/s^2) is mostly gravity. Beyond them nothing can be compared, and for longer than
#: this (s) neither walking nor falling gets there.
GRAVITY_LIKE_M_S2, NO_GRAVITY_S = (7.0, 12.5), 1.0
#: An orientation that is missing for longer than this (s) is averaged anew.
LONGEST_WITHOUT_S = 1.0
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
        #: For how long force and orientation have been averaged (s), and when there was an orientation last (s).
        self._seen_s = self._oriented_s = 0.0
        self._up_s = -math.inf
        self._wrong, self._no_gravity = Lasting(IMU_DISAGREEMENT_S), Lasting(NO_GRAVITY_S)
        #: Angle (rad) between orientation and specific force, NaN before it is known.
        self.disagreement = math.nan

    def see(self, t: float, imu: ImuSample) -> Problem | None:
        """Takes in a sample of t (s)."""
        rate, force = np.abs(imu.angular_velocity).max(), np.abs(imu.linear_acceleration).max()
        if rate > MOST_RATE_RAD_S or force > MOST_FORCE_M_S2:
            return Problem(
                Fault.IMU_FAULT, f"the IMU reports {rate:.3g} rad/s and {force:.3g} m/s^2, which none can measure"
            )
        norm = float(np.linalg.norm(imu.orientation_xyzw)) if imu.has_orientation else 1.0
        if not QUATERNION_NORM[0] <= norm <= QUATERNION_NORM[1]:
            return Problem(
                Fault.IMU_FAULT,
                f"the IMU's orientation has the norm {norm:.2f} instead of 1; an IMU without orientation says so by "
                "orientation_covariance[0] = -1",
            )
        self._average(t, imu)
        return self._gravity(t) or (self._compare(t) if imu.has_orientation else None)

    def _average(self, t: float, imu: ImuSample) -> None:
        step_s = 0.0 if self._last_s is None else t - self._last_s
        self._last_s = t
        force = np.array(imu.linear_acceleration, dtype=float)
        if not 0.0 < step_s <= LONGEST_GAP_S:
            self._force, self._seen_s, step_s, self._up_s = force, 0.0, 0.0, -math.inf
            self._wrong.end()
            self._no_gravity.end()
        share = -math.expm1(-step_s / IMU_AVERAGE_S)
        self._force = self._force + share * (force - self._force)
        self._seen_s += step_s
        if not imu.has_orientation:
            self.disagreement = math.nan
            return
        if t - self._up_s > LONGEST_WITHOUT_S:
            self._up, self._oriented_s = imu.up, 0.0
            self._wrong.end()
        self._up_s = t
        self._up = self._up + share * (imu.up - self._up)
        self._oriented_s += step_s

    @property
    def _is_gravity(self) -> bool:
        return GRAVITY_LIKE_M_S2[0] <= float(np.linalg.norm(self._force)) <= GRAVITY_LIKE_M_S2[1]

    def _gravity(self, t: float) -> Problem | None:
        if not self._no_gravity.see(t, self._seen_s >= IMU_AVERAGE_S and not self._is_gravity):
            return None
        return Problem(
            Fault.IMU_FAULT,
            f"the IMU's mean specific force is {float(np.linalg.norm(self._force)):.1f} m/s^2, which is not gravity: "
            "m/s^2 or g, and calibrated?",
        )

    def _compare(self, t: float) -> Problem | None:
        length, up = float(np.linalg.norm(self._force)), float(np.linalg.norm(self._up))
        can_tell = self._oriented_s >= 0.5 * IMU_AVERAGE_S and self._is_gravity and up >= 0.5
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
