# SPDX-License-Identifier: Apache-2.0
"""One axis as the bus thread sees it: what to send it, and what it said last. Joint side, except frames."""

from __future__ import annotations

import math

from exo_device.drivers.can.frame import Frame
from exo_device.drivers.can.motor import CanMotor, Measurement
from exo_device.drivers.odrive_can import codec
from exo_device.drivers.odrive_can.codec import AxisState, Command
from exo_device.drivers.odrive_can.config import AxisConfig

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
