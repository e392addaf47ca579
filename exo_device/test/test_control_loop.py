# SPDX-License-Identifier: Apache-2.0
"""The loop with motors in memory: stepped by hand, and run in its thread."""

import threading
import time

import numpy as np
import pytest

from exo_core.time import to_ns
from exo_device.control_loop import ControlLoop, LoopConfig, LoopHooks
from exo_device.drivers import DriverError
from exo_device.drivers.simulated import MemoryBus, SimulatedConfig, SimulatedDriver
from exo_device.safety import Fault, Mode, SafetyConfig, SafetySupervisor
from exo_device.signals import Command

PATIENCE_S = 20.0
RELAXED = {
    "command_timeout_s": 60.0,
    "state_timeout_s": 60.0,
    "state_silence_s": 60.0,
    "fade_in_s": 0.0,
    "stride_gate": False,
}


class Lab:
    """Loop, motors and a policy in one thread; steady time is made by hand."""

    def __init__(self, device, make_state, *, safety=None, **config) -> None:
        self.device, self.make_state = device, make_state
        self.bus = MemoryBus()
        self.driver = SimulatedDriver(SimulatedConfig(transport="memory"), self.bus)
        self.driver.connect()
        self.driver.configure(device.joint_names)
        self.steady_ns = to_ns(50.0)
        self.states, self.snapshots, self.events, self.crashes = [], [], [], []
        supervisor = SafetySupervisor(
            device, 75.0, SafetyConfig(**{"fade_in_s": 0.0, "stride_gate": False, "simulated": True, **(safety or {})})
        )
        hooks = LoopHooks(
            self.states.append,
            lambda snapshot, rate: self.snapshots.append((snapshot, rate)),
            self.events.append,
            self.crashes.append,
        )
        self.loop = ControlLoop(
            self.driver, supervisor, LoopConfig(**config), hooks, steady_now_ns=lambda: self.steady_ns
        )
        self.sequence = self.commands = 0
        self.stamp_ns = to_ns(1.0)

    def put_state(self, **changes) -> None:
        self.sequence += 1
        self.stamp_ns += to_ns(0.01)
        self.bus.put_state(self.make_state(self.device, self.stamp_ns, self.sequence, **changes))

    def answer(self, asked=0.0, stamp_ns=None) -> None:
        self.commands += 1
        names = self.device.joint_names
        stamp_ns = self.stamp_ns if stamp_ns is None else stamp_ns
        self.loop.submit(Command(stamp_ns, self.commands, names, np.full(len(names), float(asked))))

    def cycle(self, asked=0.0, **changes):
        """10 ms: a state, its command, and what the motors got for it."""
        self.steady_ns += to_ns(0.01)
        self.put_state(**changes)
        self.loop.step()
        self.answer(asked)
        self.loop.step()
        return self.bus.commands[-1]

    def activate(self):
        self.cycle()
        assert self.loop.arm().success
        self.cycle()
        assert self.loop.supervisor.mode is Mode.ACTIVE
        for _ in range(6):
            self.cycle()
        return self


@pytest.fixture
def lab_of(device, state_of):
    return lambda **config: Lab(device, state_of, **config)


def test_states_are_passed_on_and_answered_while_disarmed(lab_of):
    lab = lab_of()
    for count in range(1, 6):
        command = lab.cycle(10.0)
        assert lab.states[-1].sequence == count
        assert command.sequence == count and command.state_stamp_ns == lab.stamp_ns
        assert not command.enable and not command.torque.any()


def test_an_active_device_gives_one_output_a_state_with_its_own_command(lab_of):
    lab = lab_of(answer_wait_s=0.005).activate()
    before = len(lab.bus.commands)
    for count in range(20):
        lab.steady_ns += to_ns(0.01)
        lab.put_state()
        lab.loop.step()
        assert len(lab.bus.commands) == before + count  # waits for the command
        lab.answer(5.0)
        lab.loop.step()
        assert len(lab.bus.commands) == before + count + 1
    assert lab.bus.commands[-1].torque == pytest.approx(np.full(4, 5.0))
    assert lab.loop.answer_latency.percentile_ms(50.0) == 0.0


def test_a_late_command_does_not_keep_the_motors_waiting(lab_of):
    lab = lab_of(answer_wait_s=0.005, period_s=0.001).activate()
    lab.put_state()
    lab.loop.step()
    before = len(lab.bus.commands)
    lab.steady_ns += to_ns(0.006)
    lab.loop.step()
    assert len(lab.bus.commands) == before + 1 and lab.bus.commands[-1].sequence == lab.sequence
    lab.answer(3.0)
    lab.loop.step()
    assert len(lab.bus.commands) == before + 2  # and the command still counts at once


def test_the_answer_to_the_state_before_is_not_held_back(lab_of):
    """A policy that is a state behind: its newest command is better than none."""
    lab = lab_of(answer_wait_s=0.025).activate()
    for asked in (1.0, 2.0, 3.0):
        before = lab.stamp_ns
        lab.steady_ns += to_ns(0.01)
        lab.put_state()
        lab.loop.step()
        count = len(lab.bus.commands)
        lab.answer(asked, stamp_ns=before)
        lab.loop.step()
        assert len(lab.bus.commands) == count + 1
        assert lab.bus.commands[-1].torque == pytest.approx(np.full(4, asked))


def test_a_repeated_state_gets_its_answer_repeated_and_is_not_passed_on(lab_of):
    lab = lab_of().activate()
    command = lab.cycle(4.0)
    passed_on = len(lab.states)
    lab.bus.put_state(lab.make_state(lab.device, lab.stamp_ns, lab.sequence + 1))
    lab.loop.step()
    assert len(lab.states) == passed_on
    again = lab.bus.commands[-1]
    assert again.sequence == command.sequence + 1 and again.torque == pytest.approx(command.torque)


def test_a_repeated_state_goes_to_a_policy_that_starts_late_until_it_answers(lab_of):
    """A simulator that starts paused repeats its first state; the policy may not have been there for it."""
    lab = lab_of()
    lab.put_state()
    for count in range(1, 4):
        lab.loop.step()
        assert len(lab.states) == count
        for _ in range(2):  # an answer may be on its way: it is not passed on twice for that
            lab.steady_ns += to_ns(0.02)
            lab.bus.put_state(lab.states[-1])
            lab.loop.step()
            assert len(lab.states) == count
        lab.steady_ns += to_ns(0.02)
        lab.bus.put_state(lab.states[-1])
    lab.answer()
    lab.loop.step()
    lab.bus.put_state(lab.states[-1])
    lab.loop.step()
    assert len(lab.states) == 4  # the one that came with the answer, and none since


def test_silence_is_noticed_without_any_input(lab_of):
    lab = lab_of(period_s=0.001).activate()
    for _ in range(30):
        lab.cycle(10.0)
    outputs = len(lab.bus.commands)
    for _ in range(30):
        lab.steady_ns += to_ns(0.005)
        lab.loop.step()
    ramp = [command.torque[0] for command in lab.bus.commands[outputs:]]
    assert lab.loop.supervisor.mode is Mode.FAULT
    assert ramp[-1] == 0.0 and len(ramp) > 5 and ramp == sorted(ramp, reverse=True)
    assert not lab.bus.commands[-1].enable
    assert any("BUS_LOST" in event.text for event in lab.events)


def test_status_comes_at_once_on_a_change_and_ten_times_a_second(lab_of):
    lab = lab_of()
    for _ in range(100):
        lab.cycle()
    assert 9 <= len(lab.snapshots) <= 11
    assert lab.snapshots[-1][1] == pytest.approx(100.0)
    before = len(lab.snapshots)
    lab.loop.emergency_stop()
    lab.loop.step()
    assert len(lab.snapshots) == before + 1 and lab.snapshots[-1][0].mode is Mode.FAULT


def test_a_driver_that_fails_stops_the_device_and_is_asked_again(lab_of):
    lab = lab_of(period_s=0.001).activate()
    for _ in range(20):
        lab.cycle(10.0)
    read = lab.driver.read

    def fail(timeout_s):
        raise DriverError("bus off")

    lab.driver.read = fail
    for _ in range(40):
        lab.steady_ns += to_ns(0.005)
        lab.loop.step()
    assert lab.loop.supervisor.mode is Mode.FAULT
    assert not lab.bus.commands[-1].enable
    assert sum("driver: bus off" in event.text for event in lab.events) == 1  # once, not each time
    lab.driver.read = read
    assert lab.loop.disarm().success
    lab.activate()


def test_no_arming_before_the_loop_runs(lab_of):
    lab = lab_of()
    lab.loop.finish()
    assert not lab.loop.arm().success
    lab.loop.prepare()
    assert lab.loop.arm().success


# --- lockstep


def test_lockstep_in_one_thread_gives_each_state_exactly_its_command(lab_of):
    lab = lab_of(lockstep=True, safety={"lockstep": True})
    asked = iter(np.linspace(0.0, 5.0, 300))
    supervisor = lab.loop.supervisor
    lab.loop.hooks.on_state = lambda state: lab.answer(next(asked) if supervisor.mode is Mode.ACTIVE else 0.0)
    for count in range(250):
        lab.put_state()
        lab.loop.step()
        assert len(lab.bus.commands) == count + 1
        assert lab.bus.commands[-1].sequence == count + 1
        if count == 5:
            lab.loop.arm()
    assert lab.bus.commands[-1].torque[0] > 3.0


def test_lockstep_waits_for_the_right_command(lab_of):
    """A thread plays a policy that first answers an older state."""
    lab = lab_of(lockstep=True, safety={"lockstep": True, **RELAXED})
    lab.loop.steady_now_ns = time.monotonic_ns
    lab.loop.hooks.on_state = lambda state: lab.answer()
    lab.put_state()
    lab.loop.step()
    older_ns = lab.stamp_ns
    seen = threading.Event()
    lab.loop.hooks.on_state = lambda state: seen.set()

    def policy() -> None:
        assert seen.wait(PATIENCE_S)
        lab.loop.submit(Command(older_ns, 90, lab.device.joint_names, np.zeros(4)))
        time.sleep(0.05)
        assert len(lab.bus.commands) == 1  # not answered by the older one
        lab.commands = 100
        lab.answer()

    thread = threading.Thread(target=policy, daemon=True)
    thread.start()
    lab.put_state()
    lab.loop.step()
    thread.join(PATIENCE_S)
    assert len(lab.bus.commands) == 2


def test_lockstep_without_an_answer_faults_and_goes_on_without_waiting(lab_of):
    lab = lab_of(lockstep=True, lockstep_timeout_s=0.05, safety={"lockstep": True, **RELAXED})
    lab.loop.steady_now_ns = time.monotonic_ns
    lab.loop.hooks.on_state = lambda state: lab.answer()
    for count in range(3):
        lab.put_state()
        lab.loop.step()
        if count == 0:
            lab.loop.arm()
    assert lab.loop.supervisor.mode is Mode.ACTIVE
    lab.loop.hooks.on_state = lambda state: None
    for _ in range(20):
        lab.put_state()
        lab.loop.step()
    assert lab.loop.supervisor.mode is Mode.FAULT
    assert Fault.STALE_COMMAND in lab.snapshots[-1][0].faults
    assert lab.bus.commands[-1].sequence == lab.sequence


# --- the thread


@pytest.fixture
def running(lab_of):
    """An active loop in its own thread, with motors and policy in another, on real clocks."""
    lab = lab_of(safety=RELAXED)
    lab.loop.steady_now_ns = time.monotonic_ns
    lab.asked = 0.0
    lab.loop.hooks.on_state = lambda state: lab.answer(lab.asked, state.stamp_ns)
    thread = threading.Thread(target=lab.loop.run, daemon=True)
    stop = threading.Event()

    def motors() -> None:
        while not stop.wait(0.01):
            lab.put_state()

    motor_thread = threading.Thread(target=motors, daemon=True)
    thread.start()
    motor_thread.start()
    try:
        wait_until(lambda: lab.bus.commands)
        lab.loop.arm()
        wait_until(lambda: lab.loop.supervisor.mode is Mode.ACTIVE)
        lab.asked = 8.0
        wait_until(lambda: lab.bus.commands[-1].torque[0] == pytest.approx(8.0))
        lab.thread = thread
        yield lab
    finally:
        stop.set()
        motor_thread.join(PATIENCE_S)
        lab.loop.finish()
        thread.join(PATIENCE_S)


def wait_until(condition) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_finish_ramps_down_and_switches_off(running):
    running.loop.finish()
    running.thread.join(PATIENCE_S)
    assert not running.thread.is_alive() and not running.crashes
    assert not running.bus.commands[-1].enable and not running.bus.commands[-1].torque.any()
    assert Fault.SHUTDOWN in running.snapshots[-1][0].faults


def test_an_exception_in_the_loop_switches_the_motors_off_and_is_reported(running):
    def broken(state):
        raise ZeroDivisionError("bug")

    running.loop.hooks.on_state = broken
    running.thread.join(PATIENCE_S)
    assert not running.thread.is_alive()
    assert isinstance(running.crashes[0], ZeroDivisionError)
    assert not running.bus.commands[-1].enable and not running.bus.commands[-1].torque.any()


# --- the thread that hears commands and people


def test_a_ros_thread_that_hangs_stops_the_device(lab_of):
    """Commands may still come by another way: but nobody would hear exo/stop."""
    lab = lab_of(ros_silence_s=1.0)
    lab.loop.beat()
    lab.activate()
    for _ in range(90):
        lab.cycle(5.0)
    assert lab.loop.supervisor.mode is Mode.ACTIVE
    for _ in range(40):
        lab.cycle(5.0)
    assert lab.loop.supervisor.mode is Mode.FAULT and "exo/stop" in lab.snapshots[-1][0].cause
    assert not lab.bus.commands[-1].enable


def test_a_ros_thread_that_beats_is_alive_and_one_that_never_did_is_not_watched(lab_of):
    beating, without = lab_of(ros_silence_s=1.0).activate(), lab_of(ros_silence_s=1.0).activate()
    for _ in range(300):
        beating.loop.beat()
        beating.cycle(5.0)
        without.cycle(5.0)
    assert beating.loop.supervisor.mode is without.loop.supervisor.mode is Mode.ACTIVE


def test_a_refused_command_reaches_the_supervisor(lab_of):
    lab = lab_of().activate()
    lab.cycle(5.0)
    lab.loop.foreign_command("two nodes publish exo/command: /a, /b")
    assert lab.loop.supervisor.mode is Mode.STOPPING and "/a, /b" in lab.loop.supervisor.pop_events()[-1].text


def test_a_leap_leaves_the_drivers_zero_in_doubt(lab_of):
    lab = lab_of(safety={"simulated": False, "ros_time_is_the_worlds": False}).activate()
    doubts = []
    lab.driver.doubt_zeros = doubts.append
    lab.cycle(position=[0.3, 0.0, 0.0, 0.0])
    assert doubts == [{"hip_flexion_r": "its angle leapt"}]
    assert Fault.IMPLAUSIBLE_STATE in lab.snapshots[-1][0].faults
