# SPDX-License-Identifier: Apache-2.0
"""The cycle of a motor bus: new torque at once, hosts that were away, other hosts, and a second clamp."""

import os
import select
import threading
import time
from pathlib import Path

import pytest

from exo_device.drivers import DriverError, make_driver, read_driver_config
from exo_device.drivers.can import port as port_module
from exo_device.drivers.can.bus import CanMaster
from exo_device.drivers.can.port import Frame, PythonCanPort
from exo_device.drivers.cubemars_can import MotorFault
from exo_device.drivers.cubemars_can.codec import MitCommand
from exo_device.drivers.cubemars_can.driver import MotorChannel
from exo_device.drivers.imu import FixedImu
from exo_device.emulator import EmulatedBus, Fault, Followed
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
        self.master = CanMaster(
            config,
            [MotorChannel(joint, motor, self.clock.now_s) for joint, motor in config.motors.items()],
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
        port = PythonCanPort("udp_multicast", "239.74.163.78", 1_000_000, {"port": int(os.environ["EXO_TEST_PORT"])})
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


def test_two_groups_on_one_port_are_two_buses():
    ports = []
    try:
        for channel in ("239.74.163.79", "239.74.163.80"):
            ports.append(PythonCanPort("udp_multicast", channel, 1_000_000, {"port": int(os.environ["EXO_TEST_PORT"])}))
    except DriverError as error:  # a machine without multicast
        pytest.skip(str(error))
    sent = Frame(0x123, b"abc")
    ports[0].send(sent)
    assert ports[0].receive(PATIENCE_S) == sent  # it has come round, and would have come to the other one too
    assert ports[1].receive(0.0) is None
    for port in ports:
        port.close()


def test_a_port_brings_nothing_that_another_bus_said_while_it_opened(monkeypatch):
    settings = (1_000_000, {"port": int(os.environ["EXO_TEST_PORT"])})
    try:
        other = PythonCanPort("udp_multicast", "239.74.163.81", *settings)
    except DriverError as error:  # a machine without multicast
        pytest.skip(str(error))
    hear_own_group_only = port_module._hear_own_group_only

    def late(fileno):
        other.send(Frame(0x8E, bytes(8)))
        readable, _, _ = select.select([fileno], [], [], PATIENCE_S)
        assert readable, "this machine keeps groups apart by itself: the test shows nothing"
        hear_own_group_only(fileno)

    monkeypatch.setattr(port_module, "_hear_own_group_only", late)
    port = PythonCanPort("udp_multicast", "239.74.163.82", *settings)
    assert port.receive(0.0) is None
    port.close()
    other.close()


# --- the host was away: SIGSTOP and SIGCONT, swapping, a debugger

GAP_S = 0.2


def away(bench, gap_s: float) -> None:
    """Neither the loop nor the bus's thread runs for a while, and the firmware holds its torque."""
    bench.bus.plan.add(Fault("hold"))
    bench.clock.now_s += gap_s


def largest(bench) -> float:
    return max(abs(torque) for torque in bench.torques())


@pytest.mark.parametrize("first", ["loop", "bus"])
@pytest.mark.parametrize("gap_s", [0.06, 0.09, GAP_S, 3.0])
def test_after_a_pause_torque_starts_from_zero_whoever_wakes_first(first, gap_s):
    bench = Bench(host_timeout_s=0.05)
    bench.set(20.0)
    bench.cycle()
    assert largest(bench) == pytest.approx(20.0, abs=0.04)
    away(bench, gap_s)
    if first == "loop":
        bench.set(20.0)
    for _ in range(40):
        bench.cycle()
        assert largest(bench) == 0.0
        bench.set(20.0)  # the loop goes on asking until it hears of the fault
    assert all(motor.error & MotorFault.HOST_SILENT for motor in bench.master.motors)
    bench.set(0.0, enable=False)
    bench.cycle()
    bench.set(2.0)
    for _ in range(6):
        bench.cycle()
    assert largest(bench) == pytest.approx(2.0, abs=0.04)  # switched off and on again by the loop


def test_a_host_that_was_away_for_longer_than_a_reset_takes_does_not_trust_the_zeros():
    bench = Bench(host_timeout_s=0.05)
    away(bench, 0.08)
    bench.cycle()
    assert "zero" not in bench.master.obstacle()
    away(bench, GAP_S)
    bench.cycle()
    assert "this computer was held up for 0.2" in bench.master.obstacle()
    bench.set(0.0, enable=False)
    bench.cycle()
    assert bench.master.confirm_zeros() == list(bench.master.joints) and bench.master.obstacle() == ""


def test_zeros_are_not_confirmed_while_the_motors_are_on(bench):
    with pytest.raises(DriverError, match="while the motors are off"):
        bench.master.confirm_zeros()


# --- another host on the bus


def orders(codec):
    return {
        "set point": codec.command(MitCommand(torque=4.0)),
        "zero torque": codec.command(MitCommand()),
        "enable": codec.enable(),
        "disable": codec.disable(),
        "zero": codec.zero(),
    }


def hear(bench, frame) -> None:
    bench.bus.push(bench.clock.now_s, frame)
    bench.cycle()


@pytest.mark.parametrize("order", ["set point", "zero torque", "enable", "disable", "zero"])
def test_an_order_of_another_host_is_a_fault_with_a_name_of_its_own(bench, order):
    motor = bench.master.motors[1]
    hear(bench, orders(motor.codec)[order])
    assert motor.error == MotorFault.FOREIGN_MASTER and bench.master.foreign_orders == 1
    assert [other.error for other in bench.master.motors].count(0) == 3
    for _ in range(300):  # 1.5 s: it stays as long as the motors are on
        bench.cycle()
    assert motor.error & MotorFault.FOREIGN_MASTER


def test_another_host_keeps_the_motors_from_being_armed_until_it_is_quiet(bench):
    motor = bench.master.motors[1]
    bench.set(0.0, enable=False)
    for _ in range(40):
        hear(bench, motor.codec.idle())
    assert "another program commands the motor" in bench.master.obstacle() and motor.error
    for _ in range(210):
        bench.cycle()
    assert bench.master.obstacle() == "" and motor.error == 0


def test_an_adapter_that_echoes_is_no_other_host():
    bench = Bench(interface="slcan")
    send = bench.port.send

    def send_and_echo(frame) -> None:
        send(frame)
        bench.bus.push(bench.clock.now_s, frame)

    bench.port.send = send_and_echo
    for torque in (1.0, 2.0, 3.0):
        bench.set(torque)
        bench.cycle()
    assert bench.master.foreign_orders == 0
    motor = bench.master.motors[0]
    hear(bench, motor.codec.command(MitCommand(torque=4.0)))  # that one it has not sent
    assert bench.master.foreign_orders == 1 and motor.error == MotorFault.FOREIGN_MASTER


def test_what_the_guardian_said_meanwhile_is_no_other_host():
    bench = Bench(host_timeout_s=0.05)
    away(bench, GAP_S)
    for frame in bench.master.motors[0].off_frames():
        bench.bus.push(bench.clock.now_s, frame)
    bench.cycle()
    assert bench.master.foreign_orders == 0 and bench.master.motors[0].error == MotorFault.HOST_SILENT


def test_two_motors_of_one_id_are_not_armed(bench):
    """Both obey and both answer; zeroed alike they cannot be told apart but by their number."""
    bench.set(0.0, enable=False)
    bench.bus.plan.add(Fault("duplicated", bench.master.joints[2]))
    for _ in range(150):
        bench.cycle()
    assert f"({bench.master.motors[2].address}) answers more often than it is asked" in bench.master.obstacle()
    bench.bus.plan.clear()
    for _ in range(150):
        bench.cycle()
    assert bench.master.obstacle() == ""


# --- a second clamp


def test_no_more_than_the_device_allows_goes_to_a_motor_whatever_is_asked(bench):
    bench.master.limits = [2.0, 3.0, 4.0, 5.0]
    for torque in (50.0, -50.0):
        bench.set(torque)
        bench.cycle()
        sign = 1.0 if torque > 0.0 else -1.0
        assert [sign * given for given in bench.torques()] == pytest.approx([2.0, 3.0, 4.0, 5.0], abs=0.04)
