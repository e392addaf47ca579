# SPDX-License-Identifier: Apache-2.0
"""The master of the motor bus: a cycle asks every motor and listens to the answers. No thread, no clock.

Torque comes from set(), in any thread; samples go to on_sample, in the thread that calls cycle(). The master
lowers the torque by itself when set() is not called for a while: the control loop above it may hang.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from exo_device.drivers.base import DriverError
from exo_device.drivers.cubemars_can.channel import Measurement, MotorChannel
from exo_device.drivers.cubemars_can.config import CubemarsConfig
from exo_device.drivers.cubemars_can.frame import Frame
from exo_device.drivers.cubemars_can.motor_fault import MotorFault
from exo_device.drivers.cubemars_can.port import CanPort, PortError
from exo_device.drivers.imu import ImuSource
from exo_device.state import DeviceState

SEQUENCE_WRAP = 2**32
#: The last words are said this many times: a frame may be lost.
FAREWELLS = 3
#: Frames taken in after a cycle's end, so that a late cycle still hears its answers and a flood does not
#: hold it up.
OVERTIME_FRAMES = 64


class BusMaster:
    """Motors of the given joints on one bus.

    steady_s, ros_ns: the clocks (s; ns of ROS time). on_sample: gets every complete sample.
    """

    def __init__(self, config: CubemarsConfig, joints: tuple[str, ...], port: CanPort, imu: ImuSource, *,
                 steady_s: Callable[[], float], ros_ns: Callable[[], int],
                 on_sample: Callable[[DeviceState], None]) -> None:
        self._config, self._port, self._imu = config, port, imu
        #: Order of the torques and of every sample.
        self.joints = joints
        self._steady_s, self._ros_ns, self._on_sample = steady_s, ros_ns, on_sample
        now_s = steady_s()
        self.channels = [MotorChannel(joint, config.motors[joint], now_s, config.plausibility)
                         for joint in joints]
        #: Why the motors cannot be used now; empty when they can.
        self.problem = ""
        #: Replies that no motor of this device should give.
        self.foreign_frames = 0
        #: Whether the motors are on.
        self.is_on = False
        self._lock = threading.Lock()
        self._torque, self._enable = [0.0] * len(joints), False
        self._set_s = now_s
        self._host_was_silent = False
        self._to_zero: list[str] = []
        self._cycles = 0
        self._sequence = -1
        self._sample_due = False
        self._sampled: list[Measurement | None] = [None] * len(joints)
        self._imu_problem = ""

    def set(self, torque: list[float], enable: bool) -> None:
        """Torque (Nm, joint side, in the order of joints) for the next cycles. Callable from any thread."""
        with self._lock:
            self._torque, self._enable = list(torque), enable
            self._set_s = self._steady_s()
            if not enable:
                self._host_was_silent = False

    def request_zero(self, joint: str) -> None:
        """Makes the present angle of this joint's motor its zero, in one of the next cycles. From any thread.

        Raises DriverError while the motors are on.
        """
        with self._lock:
            if self._enable or self.is_on:
                raise DriverError("a motor can only be zeroed while the motors are off")
            self._to_zero.append(joint)

    def cycle(self, until_s: float) -> None:
        """Asks every motor once, and listens until until_s (steady clock), or less where the bus is lost."""
        self._sample_due = self._sample_due or self._cycles % self._config.cycles_per_sample == 0
        self._cycles += 1
        self._imu_problem = ""
        not_sent, not_heard = self._ask(), self._listen(until_s)
        self.problem = not_sent or not_heard or self._silent_motors() or self._imu_problem

    def farewell(self) -> None:
        """Zero torque and off to every motor, as often as it takes; never raises."""
        self.is_on = False
        for _ in range(FAREWELLS):
            for channel in self.channels:
                for frame in channel.off_frames():
                    try:
                        self._port.send(frame)
                    except PortError:  # the next motor may still be reached
                        pass

    def _ask(self) -> str:
        now_s = self._steady_s()
        torque, enable = self._torque_for(now_s)
        self.is_on = enable
        with self._lock:
            to_zero, self._to_zero = self._to_zero, []
        trouble = ""
        for channel, value in zip(self.channels, torque):
            if channel.joint in to_zero and not enable:
                frames = [channel.zero_frame(now_s)]
            else:
                frames = channel.frames(value, enable, now_s)
            for frame in frames:
                try:
                    self._port.send(frame)
                except PortError as error:  # the next motor may still be reached
                    trouble = f"CAN bus '{self._config.channel}' does not take frames: {error}"
        return trouble

    def _torque_for(self, now_s: float) -> tuple[list[float], bool]:
        """What to ask for: as set, or less when the host has fallen silent with the motors on."""
        with self._lock:
            torque, enable, silence_s = self._torque, self._enable, now_s - self._set_s
            overdue_s = silence_s - self._config.host_timeout_s
            if enable and overdue_s > 0.0:
                self._host_was_silent = True
            was_silent = self._host_was_silent
        if not enable:
            for channel in self.channels:
                channel.clear_faults()
            return torque, False
        if not was_silent:
            return torque, True
        for channel in self.channels:
            channel.faults |= MotorFault.HOST_SILENT
        if overdue_s <= 0.0 or overdue_s >= self._config.host_ramp_s:
            return [0.0] * len(torque), False
        left = 1.0 - overdue_s / self._config.host_ramp_s
        return [value * left for value in torque], True

    def _listen(self, until_s: float) -> str:
        overtime = OVERTIME_FRAMES
        while overtime > 0:
            left_s = until_s - self._steady_s()
            try:
                frame = self._port.receive(max(left_s, 0.0))
            except PortError as error:
                return f"CAN bus '{self._config.channel}' is lost: {error}"
            if frame is not None:
                self._sort(frame)
            elif left_s <= 0.0:
                break
            overtime -= left_s <= 0.0
        return ""

    def _sort(self, frame: Frame) -> None:
        now_s, now_ns = self._steady_s(), self._ros_ns()
        if not any(channel.take(frame, now_s, now_ns) for channel in self.channels):
            if not any(channel.is_echo(frame) for channel in self.channels):
                self.foreign_frames += 1
        elif self._sample_due:
            self._try_to_sample()

    def _try_to_sample(self) -> None:
        newest = [channel.newest for channel in self.channels]
        if any(new is None or new is old for new, old in zip(newest, self._sampled)):
            return
        try:
            imu = self._imu.newest()
        except DriverError as error:
            self._imu_problem = str(error)
            return
        self._sample_due = False
        self._sampled = newest
        self._sequence = (self._sequence + 1) % SEQUENCE_WRAP

        def of(field: str) -> np.ndarray:
            return np.array([getattr(measurement, field) for measurement in newest])

        self._on_sample(DeviceState(
            stamp_ns=min(measurement.ros_ns for measurement in newest), sequence=self._sequence,
            names=self.joints, position=of("position"), velocity=of("velocity"), torque=of("torque"),
            temperature=of("temperature"),
            error=np.array([channel.error for channel in self.channels]), bus_voltage=float("nan"), imu=imu))

    def _silent_motors(self) -> str:
        now_s = self._steady_s()
        silent = [f"{channel.joint} (id {channel.id})" for channel in self.channels
                  if channel.silence_s(now_s) > self._config.reply_timeout_s]
        if not silent:
            return ""
        return (f"no answer on CAN bus '{self._config.channel}' from the motor of {', '.join(silent)}; check "
                "power, wiring, id and firmware")
