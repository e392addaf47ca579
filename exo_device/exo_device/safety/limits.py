# SPDX-License-Identifier: Apache-2.0
"""How much torque each joint may get: the arithmetic between a requested torque and the one that motors are given.

Vectorised: arrays of one device have shape (J,) in the order of its joints, those of n devices of a kind (n, J).
"""

from __future__ import annotations

import numpy as np

from exo_device.description import DeviceDescription
from exo_device.safety.config import SafetyConfig
from exo_device.safety.slew import SlewLimiter
from exo_device.safety.thermal import ThermalBudget

#: What takes torque from a request, in the order in which it acts.
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
        #: min(device limit, limit per kg times wearer's mass) (Nm): never exceeded, whatever is asked.
        self.cap = (
            np.array(device.torque_limits(wearer_mass_kg))
            if np.ndim(wearer_mass_kg) == 0
            else np.array([device.torque_limits(float(mass)) for mass in wearer_mass_kg])
        )
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
        """Torque (Nm) that is left of the wanted one at this angle (rad) and speed (rad/s)."""
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


class RequestLimiter:
    """From a requested torque to the one that motors are given: everything of it but the decision to stop.

    The safety supervisor's arithmetic, which a training uses for many devices at once.

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
        """Of n devices, this one is put on somebody else (kg), with motors of this heat and no torque."""
        self.limits.cap[row] = self._device.torque_limits(wearer_mass_kg)
        self.slew.restart(row)
        self.thermal.restart(row, heat)

    def follow(
        self, requested: np.ndarray, gain: np.ndarray | float, position: np.ndarray, velocity: np.ndarray
    ) -> np.ndarray:
        """Moves as far towards the request (Nm) as is allowed now, and returns where it got.

        gain: of the assistance, 0 to 1, of one device or (n, 1). position, velocity: of the joints (rad, rad/s).
        """
        allowed = self.thermal.allowed()
        wanted = requested * gain
        cool = np.clip(wanted, -allowed, allowed)
        *stages, target = self.limits.stages(cool, position, velocity)
        torque = self.slew.towards(target, *self.limits.bounds(position, velocity))
        left = [np.abs(stage) for stage in (requested, wanted, cool, *stages, target)]
        least = BITE_SHARE * self.limits.cap
        lost = [before - after > least for before, after in zip(left[:-1], left[1:], strict=True)]
        # a cool motor is allowed the cap: what the cap takes is not counted as heat's
        lost[1], lost[2] = lost[1] & (allowed < self.limits.cap), lost[2] | (lost[1] & (allowed >= self.limits.cap))
        self.bites = dict(zip(LIMITS, (*lost, np.abs(target - torque) > least), strict=True))
        return torque
