# SPDX-License-Identifier: Apache-2.0
"""A new torque does not wait for the bus's next cycle, and does not flood the bus either."""

import os
import threading
import time
from pathlib import Path

import pytest

from exo_device.drivers import DriverError, make_driver
from exo_device.drivers.can.port import Frame, PythonCanPort
from exo_device.drivers.config_file import read_driver_config
from exo_device.drivers.cubemars_can.driver import BusMaster
from exo_device.drivers.imu import FixedImu
from exo_device.emulator import EmulatedBus, Followed
from exo_device.emulator.in_process import EmulatorPort, MadeClock

EXAMPLE = Path(__file__).resolve().parents[1] / "exo_device" / "config" / "drivers" / "cubemars_example.yaml"
CYCLE_S, STEP_S, PATIENCE_S = 0.005, 0.0005, 20.0


class BusyPort(EmulatorPort):
    """Between two looks at the bus the control loop may speak: `say` is called at every step of time."""

    say = None

    def receive(self, timeout_s: float) -> Frame | None:
        frame = super().receive(min(timeout_s, STEP_S))
        if self.say:
            self.say()
        return frame


class Bench:
    """Four motors at 200 Hz, samples at 100 Hz."""

    def __init__(self, **changes) -> None:
        settings = {
            **read_driver_config(EXAMPLE, "cubemars_can"),
            "interface": "virtual",
            "bus_rate_hz": 1.0 / CYCLE_S,
            "host_timeout_s": 5.0,
            **changes,
        }
        config = make_driver("cubemars_can", settings).config
        self.clock, self.samples = MadeClock(10.0), 0
        self.bus = EmulatedBus(config, lambda joint: Followed())
        self.port = BusyPort(self.bus, self.clock)
        self.master = BusMaster(
            config,
            tuple(config.motors),
            self.port,
            FixedImu(),
            steady_s=self.clock.steady_s,
            ros_ns=self.clock.ros_ns,
            on_sample=self._sampled,
        )
        self.motors = list(self.bus.motors.values())
        self.set(1.0)
        for _ in range(6):
            self.cycle()
        assert self.torques() == pytest.approx([1.0] * 4, abs=0.04)

    def _sampled(self, _) -> None:
        self.samples += 1

    def set(self, torque: float, enable: bool = True) -> None:
        self.master.set([torque] * 4, enable)

    def cycle(self) -> None:
        end_s = self.clock.now_s + CYCLE_S
        self.master.cycle(end_s)
        assert self.clock.now_s == pytest.approx(end_s, abs=STEP_S)  # cycles keep their time

    def torques(self) -> list[float]:
        return [motor.torque for motor in self.motors]

    def set_points(self) -> int:
        return sum(motor.commands for motor in self.motors)


@pytest.fixture
def bench():
    return Bench()


def test_a_new_torque_goes_out_within_the_cycle(bench):
    seen = []

    def say() -> None:
        if not seen:
            bench.set(5.0)
        seen.append(bench.torques())

    bench.port.say = say
    bench.cycle()
    assert seen[0] == pytest.approx([1.0] * 4, abs=0.04)
    assert seen[1] == pytest.approx([5.0] * 4, abs=0.04)


def test_motors_are_switched_off_within_the_cycle(bench):
    seen = []

    def say() -> None:
        if not seen:
            bench.set(0.0, enable=False)
        seen.append([motor.is_on for motor in bench.motors])

    bench.port.say = say
    bench.cycle()
    assert seen[1] == [False] * 4 and not bench.master.is_on


def test_the_same_torque_again_costs_no_frames(bench):
    before = bench.set_points()
    bench.port.say = lambda: bench.set(1.0)
    bench.cycle()
    assert bench.set_points() - before == len(bench.motors)


def test_however_often_torque_changes_the_bus_carries_one_set_point_more_a_sample(bench):
    count, cycles, samples, before = 0, 40, bench.samples, bench.set_points()

    def say() -> None:
        nonlocal count
        count += 1
        bench.set(1.0 + 0.1 * (count % 20))

    bench.port.say = say
    for _ in range(cycles):
        bench.cycle()
    extra = (bench.set_points() - before) / len(bench.motors) - cycles
    assert count > 300
    assert 0 < extra <= bench.samples - samples + 1


def test_of_a_ros_time_that_comes_in_steps_each_has_one_sample():
    """Simulated time: 100 Hz, on a bus that could give 200 samples a second; then the simulator is paused."""
    bench = Bench(state_rate_hz=1.0 / CYCLE_S)
    stamps = []
    steps = {"now": 0}
    bench.master._ros_ns = lambda: steps["now"]
    bench.master._on_sample = lambda state: stamps.append((bench.clock.now_s, state.stamp_ns))
    for count in range(1, 51):
        steps["now"] = 10_000_000 * count
        bench.cycle()
        bench.cycle()
    assert [stamp for _, stamp in stamps] == [10_000_000 * count for count in range(1, 51)]
    paused_s = bench.clock.now_s
    for _ in range(100):
        bench.cycle()
    repeated = [t for t, _ in stamps if t > paused_s]
    assert 20 <= len(repeated) <= 26  # in 0.5 s: the bus lives
    steps["now"] = 10_000_000  # a simulation that begins anew
    bench.cycle()
    bench.cycle()
    assert stamps[-1][1] == 10_000_000


def test_a_waiting_port_is_woken_by_another_thread():
    try:
        port = PythonCanPort("udp_multicast", "239.74.163.78", 1_000_000, {"port": 20000 + os.getpid() % 20000})
    except DriverError as error:  # a machine without multicast
        pytest.skip(str(error))
    began = time.monotonic()
    timer = threading.Timer(0.05, port.wake)
    timer.start()
    assert port.receive(PATIENCE_S) is None and time.monotonic() - began < PATIENCE_S
    for _ in range(100_000):  # nobody listens: it must not block either
        port.wake()
    assert port.receive(PATIENCE_S) is None
    began = time.monotonic()
    assert port.receive(0.05) is None and time.monotonic() - began >= 0.05  # all wakes are over
    timer.join()
    port.close()
    port.wake()
