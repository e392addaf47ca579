# SPDX-License-Identifier: Apache-2.0
"""Settings of the driver `odrive_can`: the bus, and each axis."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from exo_device.drivers.can.config import CanConfig, Finite, Positive, Settings
from exo_device.drivers.odrive_can.codec import HIGHEST_NODE


class AxisConfig(Settings):
    """One axis and how its motor drives the joint."""

    #: `axis0.config.can.node_id` of the ODrive.
    node_id: Annotated[int, Field(ge=0, le=HIGHEST_NODE)]
    #: +1 when the motor turns forward as the joint's angle grows, else -1.
    sign: Literal[1, -1]
    #: Joint angle (rad) where the ODrive reports zero turns.
    joint_offset_rad: Finite = 0.0
    #: Turns of the motor per turn of the joint.
    gear_ratio: Positive = 1.0


class ODriveConfig(CanConfig):
    """A CAN bus with ODrives, each set to send its encoder estimates by itself (100 Hz or more)."""

    #: Torque is sent this often (Hz). It also feeds the ODrive's watchdog.
    bus_rate_hz: Annotated[float, Field(ge=50.0, le=1000.0)] = 200.0
    #: By joint, named as in the device description.
    axes: Annotated[dict[str, AxisConfig], Field(min_length=1)]

    @model_validator(mode="after")
    def _ids_differ(self) -> ODriveConfig:
        taken: dict[int, str] = {}
        for joint, axis in self.axes.items():
            if axis.node_id in taken:
                raise ValueError(f"axes of {taken[axis.node_id]} and {joint} have the same node_id {axis.node_id}")
            taken[axis.node_id] = joint
        return self
