# SPDX-License-Identifier: Apache-2.0
"""A cycle of the bus: torque to every axis, then listening. No thread, no clock. See cubemars_can.bus_thread.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

import numpy as np

from exo_device.drivers.base import DriverError
from exo_device.drivers.cubemars_can.port import CanPort, PortError
from exo_device.drivers.imu import ImuSource
from exo_device.drivers.odrive_can import codec
from exo_device.drivers.odrive_can.axis import Axis
from exo_device.drivers.odrive_can.config import ODriveConfig
from exo_device.state import DeviceState

SEQUENCE_WRAP = 2**32
#: The last words are said this many times: a frame may be lost.
FAREWELLS = 3
#: Frames taken in after a cycle's end: a flood must not hold it up.
OVERTIME_FRAMES = 64


class ODriveMaster:
    """Axes of the given joints on one bus; arguments as of cubemars_can.master.BusMaster."""

    def __init__(self, config: ODriveConfig, joints: tuple[str, ...], port: CanPort, imu: ImuSource, *,
                 steady_s: Callable[[], float], ros_ns: Callable[[], int],
                 on_sample: Callable[[DeviceState], None]) -> None:
        self._config, self._port, self._imu = config, port, imu
        self.joints = joints
        self._steady_s, self._ros_ns, self._on_sample = steady_s, ros_ns, on_sample
        now_s = steady_s()
        self.axes = [Axis(joint, config.axes[joint], now_s) for joint in joints]
        self._by_node = {axis.node: axis for axis in self.axes}
        #: Why the motors cannot be used now; empty when they can.
        self.problem = ""
        #: Whether the axes are asked to be on.
        self.is_on = False
        self._lock = threading.Lock()
        self._torque, self._enable, self._set_s = [0.0] * len(joints), False, now_s
        self._sampled = [0] * len(joints)
        self._sequence = -1
        self._imu_problem = ""

    def set(self, torque: list[float], enable: bool) -> None:
        """Torque (Nm, joint side, in the order of joints) for the next cycles. Callable from any thread."""
        with self._lock:
            self._torque, self._enable, self._set_s = list(torque), enable, self._steady_s()

    def cycle(self, until_s: float) -> None:
        """Sends torque to every axis, and listens until until_s (steady clock)."""
        self._imu_problem = ""
        not_sent, not_heard = self._send(), self._listen(until_s)
        self.problem = not_sent or not_heard or self._silent_axes() or self._imu_problem

    def farewell(self) -> None:
        """Zero torque and off to every axis; never raises."""
        self.is_on = False
        for _ in range(FAREWELLS):
            for axis in self.axes:
                for frame in axis.off_frames():
                    try:
                        self._port.send(frame)
                    except PortError:  # the next axis may still be reached
                        pass

    def _send(self) -> str:
        now_s = self._steady_s()
        with self._lock:
            torque, enable, silence_s = self._torque, self._enable, now_s - self._set_s
        enable = enable and silence_s <= self._config.host_timeout_s  # the device node hangs
        self.is_on = enable
        trouble = ""
        for axis, value in zip(self.axes, torque):
            for frame in axis.frames(value, enable, now_s):
                try:
                    self._port.send(frame)
                except PortError as error:
                    trouble = f"CAN bus '{self._config.channel}' does not take frames: {error}"
        return trouble

    def _listen(self, until_s: float) -> str:
        overtime = OVERTIME_FRAMES
        while overtime > 0:
            left_s = until_s - self._steady_s()
            try:
                frame = self._port.receive(max(left_s, 0.0))
            except PortError as error:
                return f"CAN bus '{self._config.channel}' is lost: {error}"
            if frame is not None:
                address = codec.address_of(frame)
                if address is not None and address[0] in self._by_node:
                    self._by_node[address[0]].take(address[1], frame.data, self._steady_s(), self._ros_ns())
                    self._try_to_sample()
            elif left_s <= 0.0:
                break
            overtime -= left_s <= 0.0
        return ""

    def _try_to_sample(self) -> None:
        """A sample is complete once every axis has sent new estimates."""
        if any(axis.estimates == old for axis, old in zip(self.axes, self._sampled)):
            return
        try:
            imu = self._imu.newest()
        except DriverError as error:
            self._imu_problem = str(error)
            return
        self._sampled = [axis.estimates for axis in self.axes]
        self._sequence = (self._sequence + 1) % SEQUENCE_WRAP

        def of(field: str) -> np.ndarray:
            return np.array([getattr(axis, field) for axis in self.axes])

        voltages = [axis.bus_voltage for axis in self.axes if math.isfinite(axis.bus_voltage)]
        self._on_sample(DeviceState(
            stamp_ns=min(axis.stamp_ns for axis in self.axes), sequence=self._sequence, names=self.joints,
            position=of("position"), velocity=of("velocity"), torque=of("torque"),
            temperature=of("temperature"), error=of("error"),
            bus_voltage=min(voltages) if voltages else math.nan, imu=imu))

    def _silent_axes(self) -> str:
        now_s = self._steady_s()
        silent = [f"{axis.joint} (node {axis.node})" for axis in self.axes
                  if axis.silence_s(now_s) > self._config.reply_timeout_s]
        if not silent:
            return ""
        return (f"no encoder estimates on CAN bus '{self._config.channel}' from the axis of "
                f"{', '.join(silent)}; check power, wiring, node_id and encoder_msg_rate_ms")
