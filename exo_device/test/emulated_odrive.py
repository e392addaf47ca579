# SPDX-License-Identifier: Apache-2.0
"""Emulated ODrive axes: what they do with frames, and what they send."""

from __future__ import annotations

import math
import struct
import threading
import time
from collections.abc import Mapping

from exo_device.drivers import odrive_can
from exo_device.drivers.can.port import CanPort, Frame, PortError
from exo_device.drivers.odrive_can import AxisConfig, AxisState, Command
from exo_device.emulator.motor import Mechanics

TURN_RAD = 2.0 * math.pi
#: Everything is sent this often (s), as docs/bench.md asks for the encoder estimates.
REPORT_PERIOD_S = 0.01
#: An ODrive whose watchdog is on, as docs/bench.md asks for, is off after this time (s) without a torque.
WATCHDOG_S = 0.1


class EmulatedAxis:
    """One axis, joint side: rad, rad/s, Nm. No clock, no thread."""

    def __init__(self, config: AxisConfig) -> None:
        self._config = config
        self.state = AxisState.IDLE
        self.error = 0
        self.position = self.velocity = 0.0
        self.temperature, self.voltage = 25.0, 48.0
        #: Values of parameters by their number (flat_endpoints.json), and the answers to who has asked for them.
        self.parameters: dict[int, bytes] = {}
        self._answers: list[Frame] = []
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

    def on_frame(self, frame: Frame) -> bool:
        """Obeys a frame that is for this axis. Returns whether it feeds the watchdog: it is a torque."""
        address = odrive_can.address_of(frame)
        if address is None or address[0] != self._config.node_id:
            return False
        command = address[1]
        if command == Command.SET_AXIS_STATE:
            wanted = struct.unpack_from("<I", frame.data)[0]
            self.state = AxisState.IDLE if self.error else wanted
        elif command == Command.SET_CONTROLLER_MODE:
            self._mode = struct.unpack_from("<II", frame.data)
        elif command == Command.SET_INPUT_TORQUE:
            self._asked = struct.unpack_from("<f", frame.data)[0]
        elif command == Command.READ_PARAMETER:
            opcode, endpoint = struct.unpack_from("<BH", frame.data)
            if opcode == odrive_can.READ and endpoint in self.parameters:
                answer = struct.pack("<xHx", endpoint) + self.parameters[endpoint]
                self._answers.append(self._frame(Command.PARAMETER, answer))
        return command == Command.SET_INPUT_TORQUE

    def heartbeat(self) -> Frame:
        """As it comes ten times a second."""
        return self._frame(Command.HEARTBEAT, struct.pack("<IBBBx", self.error, self.state, 0, 0))

    def report(self) -> list[Frame]:
        """Everything it sends by itself; encoder estimates last."""
        config = self._config
        motor = config.sign * config.gear_ratio
        turns = (self.position - config.joint_offset_rad) * motor / TURN_RAD
        shaft = self._asked if self.is_on else 0.0
        answers, self._answers = self._answers, []
        return [
            *answers,
            self.heartbeat(),
            self._frame(Command.GET_TORQUES, struct.pack("<ff", shaft, shaft)),
            self._frame(Command.GET_TEMPERATURE, struct.pack("<ff", self.temperature, self.temperature)),
            self._frame(Command.GET_BUS_VOLTAGE_CURRENT, struct.pack("<ff", self.voltage, 0.0)),
            self._frame(Command.GET_ENCODER_ESTIMATES, struct.pack("<ff", turns, self.velocity * motor / TURN_RAD)),
        ]

    def _frame(self, command: Command, data: bytes) -> Frame:
        return odrive_can.frame_of(self._config.node_id, command, data)


def serve_axes(
    axes: Mapping[str, EmulatedAxis], turned: Mapping[str, Mechanics], port: CanPort, stop: threading.Event
) -> None:
    """Axes by joint, and what they turn, on a bus and in real time until stop is set."""
    before_s = due_s = time.monotonic()
    fed_s = dict.fromkeys(axes, before_s)
    while not stop.is_set():
        try:
            frame = port.receive(max(due_s - time.monotonic(), 0.0))
            now_s = time.monotonic()
            for joint, axis in axes.items():
                if frame is not None and axis.on_frame(frame):
                    fed_s[joint] = now_s
                if now_s - fed_s[joint] > WATCHDOG_S:
                    axis.state = AxisState.IDLE
                turned[joint].advance(now_s - before_s, axis.torque)
                axis.position, axis.velocity = turned[joint].position, turned[joint].velocity
            before_s = now_s
            if now_s >= due_s:
                due_s = now_s + REPORT_PERIOD_S
                for axis in axes.values():
                    for said in axis.report():
                        port.send(said)
        except PortError:  # it may be back in a moment
            stop.wait(REPORT_PERIOD_S)
