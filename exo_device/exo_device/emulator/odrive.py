# SPDX-License-Identifier: Apache-2.0
"""An emulated ODrive axis: what it does with frames, and what it sends. No clock, no thread."""

from __future__ import annotations

import math
import struct

from exo_device.drivers.can.frame import Frame
from exo_device.drivers.odrive_can import codec
from exo_device.drivers.odrive_can.codec import AxisState, Command
from exo_device.drivers.odrive_can.config import AxisConfig

TURN_RAD = 2.0 * math.pi


class EmulatedAxis:
    """Joint side: rad, rad/s, Nm."""

    def __init__(self, config: AxisConfig) -> None:
        self._config = config
        self.state = AxisState.IDLE
        self.error = 0
        self.position = self.velocity = 0.0
        self.temperature, self.voltage = 25.0, 48.0
        self._mode: tuple[int, int] | None = None
        self._asked = 0.0

    @property
    def is_on(self) -> bool:
        """Whether torque is given as it is asked for."""
        return self.state == AxisState.CLOSED_LOOP_CONTROL and self._mode == (1, 1)

    @property
    def torque(self) -> float:
        """Torque at the joint (Nm)."""
        return self._asked * self._config.sign * self._config.gear_ratio if self.is_on else 0.0

    def on_frame(self, frame: Frame) -> None:
        """Obeys a frame that is for this axis."""
        address = codec.address_of(frame)
        if address is None or address[0] != self._config.node_id:
            return
        command = address[1]
        if command == Command.SET_AXIS_STATE:
            wanted = struct.unpack_from("<I", frame.data)[0]
            self.state = AxisState.IDLE if self.error else wanted
        elif command == Command.SET_CONTROLLER_MODE:
            self._mode = struct.unpack_from("<II", frame.data)
        elif command == Command.SET_INPUT_TORQUE:
            self._asked = struct.unpack_from("<f", frame.data)[0]

    def heartbeat(self) -> Frame:
        """As it comes ten times a second."""
        return self._frame(Command.HEARTBEAT, struct.pack("<IBBBx", self.error, self.state, 0, 0))

    def report(self) -> list[Frame]:
        """Everything it sends by itself; encoder estimates last."""
        config = self._config
        motor = config.sign * config.gear_ratio
        turns = (self.position - config.joint_offset_rad) * motor / TURN_RAD
        shaft = self._asked if self.is_on else 0.0
        return [
            self.heartbeat(),
            self._frame(Command.GET_TORQUES, struct.pack("<ff", shaft, shaft)),
            self._frame(Command.GET_TEMPERATURE, struct.pack("<ff", self.temperature, self.temperature)),
            self._frame(Command.GET_BUS_VOLTAGE_CURRENT, struct.pack("<ff", self.voltage, 0.0)),
            self._frame(Command.GET_ENCODER_ESTIMATES,
                        struct.pack("<ff", turns, self.velocity * motor / TURN_RAD)),
        ]

    def _frame(self, command: Command, data: bytes) -> Frame:
        return codec.frame_of(self._config.node_id, command, data)
