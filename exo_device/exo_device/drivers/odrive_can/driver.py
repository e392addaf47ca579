# SPDX-License-Identifier: Apache-2.0
"""Driver of ODrives on a CAN bus (CANSimple).

SIGKILL: the ODrive's own watchdog must switch the motor off (`axis0.config.enable_watchdog`, 0.1 s), which
every torque frame feeds. docs/bench.md says how to set an ODrive up.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field, model_validator

from exo_device.drivers.base import DriverError, Offset, Settings
from exo_device.drivers.can.bus import CanConfig, CanMaster, CanMotor, Measurement
from exo_device.drivers.can.driver import CanDriver
from exo_device.drivers.can.port import CanPort, Frame
from exo_device.drivers.imu import ImuSource
from exo_device.drivers.odrive_can import codec
from exo_device.drivers.odrive_can.codec import HIGHEST_NODE, AxisState, Command
from exo_device.state import DeviceState


class AxisConfig(Settings):
    """One axis and how its motor drives the joint."""

    #: `axis0.config.can.node_id` of the ODrive.
    node_id: Annotated[int, Field(ge=0, le=HIGHEST_NODE)]
    #: +1 when the motor turns forward as the joint's angle grows, else -1.
    sign: Literal[1, -1]
    #: Joint angle (rad) where the ODrive reports zero turns.
    joint_offset_rad: Offset = 0.0
    #: Turns of the motor per turn of the joint.
    gear_ratio: Annotated[float, Field(ge=0.1, le=200.0)] = 1.0


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


TURN_RAD = 2.0 * math.pi
#: The request to switch on or off is repeated this often (s): a frame may be lost.
REPEAT_S = 0.1
#: An axis that says later than this (s) after the request that it gives no torque has refused it.
START_S = 0.5
#: Found by the driver, above ODrive's own codes (its highest bit is 30): the axis is to be on and is not,
#: because it says so, or because the bus thread has switched it off while the device node was silent.
NOT_ON = 1 << 31


class Axis(CanMotor):
    """State of one axis on the bus."""

    def __init__(self, joint: str, config: AxisConfig, now_s: float) -> None:
        self.joint, self.address = joint, f"node {config.node_id}"
        self._node = config.node_id
        self._sign, self._ratio, self._offset = config.sign, config.gear_ratio, config.joint_offset_rad
        #: Measured (Nm); what was asked for where the ODrive is not set to send it.
        self.torque = 0.0
        self.temperature = self.bus_voltage = math.nan
        self._heard_s = now_s
        self._error = 0
        self._on_since_s: float | None = None
        self._request_due_s = now_s
        self._measures_torque = self._was_left_alone = False

    def motor_torque(self, joint_nm: float) -> float:
        """Torque of the motor's shaft for this one at the joint (Nm)."""
        return self._sign * joint_nm / self._ratio

    def applied_torque(self, joint_nm: float) -> float:
        """Joint torque (Nm) that a frame carries when asked for this one."""
        return self._sign * self._ratio * codec.torque_as_sent(self.motor_torque(joint_nm))

    def frames(self, torque: float, enable: bool, now_s: float) -> list[Frame]:
        """What to send in this cycle. Torque is always sent: it feeds the ODrive's watchdog."""
        if enable != (self._on_since_s is not None):
            self._on_since_s = now_s if enable else None
            self._request_due_s = now_s
        torque = torque if enable else 0.0
        if not self._measures_torque:
            self.torque = torque
        frames = [codec.set_torque(self._node, self.motor_torque(torque))]
        if now_s >= self._request_due_s:
            self._request_due_s = now_s + REPEAT_S
            state = AxisState.CLOSED_LOOP_CONTROL if enable else AxisState.IDLE
            frames += [codec.set_torque_mode(self._node)] * enable + [codec.set_state(self._node, state)]
        return frames

    def off_frames(self) -> list[Frame]:
        """The last words to this axis."""
        return [codec.set_torque(self._node, 0.0), codec.set_state(self._node, AxisState.IDLE)]

    def take(self, frame: Frame, now_s: float, now_ns: int) -> bool:
        """Takes in a frame of this axis. One that is too short or of no interest changes nothing."""
        address = codec.address_of(frame)
        if address is None or address[0] != self._node:
            return False
        command, pair = address[1], codec.floats_of(frame.data)
        if command == Command.HEARTBEAT:
            self._take_heartbeat(codec.heartbeat_of(frame.data), now_s)
        elif pair is not None:
            self._take_pair(command, pair, now_s, now_ns)
        return True

    def _take_pair(self, command: int, pair: tuple[float, float], now_s: float, now_ns: int) -> None:
        if command == Command.GET_ENCODER_ESTIMATES:
            self._heard_s = now_s
            self.newest = Measurement(
                now_s,
                now_ns,
                self._sign * TURN_RAD * pair[0] / self._ratio + self._offset,
                self._sign * TURN_RAD * pair[1] / self._ratio,
                self.torque,
                self.temperature,
                self.bus_voltage,
                self._error,
            )
        elif command == Command.GET_TORQUES:
            self._measures_torque = True
            self.torque = self._sign * pair[1] * self._ratio
        elif command == Command.GET_TEMPERATURE:
            known = [value for value in pair if math.isfinite(value)]
            self.temperature = max(known) if known else math.nan
        elif command == Command.GET_BUS_VOLTAGE_CURRENT:
            self.bus_voltage = pair[0]

    def _take_heartbeat(self, heartbeat: codec.Heartbeat | None, now_s: float) -> None:
        if heartbeat is None:
            return
        is_late = self._on_since_s is not None and now_s - self._on_since_s > START_S
        is_off = heartbeat.state != AxisState.CLOSED_LOOP_CONTROL
        self._error = heartbeat.error | (NOT_ON if is_late and is_off else 0)

    def host_fell_silent(self) -> None:
        self._was_left_alone = True

    def switched_off(self) -> None:
        self._was_left_alone = False

    @property
    def error(self) -> int:
        """ODrive's Axis_Error, and NOT_ON."""
        return self._error | (NOT_ON if self._was_left_alone else 0)

    def silence_s(self, now_s: float) -> float:
        """Time (s) since its last encoder estimates, or since the beginning."""
        return now_s - self._heard_s


class ODriveMaster(CanMaster):
    """Axes of the given joints; further arguments as of CanMaster."""

    advice = "check power, wiring, node_id and encoder_msg_rate_ms"
    motors: list[Axis]

    def __init__(
        self,
        config: ODriveConfig,
        joints: tuple[str, ...],
        port: CanPort,
        imu: ImuSource,
        *,
        steady_s: Callable[[], float],
        ros_ns: Callable[[], int],
        on_sample: Callable[[DeviceState], None],
    ) -> None:
        now_s = steady_s()
        axes = [Axis(joint, config.axes[joint], now_s) for joint in joints]
        super().__init__(config, axes, port, imu, steady_s=steady_s, ros_ns=ros_ns, on_sample=on_sample)


class ODriveDriver(CanDriver):
    """ODrives. A thread of its own sends torque at the bus rate, and listens."""

    name = "odrive_can"
    config: ODriveConfig
    master: ODriveMaster

    def _check_joints(self, joint_names: tuple[str, ...]) -> None:
        for name in joint_names:
            if name not in self.config.axes:
                raise DriverError(
                    f"driver 'odrive_can' has no axis for {name}; its configuration has {', '.join(self.config.axes)}"
                )

    def _make_master(self, joint_names: tuple[str, ...], port: CanPort) -> ODriveMaster:
        return ODriveMaster(
            self.config,
            joint_names,
            port,
            self._imu,
            steady_s=self._steady_s,
            ros_ns=self._ros_ns,
            on_sample=self._on_sample,
        )
