# SPDX-License-Identifier: Apache-2.0
"""Driver `cubemars_can` and emulated motors within one thread, in a time of their own: repeatable exactly.

For tests of what happens when, and for running a control loop against emulated motors as fast as it goes.
"""

from __future__ import annotations

from exo_core.time import to_ns
from exo_device.drivers.can.bus import BusThread, CanMaster
from exo_device.drivers.can.port import CanPort, Frame, PortError
from exo_device.drivers.cubemars_can.config import CubemarsConfig
from exo_device.drivers.cubemars_can.driver import CubemarsDriver
from exo_device.drivers.imu import ImuSource
from exo_device.emulator.motor import EmulatedBus
from exo_device.signals import DeviceState

#: ROS time when the clock stands at zero (ns); any number but zero shows who mixes the two up.
ROS_EPOCH_NS = 1_000_000_000_000


class MadeClock:
    """Steady and ROS time that pass only when they are told to."""

    def __init__(self, start_s: float = 0.0) -> None:
        self.now_s = start_s

    def steady_s(self) -> float:
        """Steady time (s)."""
        return self.now_s

    def steady_ns(self) -> int:
        """Steady time (ns)."""
        return to_ns(self.now_s)

    def ros_ns(self) -> int:
        """ROS time (ns)."""
        return ROS_EPOCH_NS + to_ns(self.now_s)


class EmulatorPort(CanPort):
    """The driver's end of an emulated bus. Waiting for a frame lets time pass."""

    def __init__(self, bus: EmulatedBus, clock: MadeClock) -> None:
        self._bus, self._clock = bus, clock
        #: The adapter has left the bus: nothing goes out and nothing comes in.
        self.is_lost = False

    def send(self, frame: Frame) -> None:
        if self.is_lost:
            raise PortError("bus-off")
        self._bus.on_frame(frame, self._clock.now_s)

    def receive(self, timeout_s: float) -> Frame | None:
        end_s = self._clock.now_s + timeout_s
        if self.is_lost:
            self._clock.now_s = end_s
            self._bus.advance(end_s)
            raise PortError("bus-off")
        due_s = self._bus.next_due_s()
        self._clock.now_s = end_s if due_s is None else min(end_s, max(due_s, self._clock.now_s))
        frame = self._bus.pop_one(self._clock.now_s)
        if frame is None:
            self._bus.advance(end_s)
        return frame

    def close(self) -> None:
        pass


class _NoThread(BusThread):
    """Stands in for the bus thread: cycles are run by hand."""

    def start(self) -> None:
        pass

    def stop(self) -> bool:
        self._master.farewell()
        return True


class SteppedCubemarsDriver(CubemarsDriver):
    """The same driver, whose bus runs while somebody waits in read()."""

    def __init__(
        self, config: CubemarsConfig, bus: EmulatedBus, clock: MadeClock, imu: ImuSource | None = None
    ) -> None:
        self.port = EmulatorPort(bus, clock)
        super().__init__(
            config.model_copy(update={"guardian": "none", "unguarded": True}),
            port_factory=lambda _: self.port,
            imu=imu,
            steady_s=clock.steady_s,
            ros_ns=clock.ros_ns,
        )

    def _make_runner(self, master: CanMaster) -> BusThread:
        return _NoThread(master, self.config.bus_rate_hz, self._after_cycle)

    def read(self, timeout_s: float) -> DeviceState | None:
        master, _ = self._ready()
        end_s = self._steady_s() + timeout_s
        while self._newest is None and self._steady_s() < end_s and not self._woken:
            master.cycle(self._steady_s() + 1.0 / self.config.bus_rate_hz)
            if self._problem():
                break
        return super().read(0.0)
