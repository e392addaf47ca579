# SPDX-License-Identifier: Apache-2.0
"""How much torque each joint may get in its present state. Vectorised over joints, without memory."""

from __future__ import annotations

import numpy as np

from exo_device.description import DeviceDescription


class TorqueLimits:
    """Limits of one device on one wearer; arrays have shape (J,) in the order of names.

    Raises DeviceError for a wearer's mass out of range.
    """

    def __init__(self, device: DeviceDescription, wearer_mass_kg: float, velocity_taper_share: float) -> None:
        joints = list(device.joints.values())
        self.names = device.joint_names
        #: min(device limit, limit per kg times wearer's mass) (Nm): never exceeded, whatever is asked.
        self.cap = np.array(device.torque_limits(wearer_mass_kg))
        #: Nm/s.
        self.slew = np.array([joint.slew_limit_nm_per_s for joint in joints])
        self.velocity = np.array([joint.velocity_limit_rad_s for joint in joints])
        self.power = np.array([joint.power_limit_w for joint in joints])
        self.low = np.array([joint.range_rad[0] for joint in joints])
        self.high = np.array([joint.range_rad[1] for joint in joints])
        self.temperature = device.temperature_limit_c
        self._taper = np.array([joint.taper_rad for joint in joints])
        self._velocity_taper_share = velocity_taper_share

    def shape(self, torque: np.ndarray, position: np.ndarray, velocity: np.ndarray) -> np.ndarray:
        """Torque (Nm) that is left of the wanted one at this angle (rad) and speed (rad/s)."""
        capped = np.clip(torque, -self.cap, self.cap)
        tapered = capped * self.range_gain(capped, position) * self.velocity_gain(capped, velocity)
        most = self.power_cap(velocity)
        return np.clip(tapered, -most, most)

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
