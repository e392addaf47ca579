# SPDX-License-Identifier: Apache-2.0
"""The limits decide how much torque each joint may get: the arithmetic between the command and the limited torque.

Everything is vectorised: arrays of one device have shape (J,) in the order of its joints, those of n devices of a kind
(n, J).
"""

from __future__ import annotations

import numpy as np

from exo_core.time import NANOSECONDS_PER_SECOND
from exo_device.description import DeviceDescription
from exo_device.safety.config import SafetyConfig
from exo_device.safety.modes import Fault, Problem
from exo_device.signals import DeviceState
from exo_device.timing import Instant

#: What takes torque from a command, in the order in which it acts.
LIMITS = ("assistance", "heat", "cap", "range", "velocity", "power", "slew")
#: Less than this share of the cap is rounding.
BITE_SHARE = 1e-6


class TorqueLimits:
    """Limits of one device on one wearer, or of n devices on n wearers; without memory.

    Raises DeviceError for a wearer's mass out of range.
    """

    def __init__(
        self, device: DeviceDescription, wearer_mass_kg: float | np.ndarray, velocity_taper_share: float
    ) -> None:
        """wearer_mass_kg: of one wearer, or (n,)."""
        joints = list(device.joints.values())
        self.names = device.joint_names
        #: min(device limit, limit per kg times wearer's mass) (Nm): never exceeded, whatever is commanded.
        masses = np.asarray(wearer_mass_kg, dtype=float)
        caps = np.array([device.torque_limits(float(mass)) for mass in masses.ravel()])
        self.cap = caps.reshape(*masses.shape, len(joints))
        #: Nm/s.
        self.slew = np.array([joint.slew_limit_nm_per_s for joint in joints])
        self.velocity = np.array([joint.velocity_limit_rad_s for joint in joints])
        self.power = np.array([joint.power_limit_w for joint in joints])
        self.low = np.array([joint.range_rad[0] for joint in joints])
        self.high = np.array([joint.range_rad[1] for joint in joints])
        self.temperature = device.temperature_limit_c
        #: Nominal (V).
        self.bus_voltage = device.bus_voltage_v
        self._taper = np.array([joint.taper_rad for joint in joints])
        self._velocity_taper_share = velocity_taper_share

    def shape(self, torque: np.ndarray, position: np.ndarray, velocity: np.ndarray) -> np.ndarray:
        """Torque (Nm) that the limits leave of this one at this angle (rad) and speed (rad/s)."""
        return self.stages(torque, position, velocity)[-1]

    def stages(
        self, torque: np.ndarray, position: np.ndarray, velocity: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Torque (Nm) that is left after cap, range, velocity and power, one after the other."""
        capped = np.clip(torque, -self.cap, self.cap)
        in_range = capped * self.range_gain(capped, position)
        slow = in_range * self.velocity_gain(capped, velocity)
        most = self.power_cap(velocity)
        return capped, in_range, slow, np.clip(slow, -most, most)

    def bounds(self, position: np.ndarray, velocity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest torque (Nm) that may be given at this angle (rad) and speed (rad/s), whatever came before.

        Zero always lies between them, and nothing else does where angle or speed is not finite.
        """
        with np.errstate(invalid="ignore", over="ignore"):
            low, high = self.shape(-self.cap, position, velocity), self.shape(self.cap, position, velocity)
        return np.nan_to_num(low, nan=0.0), np.nan_to_num(high, nan=0.0)

    def range_gain(self, torque: np.ndarray, position: np.ndarray) -> np.ndarray:
        """1 inside the range; fades to 0 at the end that the torque pushes to. Pushing back never fades."""
        room = np.where(torque > 0.0, self.high - position, position - self.low)
        return np.clip(room / self._taper, 0.0, 1.0)

    def velocity_gain(self, torque: np.ndarray, velocity: np.ndarray) -> np.ndarray:
        """Fades torque that speeds the joint up, to 0 at the velocity limit. Braking is never faded."""
        room = (self.velocity - np.abs(velocity)) / ((1.0 - self._velocity_taper_share) * self.velocity)
        return np.where(np.sign(torque) * np.sign(velocity) > 0.0, np.clip(room, 0.0, 1.0), 1.0)

    def power_cap(self, velocity: np.ndarray) -> np.ndarray:
        """Largest torque (Nm) within the power limit at this speed."""
        slowest = self.power / self.cap  # below this speed the cap is the smaller limit
        speed = np.maximum(np.abs(velocity), slowest)
        return self.power / speed


class CommandLimiter:
    """Makes the limited torque of a command: everything that the supervisor does to it but the decision to stop.

    A training uses the same arithmetic for many devices at once.

    Args:
        device: the description.
        wearer_mass_kg: of the wearer, or (n,) of n devices.
        config: the supervisor's settings.
    """

    def __init__(self, device: DeviceDescription, wearer_mass_kg: float | np.ndarray, config: SafetyConfig) -> None:
        self._device = device
        self.limits = TorqueLimits(device, wearer_mass_kg, config.velocity_taper_share)
        self.slew = SlewLimiter(np.broadcast_to(self.limits.slew, self.limits.cap.shape).copy(), config.period_s)
        self.thermal = ThermalBudget(device, self.limits.cap)
        #: By limit, which joints' torque it took a part of in the last call of `follow`.
        self.bites = dict.fromkeys(LIMITS, np.zeros(self.limits.cap.shape, dtype=bool))

    def restart(self, row: int, wearer_mass_kg: float, heat: float = 0.0) -> None:
        """Puts this one of n devices on somebody else (kg), with motors of this heat and no torque."""
        self.limits.cap[row] = self._device.torque_limits(wearer_mass_kg)
        self.slew.restart(row)
        self.thermal.restart(row, heat)

    def follow(
        self, command: np.ndarray, gain: np.ndarray | float, position: np.ndarray, velocity: np.ndarray
    ) -> np.ndarray:
        """Moves as far towards the command (Nm) as is allowed now. Returns the limited torque (Nm).

        Args:
            gain: of the assistance, 0 to 1, of one device or (n, 1).
            position, velocity: of the joints (rad, rad/s).
        """
        allowed = self.thermal.allowed()
        assisted = command * gain
        cool = np.clip(assisted, -allowed, allowed)
        *stages, target = self.limits.stages(cool, position, velocity)
        torque = self.slew.towards(target, *self.limits.bounds(position, velocity))
        left = [np.abs(stage) for stage in (command, assisted, cool, *stages, target)]
        least = BITE_SHARE * self.limits.cap
        lost = [before - after > least for before, after in zip(left[:-1], left[1:], strict=True)]
        # a cool motor is allowed the cap: what the cap takes is not counted as heat's
        lost[1], lost[2] = lost[1] & (allowed < self.limits.cap), lost[2] | (lost[1] & (allowed >= self.limits.cap))
        self.bites = dict(zip(LIMITS, (*lost, np.abs(target - torque) > least), strict=True))
        return torque


#: From this heat on the allowed torque falls from the cap, and is the continuous torque at 1.
TAPER_FROM = 0.8
#: More than the commands allow: the motor gives torque of its own accord. No torque is allowed, and it stops.
FAULT_HEAT = 1.2
#: A longer step between two states (s) tells nothing of the torque in between.
LONGEST_STEP_S = 0.5
#: An absurd reading counts as this heat, which is a number.
HOTTEST = 1e6


class ThermalBudget:
    """The i2t budget: how hot a motor's winding is by the torque it gave, when its own sensor lags or is missing.

    A winding's loss grows with the square of the current, hence of the torque, and heats it with one time constant:
    heat' = ((torque / continuous_torque)^2 - heat) / thermal_time_constant, with heat 1 where the continuous torque
    leads in the end. The allowed torque falls before heat reaches 1, so that no command can overheat a motor. Motors
    are cold at the start of the process.
    """

    def __init__(self, device: DeviceDescription, cap: np.ndarray) -> None:
        """cap: largest torque of a cold motor (Nm)."""
        joints = device.joints.values()
        self._names = device.joint_names
        self._cap = cap
        #: Infinite without a budget.
        self._continuous = np.array([joint.continuous_torque_nm or np.inf for joint in joints])
        self._time_constant = np.array([joint.thermal_time_constant_s for joint in joints])
        self._last_ns: int | None = None
        #: Share of the heat that continuous torque leads to.
        self.heat = np.zeros(np.shape(cap))

    def see(self, state: DeviceState, motor_torque: np.ndarray) -> Problem | None:
        """Takes in a new state and the last motor torque (Nm). Returns what must stop the device.

        The larger one of motor torque and applied torque heats.
        """
        step_s = 0.0 if self._last_ns is None else (state.stamp_ns - self._last_ns) / NANOSECONDS_PER_SECOND
        self._last_ns = state.stamp_ns
        self.advance(step_s, state.torque, motor_torque)
        if self.heat.max() < FAULT_HEAT:
            return None
        joint = int(self.heat.argmax())
        return Problem(
            Fault.OVER_TEMPERATURE,
            f"the motor of {self._names[joint]} has used up its i2t budget "
            f"({100.0 * self.heat[joint]:.0f} % of what {self._continuous[joint]:g} Nm make)",
        )

    def advance(self, step_s: float, applied: np.ndarray, motor_torque: np.ndarray) -> None:
        """Lets time (s) pass in which the motors gave the larger one of applied torque and motor torque (Nm)."""
        torque = np.maximum(np.nan_to_num(np.abs(applied), nan=0.0), np.abs(motor_torque))
        with np.errstate(over="ignore"):
            goal = np.minimum((torque / self._continuous) ** 2, HOTTEST)
        share = -np.expm1(-min(max(step_s, 0.0), LONGEST_STEP_S) / self._time_constant)
        self.heat = self.heat + share * (goal - self.heat)

    def restart(self, row: int, heat: float = 0.0) -> None:
        """Lets this one of n devices begin anew with motors of this heat."""
        self.heat[row] = heat

    def allowed(self) -> np.ndarray:
        """Largest torque (Nm) now: the cap while cool, the continuous torque when hot, none when too hot."""
        continuous = np.minimum(self._continuous, self._cap)
        left = np.clip((1.0 - self.heat) / (1.0 - TAPER_FROM), 0.0, 1.0)
        beyond = np.clip((FAULT_HEAT - self.heat) / (FAULT_HEAT - 1.0), 0.0, 1.0)
        return (continuous + left * (self._cap - continuous)) * beyond


class SlewLimiter:
    """Lets torque change by slew times elapsed time, saved up for one period at most.

    Several motor torques may answer one state (at its arrival, and when its command comes), all at the same ROS time. A
    plain difference limit would either forbid the second or allow each the full step; here each one spends from one
    allowance per joint, which time refills.
    """

    def __init__(self, slew_nm_per_s: np.ndarray, period_s: float) -> None:
        self._slew = slew_nm_per_s
        self._most = slew_nm_per_s * period_s
        self._allowance = self._most.copy()
        #: Last motor torque (Nm); shape (J,), of n devices (n, J).
        self.torque = np.zeros_like(slew_nm_per_s)

    def restart(self, row: int) -> None:
        """Lets this one of n devices begin anew without torque."""
        self.torque[row], self._allowance[row] = 0.0, self._most[row]

    def refill(self, elapsed_s: float) -> None:
        """Time has passed since the last refill."""
        self._allowance = np.minimum(self._allowance + self._slew * elapsed_s, self._most)

    def towards(self, target: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Moves as far towards target (Nm) as is allowed now, and returns where it got.

        Args:
            low, high: what range, speed and power allow now (Nm). Beyond them torque is gone at once, however large the
                step: comfort asks for slow changes, safety for quick ones.
        """
        step = np.clip(target - self.torque, -self._allowance, self._allowance)
        self._allowance = self._allowance - np.abs(step)
        self.torque = np.clip(self.torque + step, low, high)
        return self.torque

    def follow(self, torque: np.ndarray) -> None:
        """Takes over a motor torque (Nm) that was made elsewhere, as by a stopping ramp."""
        self._allowance = np.maximum(self._allowance - np.abs(torque - self.torque), 0.0)
        self.torque = torque


#: Less than this share of the torque is rounding of the line's end, and zero.
ROUNDING = 1e-9
#: ROS time counts for at most this many periods from one motor torque to the next: a leap of it is no passing of time.
LARGEST_ROS_STEP = 2.0


class StoppingRamp:
    """A straight line from the torque at the stop to zero, in bounded time whatever the clocks do.

    It reaches zero two periods before ramp_down_s is over: motor torques come one period apart, so the last one before
    the end of ramp_down_s is zero even when each is late by a period. Time passes as on the faster of the two clocks:
    with the simulator gone ROS time stands still, and a slow simulator is slower than the wall clock.
    """

    def __init__(self, config: SafetyConfig, torque: np.ndarray, start: Instant) -> None:
        self._start_torque = torque
        self._start = self._last = start
        self._elapsed_s = 0.0
        self._period_s = config.period_s
        self._span_s = config.ramp_down_s - config.period_s
        self._lockstep = config.lockstep
        self._silence_s = config.state_silence_s

    def torque(self, now: Instant) -> np.ndarray:
        """Torque (Nm) to give now; shape (J,). All zero from the end of the ramp on."""
        step_s = min(now.ros_since(self._last), LARGEST_ROS_STEP * self._period_s)
        simulator_is_gone = now.steady_since(self._start) >= self._silence_s
        if not self._lockstep or simulator_is_gone:
            step_s = max(step_s, now.steady_since(self._last))
        self._elapsed_s += step_s
        self._last = now
        left = 1.0 - (self._elapsed_s + self._period_s) / self._span_s
        if left <= ROUNDING:
            return np.zeros_like(self._start_torque)
        return self._start_torque * left
