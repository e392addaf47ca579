# SPDX-License-Identifier: Apache-2.0
"""Who takes the torque away when the process that gives it is gone: the rule, the line, and the topic."""

import configparser
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import exo_device
from exo_device.drivers import DriverError, make_driver
from exo_device.drivers import guardian as line
from exo_device.drivers.guardian import DEAF_S, LAST_WORDS_S, REPEAT_S, SILENCE_S, Guardian, TorqueWatch
from exo_device.guardian import build_parser

PATIENCE_S = 20.0
MOTOR = {
    "id": 1,
    "firmware": "v2",
    "position_range_rad": 12.5,
    "velocity_range_rad_s": 28.0,
    "torque_range_nm": 65.0,
    "sign": 1,
}
LATE_S, SOON_S = SILENCE_S + 0.001, SILENCE_S - 0.001


def can_driver(**changes):
    return make_driver("cubemars_can", {"interface": "virtual", "channel": "g", "motors": {"a": MOTOR}, **changes})


def wait_until(condition) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


# --- the rule


def test_silence_with_the_motors_on_is_answered_until_somebody_lives_again():
    guard = TorqueWatch()
    guard.beat(True, 5.0)
    assert not guard.must_speak(5.0 + SOON_S) and guard.wait_s(5.0 + SOON_S) == pytest.approx(0.001)
    assert guard.must_speak(5.0 + LATE_S) and guard.must_speak(60.0) and guard.wait_s(60.0) == REPEAT_S
    guard.beat(True, 60.1)
    assert not guard.must_speak(60.1 + SOON_S)
    assert not guard.is_over(1e6)


def test_silence_with_the_motors_off_is_nothing():
    guard = TorqueWatch()
    assert guard.wait_s(9.0) is None and not guard.must_speak(9.0)
    guard.beat(True, 10.0)
    guard.beat(False, 10.05)
    assert guard.wait_s(99.0) is None and not guard.must_speak(99.0)


def test_the_end_of_the_line_is_answered_with_last_words_even_with_the_motors_off():
    guard = TorqueWatch()
    guard.beat(False, 1.0)
    guard.end(2.0)
    assert guard.must_speak(2.0) and not guard.is_over(2.0 + 0.9 * LAST_WORDS_S)
    assert guard.is_over(2.0 + 1.1 * LAST_WORDS_S)


# --- the line


def test_a_guardian_that_does_not_answer_is_a_problem():
    """One that is stopped reads nothing; the line would take its beats for minutes."""
    here, there = socket.socketpair()
    now = [7.0]
    guardian = Guardian(here, steady_s=lambda: now[0])
    with there:
        assert guardian.beat(True) == ""
        now[0] += 0.9 * DEAF_S
        assert guardian.beat(True) == ""
        there.sendall(line.ECHO)
        assert guardian.beat(True) == ""
        now[0] += 1.1 * DEAF_S
        assert "has not answered" in guardian.beat(True)
    assert guardian.beat(True) == "the guardian has ended"
    guardian.close()


@pytest.fixture
def apart(tmp_path):
    """A guardian that was started apart, in a thread. Its socket, its settings, and how often it has said zero."""
    config = can_driver().config
    said = []
    server = line.listen(str(tmp_path / "guardian.sock"))
    threading.Thread(
        target=line.serve, args=(server, "cubemars_can", config, lambda: said.append(1)), daemon=True
    ).start()
    return str(tmp_path / "guardian.sock"), config, said


def test_a_guardian_apart_guards_one_device_after_the_other(apart):
    path, config, said = apart
    for _ in range(2):
        guardian = line.call(path, "cubemars_can", config)
        said.clear()
        assert guardian.beat(True) == ""
        guardian.close()  # as the kernel does when the process is killed
        wait_until(lambda: said)


def test_a_guardian_apart_says_zero_when_the_device_hangs_with_the_motors_on(apart):
    path, config, said = apart
    guardian = line.call(path, "cubemars_can", config)
    assert guardian.beat(True) == ""
    wait_until(lambda: len(said) > 3)
    assert guardian.beat(False) == ""  # it lives again
    guardian.close()


def test_a_guardian_of_other_motors_refuses(apart):
    path, config, _ = apart
    other = can_driver(motors={"a": {**MOTOR, "id": 2}}).config
    with pytest.raises(DriverError, match="guards other motors: give both the same settings"):
        line.call(path, "cubemars_can", other)
    line.call(path, "cubemars_can", config).close()


def test_a_missing_guardian_is_named_with_what_to_do(tmp_path):
    driver = can_driver(guardian="external", guardian_socket=str(tmp_path / "none.sock"))
    with pytest.raises(DriverError, match="no guardian listens on .*none.sock .*start it before the device node"):
        driver.connect()


def test_only_this_user_and_its_group_may_call(apart):
    assert os.stat(apart[0]).st_mode & 0o117 == 0


# --- nobody


def test_a_bus_that_nobody_guards_is_not_armed_unless_the_settings_say_so():
    for unguarded in (False, True):
        with can_driver(unguarded=unguarded) as driver:
            driver.configure(("a",))
            assert ("killed: there is no guardian on virtual g" in driver.arming_obstacle()) != unguarded
            (warning,) = driver.warnings()
            assert "no guardian on virtual g" in warning and ("all the same" in warning) == unguarded


@pytest.mark.parametrize("word, means", [(True, "own"), (False, "none"), (None, "none"), ("external", "external")])
def test_yaml_may_say_true_and_false(word, means):
    assert can_driver(guardian=word).config.guarded_by == means
    if word is None:
        assert can_driver(interface="socketcan", channel="can0").config.guarded_by == "own"


# --- a controller's topic

COMMANDS = "forward_effort_controller/commands"


class FakeNode:
    """Topics in memory; what is published comes back, as to every subscriber."""

    def __init__(self, controllers: int) -> None:
        self.subscribers, self.published, self._callbacks = controllers, [], {}

    def create_publisher(self, _, topic, __):
        node = self

        class Publisher:
            def publish(self, message) -> None:
                node.published.append((topic, message))
                if topic in node._callbacks:
                    node._callbacks[topic](message)

        return Publisher()

    def create_subscription(self, _, topic, callback, __) -> None:
        self._callbacks[topic] = callback
        self.subscribers += 1

    def count_subscribers(self, _) -> int:
        return self.subscribers

    def say(self, message) -> None:
        self._callbacks[COMMANDS](message)

    def efforts(self) -> list[list[float]]:
        return [list(message.data) for topic, message in self.published if topic == COMMANDS]

    def signs_of_life(self) -> int:
        return sum(topic == f"{COMMANDS}/guardian" for topic, _ in self.published)


def topic_guardian(controllers=1):
    pytest.importorskip("std_msgs.msg")
    from exo_device.drivers.ros2_control import Ros2ControlConfig, TopicGuardian

    node, now = FakeNode(controllers), [3.0]
    return TopicGuardian(node, Ros2ControlConfig(), steady_s=lambda: now[0]), node, now


def test_efforts_that_nobody_repeats_are_taken_back():
    from std_msgs.msg import Float64MultiArray

    guardian, node, now = topic_guardian()
    node.say(Float64MultiArray(data=[0.0, 6.0, 0.0]))
    now[0] += SOON_S
    guardian.step()
    assert node.efforts() == []
    now[0] += 0.002
    guardian.step()
    assert node.efforts() == [[0.0, 0.0, 0.0]]
    now[0] += 5.0  # its own zeros came back: there is nothing left to take
    guardian.step()
    assert len(node.efforts()) == 1
    node.say(Float64MultiArray(data=[6.0, 6.0, 6.0]))  # a late one, as after SIGCONT
    now[0] += LATE_S
    guardian.step()
    assert len(node.efforts()) == 2


def test_a_guardian_that_no_controller_hears_does_not_say_that_it_guards():
    guardian, node, now = topic_guardian(controllers=0)
    for _ in range(20):
        now[0] += REPEAT_S
        guardian.step()
    assert node.signs_of_life() == 0
    node.subscribers += 1
    for _ in range(20):
        now[0] += REPEAT_S
        guardian.step()
    assert node.signs_of_life() == 2


def test_a_controller_that_nobody_guards_is_not_armed():
    pytest.importorskip("rclpy")
    obstacle = make_driver("ros2_control", {"guardian": "external"}).arming_obstacle()
    assert f"no guardian speaks on {COMMANDS}/guardian" in obstacle
    nobody = make_driver("ros2_control", {"guardian": "none"})
    assert "guardian is none" in nobody.arming_obstacle() and "guardian is none" in nobody.warnings()[0]
    allowed = make_driver("ros2_control", {"guardian": "none", "unguarded": True})
    assert allowed.arming_obstacle() == "" and "all the same" in allowed.warnings()[0]


HOST = """
import sys, time, numpy as np, rclpy
from exo_device.signals import MotorTorque
from exo_device.drivers import DriverError, make_driver
rclpy.init(domain_id=int(sys.argv[1]))
driver = make_driver("ros2_control", {"namespace": "/guarded", "command_order": ["a", "b"]})
driver.connect()
driver.configure(("a", "b"))
while obstacle := driver.arming_obstacle():
    if "zero" in obstacle:  # a busy machine let the controller's states wait
        driver.confirm_zeros()
    driver.read(0.01)
print(driver._guardian.pid, flush=True)
try:
    while True:
        driver.read(0.01)
        driver.write(MotorTorque(0, 0, True, ("a", "b"), np.full(2, 6.0)))
except DriverError as error:
    print(error, flush=True)
    driver.write(MotorTorque(0, 0, False, ("a", "b"), np.zeros(2)))
    time.sleep(60.0)
"""


@pytest.fixture
def guarded():
    """An emulated controller that holds its efforts, and a process that gives torque through it, with a guardian."""
    rclpy = pytest.importorskip("rclpy")
    from exo_device.drivers.ros import SpinningThread
    from exo_device.emulator import SpringDamper
    from exo_device.emulator.ros import EmulatedController

    domain = int(os.environ["EXO_TEST_DOMAIN"])
    rclpy.init(domain_id=domain)
    controller = EmulatedController(("a", "b"), lambda joint: SpringDamper(), namespace="/guarded")
    spinning = SpinningThread(controller)
    host = subprocess.Popen([sys.executable, "-c", HOST, str(domain)], stdout=subprocess.PIPE, text=True)
    try:
        host.guardian_pid = int(host.stdout.readline())
        wait_until(lambda: any(controller.effort.values()))
        yield controller, host
    finally:
        host.kill()
        host.wait()
        spinning.close()
        rclpy.try_shutdown()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_controller_loses_its_efforts_when_the_device_is_killed_or_hangs(guarded, number):
    controller, host = guarded
    host.send_signal(number)
    wait_until(lambda: not any(controller.effort.values()))
    assert host.poll() in (None, -number)


def test_a_guardian_that_is_lost_under_torque_ends_the_torque(guarded):
    controller, host = guarded
    os.kill(host.guardian_pid, signal.SIGKILL)
    assert "guardian" in host.stdout.readline()
    wait_until(lambda: not any(controller.effort.values()))


# --- units of systemd

UNITS = Path(__file__).resolve().parents[1] / "systemd"


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str
    parser.read_string((UNITS / name).read_text())
    return parser


def test_guardian_and_device_share_no_fate():
    guardian, device = unit("exo-guardian.service"), unit("exo-device.service")
    slices = {service["Service"]["Slice"] for service in (guardian, device)}
    assert len(slices) == 2 and all((UNITS / name).is_file() for name in slices)
    for service in (guardian, device):
        assert not {"Requires", "BindsTo", "PartOf", "Requisite", "Conflicts"} & set(service["Unit"])
    assert guardian["Service"]["Restart"] == "always" and device["Service"]["Restart"] == "no"
    assert int(guardian["Service"]["CPUSchedulingPriority"]) > int(device["Service"]["CPUSchedulingPriority"])
    folder = Path("/run") / guardian["Service"]["RuntimeDirectory"]
    assert Path(can_driver().config.guardian_socket).parent == folder


def test_the_units_start_programs_that_exist_with_arguments_that_they_know():
    parameters = pytest.importorskip("exo_device.parameters")
    words = unit("exo-guardian.service")["Service"]["ExecStart"].split("lib/exo_device/")[1]
    program, *arguments = words.replace('"', "").replace("'", "").split()
    assert program == "guardian" and callable(exo_device.start_guardian)
    chosen = build_parser().parse_args([{"${EXO_DRIVER}": "odrive_can"}.get(word, word) for word in arguments])
    assert chosen.config == "${EXO_DRIVER_CONFIG}"
    started = unit("exo-device.service")["Service"]["ExecStart"].split("lib/exo_device/")[1]
    given = set(re.findall(r"-p (\w+):=", started))
    assert started.startswith("device_node") and given and given <= set(parameters.DECLARATIONS)
