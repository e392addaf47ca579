# SPDX-License-Identifier: Apache-2.0
"""Settings of the driver `ros2_control`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from exo_device.drivers.imu import ImuConfig


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ControlledJoint(_Model):
    """A joint of the controller_manager that drives one of the device's joints."""

    #: Its name there.
    name: str
    #: +1 when both angles grow together, else -1.
    sign: Literal[1, -1] = 1
    #: Our angle (rad) where theirs is zero.
    offset_rad: Annotated[float, Field(allow_inf_nan=False)] = 0.0


class Ros2ControlConfig(_Model):
    """Where the controllers are, and what they call the joints."""

    #: Name of a forward_command_controller with `interface_name: effort`.
    controller: str = "forward_effort_controller"
    #: Topic that it takes efforts from; empty: <controller>/commands.
    command_topic: str = ""
    #: Topic of the joint_state_broadcaster; every message must carry all of the device's joints.
    state_topic: str = "joint_states"
    #: By joint of the device; a joint that is not listed has the same name and sign there.
    joints: dict[str, ControlledJoint] = Field(default_factory=dict)
    #: The controller's joints in its own order. Empty: the controller is asked for its parameter `joints`.
    command_order: tuple[str, ...] = ()
    #: How long to wait for that answer (s).
    answer_timeout_s: Annotated[float, Field(gt=0.0, le=60.0)] = 5.0
    #: False: the hardware measures no effort, and the torque last asked for stands in.
    measures_effort: bool = True
    #: Where the IMU is.
    imu: ImuConfig = ImuConfig()
    #: Name of the ROS node that holds the topics; namespace empty: as the process's ROS arguments say.
    node_name: str = "device_ros2_control"
    namespace: str = ""

    @property
    def topic(self) -> str:
        """command_topic with its default resolved."""
        return self.command_topic or f"{self.controller}/commands"

    def joint(self, name: str) -> ControlledJoint:
        """What a joint of the device is there."""
        return self.joints.get(name) or ControlledJoint(name=name)
