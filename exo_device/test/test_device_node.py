# SPDX-License-Identifier: Apache-2.0
"""device_node as a real process, between motors and a policy played by this test."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

rclpy = pytest.importorskip("rclpy")
pytest.importorskip("exo_msgs.msg")

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Imu, JointState
from std_srvs.srv import Trigger

from exo_core.ros import LATCHED, LATEST
from exo_device import device_node
from exo_device.drivers import read_driver_config
from exo_device.memory import file_sha256
from exo_device.parameters import DeviceParameters
from exo_msgs.msg import DeviceStatus, MotorCommand, MotorStates, TorqueCommand

DEVICES = Path(__file__).resolve().parents[1] / "exo_device" / "config" / "devices"
DRIVERS = DEVICES.parent / "drivers"
JOINTS = ["hip_flexion_r", "ankle_angle_r", "hip_flexion_l", "ankle_angle_l"]
#: Runs of this test at the same time on one machine must not hear each other.
DOMAIN = int(os.environ["EXO_TEST_DOMAIN"])  # conftest.py
#: Generous: a busy machine may take long to start a process. Nothing here measures speed.
PATIENCE_S = 120.0
#: A busy machine must not trip the watchdogs of a test that is about something else.
RELAXED = {
    "command_timeout_s": 5.0,
    "state_timeout_s": 5.0,
    "state_silence_s": 5.0,
    "ros_silence_s": 60.0,
    "stride_gate": False,
    "fade_in_s": 0.0,
}


class Bench:
    """Motors at 100 Hz and a policy that answers each state; both can be silenced."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=DOMAIN)
        self.node = rclpy.create_node("bench", namespace=namespace, context=self.context)
        self.torque = 0.0
        self.motors_alive = self.policy_alive = True
        self.commands, self.joint_states, self.imus, self.statuses, self.diagnostics = [], [], [], [], []
        node = self.node
        self._states = node.create_publisher(MotorStates, "sim/motor_states", LATEST)
        self._command = node.create_publisher(TorqueCommand, "exo/command", LATEST)
        node.create_subscription(MotorCommand, "sim/motor_command", self.commands.append, LATEST)
        node.create_subscription(JointState, "exo/joint_states", self._on_joints, qos_profile_sensor_data)
        node.create_subscription(Imu, "exo/imu", self.imus.append, qos_profile_sensor_data)
        node.create_subscription(DeviceStatus, "exo/status", self.statuses.append, LATCHED)
        node.create_subscription(DiagnosticArray, "/diagnostics", self.diagnostics.append, 10)
        self.clients = {name: node.create_client(Trigger, f"exo/{name}") for name in ("arm", "disarm", "stop")}
        node.create_timer(0.01, self._send_states)
        self._sequence = self._command_sequence = 0
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            pass

    def _send_states(self) -> None:
        if not self.motors_alive:
            return
        self._sequence += 1
        # the device's order is another: joints are matched by name
        message = MotorStates(
            sequence=self._sequence,
            names=JOINTS[::-1],
            position=[0.4, 0.3, 0.2, 0.1],
            velocity=[0.0] * 4,
            torque=[0.0] * 4,
            temperature=[30.0] * 4,
            error=[0] * 4,
            bus_voltage=48.0,
        )
        message.header.stamp = self.node.get_clock().now().to_msg()
        message.imu.orientation.w = 1.0
        message.imu.linear_acceleration.z = 9.81 + 1e-4 * (message.sequence % 2)
        self._states.publish(message)

    def _on_joints(self, message: JointState) -> None:
        self.joint_states.append(message)
        if self.policy_alive:
            self.send(message.header.stamp, self.torque)

    def send(self, state_stamp: Time, torque: float) -> None:
        self._command_sequence += 1
        self._command.publish(
            TorqueCommand(state_stamp=state_stamp, sequence=self._command_sequence, names=JOINTS, torque=[torque] * 4)
        )

    def wait(self, condition, what: str):
        """Waits until condition() is true and returns it."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            result = condition()
            if result:
                return result
            time.sleep(0.01)
        raise AssertionError(f"waited for {what}; last status: {self.statuses[-1:]}")

    def call(self, name: str):
        client = self.clients[name]
        assert client.wait_for_service(PATIENCE_S)
        future = client.call_async(Trigger.Request())
        self.wait(future.done, f"exo/{name}")
        return future.result()

    def wait_mode(self, mode: int):
        self.wait(lambda: self.statuses and self.statuses[-1].mode == mode, f"mode {mode}")
        return self.statuses[-1]

    def arm(self, torque: float) -> None:
        """Active, with this torque at the motors."""
        self.wait(lambda: self.joint_states, "joint states")
        assert self.call("arm").success
        self.wait_mode(DeviceStatus.ACTIVE)
        self.torque = torque
        self.wait(lambda: self.commands[-1].torque[0] > 0.9 * torque, "torque at the motors")

    def close(self) -> None:
        self.node.destroy_publisher(self._command)  # it would be a second one beside the next test's
        self._executor.shutdown()
        self.context.try_shutdown()
        self._thread.join(5.0)


class Device:
    """The process."""

    def __init__(self, namespace: str, **parameters) -> None:
        arguments = [f"{name}:={value}" for name, value in parameters.items() if value is not None]
        command = [sys.executable, "-m", "exo_device.device_node", "--ros-args", "-r", f"__ns:={namespace}"]
        for argument in arguments:
            command += ["-p", argument]
        self.process = subprocess.Popen(
            command,
            env={**os.environ, "ROS_DOMAIN_ID": str(DOMAIN), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def end(self, number: int) -> tuple[int, str]:
        self.process.send_signal(number)
        output, _ = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, output

    def finished(self) -> tuple[int, str]:
        output, _ = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, output


@pytest.fixture
def start():
    """Starts devices and benches, and ends those that are left."""
    started = []

    def start_one(namespace: str = "/test", **parameters) -> tuple[Bench, Device]:
        device = Device(namespace, **{"device_config": DEVICES / "hip_ankle.yaml", **parameters})
        bench = Bench(namespace)
        started.append((bench, device))
        return bench, device

    yield start_one
    for bench, device in started:
        device.process.kill()
        device.process.wait()
        bench.close()


def test_states_flow_and_torque_needs_arming(start):
    bench, device = start(**RELAXED)
    bench.torque = 8.0
    status = bench.wait_mode(DeviceStatus.DISARMED)
    bench.wait(lambda: len(bench.joint_states) > 20 and len(bench.imus) > 20, "states")
    assert list(bench.joint_states[-1].name) == JOINTS
    assert list(bench.joint_states[-1].position) == [0.1, 0.2, 0.3, 0.4]
    assert bench.imus[-1].header.frame_id == "pelvis_imu"
    stamps = {(imu.header.stamp.sec, imu.header.stamp.nanosec) for imu in bench.imus}
    states = [(state.header.stamp.sec, state.header.stamp.nanosec) for state in bench.joint_states[:-2]]
    assert sum(stamp in stamps for stamp in states) > 0.9 * len(states)
    assert status.driver == "simulated" and list(status.names) == JOINTS
    assert all(not command.enable and not any(command.torque) for command in bench.commands)
    bench.torque = 0.0
    bench.arm(8.0)
    assert list(status.torque_limit) == pytest.approx([22.5, 37.5, 22.5, 37.5])
    assert bench.commands[-1].enable
    bench.wait(lambda: bench.diagnostics and len(bench.diagnostics[-1].status) > 1, "diagnostics")
    names = [entry.name for entry in bench.diagnostics[-1].status]
    assert names == ["/test/device_node"] + [f"/test/device_node: motor {joint}" for joint in JOINTS]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_with_zero_torque_motors_off_and_exit_code_0(start, number):
    bench, device = start(**RELAXED)
    bench.arm(8.0)
    code, output = device.end(number)
    assert code == 0, output
    assert "Traceback" not in output and "SHUTDOWN" in output
    bench.wait(lambda: not bench.commands[-1].enable, "motors off")
    assert not any(bench.commands[-1].torque)


def test_a_silent_policy_stops_it_and_disarm_then_arm_starts_it_again(start):
    bench, device = start(**{**RELAXED, "command_timeout_s": 0.5})
    bench.arm(8.0)
    bench.policy_alive = False
    status = bench.wait_mode(DeviceStatus.FAULT)
    assert status.faults == DeviceStatus.FAULT_STALE_COMMAND and list(status.fault_names) == ["STALE_COMMAND"]
    assert "command" in status.cause
    bench.wait(lambda: not bench.commands[-1].enable, "motors off")
    bench.policy_alive = True
    bench.torque = 0.0
    reply = bench.call("arm")
    assert not reply.success and "disarm" in reply.message
    assert bench.call("disarm").success
    bench.arm(4.0)


class Intruder:
    """A second node that publishes exo/command."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.node = rclpy.create_node("intruder", namespace=bench.namespace, context=bench.context)
        self._publisher = self.node.create_publisher(TorqueCommand, "exo/command", LATEST)
        bench.wait(lambda: self._publisher.get_subscription_count() > 0, "the device's ear")

    def push(self) -> None:
        """The largest torque, with sequence numbers that would be followed."""
        stamp, sequence = self.bench.joint_states[-1].header.stamp, self.bench._command_sequence + 1
        self._publisher.publish(TorqueCommand(state_stamp=stamp, sequence=sequence, names=JOINTS, torque=[-20.0] * 4))


def test_a_second_publisher_of_commands_stops_it_by_default(start):
    bench, device = start(**RELAXED)
    bench.arm(8.0)
    intruder = Intruder(bench)
    bench.wait(lambda: (intruder.push(), bench.statuses[-1].mode == DeviceStatus.FAULT)[1], "the fault")
    status = bench.statuses[-1]
    assert status.faults & DeviceStatus.FAULT_SEQUENCE_GAP
    assert "two nodes publish" in status.cause and "/test/bench" in status.cause
    assert min(min(command.torque, default=0.0) for command in bench.commands) >= 0.0
    bench.wait(lambda: not bench.commands[-1].enable, "motors off")
    code, output = device.end(signal.SIGINT)
    assert code == 0 and "/test/intruder" in output


#: Publishes, as soon as somebody hears it, with a number of its choice, and stays until its standard input ends.
FORGER = """
import sys, time, rclpy
from builtin_interfaces.msg import Time
from exo_core.ros import LATEST
from exo_msgs.msg import TorqueCommand
number, sec, nanosec, joints = *map(int, sys.argv[1:4]), sys.argv[4:]
rclpy.init()
node = rclpy.create_node("forger", namespace="/test")
publisher = node.create_publisher(TorqueCommand, "exo/command", LATEST)
for _ in range(number):
    publisher.publish(TorqueCommand())
while not publisher.get_subscription_count():
    time.sleep(0.001)
stamp = Time(sec=sec, nanosec=nanosec)
publisher.publish(TorqueCommand(state_stamp=stamp, sequence=number, names=joints, torque=[-20.0] * len(joints)))
sys.stdin.read()
node.destroy_node()
rclpy.shutdown()
"""


def test_one_that_knows_the_next_number_is_not_followed(start):
    """Messages sent before the device has discovered a publisher count, too: it can have any number it likes."""
    bench, device = start(**RELAXED)
    bench.arm(8.0)
    state, number = bench.joint_states[-1].header.stamp, bench._command_sequence + 20
    intruder = subprocess.Popen(
        [sys.executable, "-c", FORGER, str(number), str(state.sec), str(state.nanosec), *JOINTS],
        env={**os.environ, "ROS_DOMAIN_ID": str(DOMAIN), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"},
        stdin=subprocess.PIPE,
    )
    try:
        status = bench.wait_mode(DeviceStatus.FAULT)
        assert status.faults & DeviceStatus.FAULT_SEQUENCE_GAP and "two nodes publish" in status.cause
        bench.wait(lambda: not bench.commands[-1].enable, "motors off")
        assert min(min(command.torque, default=0.0) for command in bench.commands) >= 0.0
        bench.torque = 0.0
        assert bench.call("disarm").success
        reply = bench.call("arm")
        assert not reply.success and "two nodes publish" in reply.message
        intruder.communicate(timeout=PATIENCE_S)  # it ends in order
        bench.arm(8.0)
    finally:
        intruder.kill()


def test_a_second_publisher_of_commands_is_ignored_on_request(start):
    bench, device = start(second_publisher="ignore", **RELAXED)
    bench.arm(8.0)
    bench.wait(lambda: bench._command_sequence > 300, "numbers far from the intruder's")
    intruder = Intruder(bench)
    pushes = iter(range(200))

    def refused() -> int:
        if next(pushes, None) is not None:  # fewer than would catch up
            intruder.push()
        values = [value for entry in bench.diagnostics[-1:] for value in entry.status[0].values]
        return max((int(v.value) for v in values if v.key.startswith("refused commands")), default=0)

    bench.wait(lambda: refused() > 5, "refused commands in /diagnostics")
    assert bench.statuses[-1].mode == DeviceStatus.ACTIVE
    assert min(min(command.torque, default=0.0) for command in bench.commands) >= 0.0
    assert bench.commands[-1].torque[0] > 0.9 * 8.0


def test_silent_motors_stop_it(start):
    bench, device = start(**{**RELAXED, "state_silence_s": 0.5})
    bench.arm(8.0)
    bench.motors_alive = False
    status = bench.wait_mode(DeviceStatus.FAULT)
    assert status.faults & DeviceStatus.FAULT_BUS_LOST


def test_user_stop_latches(start):
    bench, device = start(**RELAXED)
    bench.arm(8.0)
    assert bench.call("stop").success
    status = bench.wait_mode(DeviceStatus.FAULT)
    assert status.faults == DeviceStatus.FAULT_USER_STOP
    code, output = device.end(signal.SIGINT)
    assert code == 0 and "stopped by exo/stop" in output


def test_lockstep_answers_each_state_once_with_its_own_command(start):
    bench, device = start(lockstep=True, **RELAXED)
    bench.arm(8.0)
    bench.wait(lambda: len(bench.commands) > 100, "commands")
    sequences = [command.sequence for command in bench.commands[:100]]
    assert len(sequences) == len(set(sequences))


def test_two_namespaces_do_not_hear_each_other(start):
    first, _ = start("/one", **RELAXED)
    second, _ = start("/two", **RELAXED)
    first.arm(8.0)
    second.wait(lambda: len(second.commands) > 10, "commands")
    assert not any(command.enable for command in second.commands)


def bad_device(tmp_path) -> Path:
    path = tmp_path / "bad.yaml"
    path.write_text((DEVICES / "hip.yaml").read_text().replace("mass_kg: 2.8", "mass_kg: -2.8"))
    return path


@pytest.mark.parametrize(
    "parameters, word",
    [
        ({"device_config": None}, "device_config"),
        ({"device_config": "/nowhere/device.yaml"}, "/nowhere/device.yaml"),
        ({"device_config": bad_device}, "segments.pelvis.mass_kg"),
        ({"driver": "steam"}, "choose one of"),
        ({"driver_config": "/nowhere/driver.yaml"}, "/nowhere/driver.yaml"),
        ({"wearer_mass_kg": 5.0}, "wearer_mass_kg"),
        ({"wearer_mass_kg": "heavy"}, "wearer_mass_kg"),
        ({"ramp_down_s": 0.05}, "slew_limit_nm_per_s"),
    ],
)
def test_bad_configuration_gives_one_line_and_exit_code_2(tmp_path, parameters, word):
    parameters = {"device_config": DEVICES / "hip_ankle.yaml", **parameters}
    if callable(parameters["device_config"]):
        parameters["device_config"] = parameters["device_config"](tmp_path)
    code, output = Device("/bad", **parameters).finished()
    assert code == 2, output
    lines = output.strip().splitlines()
    assert len(lines) == 1 and word in lines[0], output


# --- the node in this process: lifecycle, parameters, answers


class Inside:
    """The node in a thread of this process."""

    def __init__(self, namespace: str, **given) -> None:
        values = {"device_config": DEVICES / "hip_ankle.yaml", **RELAXED, "auto_start": False, **given}
        arguments = ["--ros-args", "-r", f"__ns:={namespace}"]
        for name, value in values.items():
            arguments += ["-p", f"{name}:={value}"]
        rclpy.init(args=arguments, domain_id=DOMAIN)
        self.node = device_node.DeviceNode()
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.thread = threading.Thread(target=self._spin, daemon=True)

    def _spin(self) -> None:
        try:
            self.executor.spin()
        except ExternalShutdownException:
            pass

    def start(self) -> "Inside":
        assert self.node.trigger_configure() is TransitionCallbackReturn.SUCCESS
        assert self.node.trigger_activate() is TransitionCallbackReturn.SUCCESS
        self.thread.start()
        return self

    def set(self, name: str, value) -> tuple[bool, str]:
        result = self.node.set_parameters([Parameter(name, value=value)])[0]
        return result.successful, result.reason

    def close(self) -> None:
        self.node.release()
        self.executor.shutdown()
        if self.thread.ident:
            self.thread.join(5.0)
        self.node.destroy_node()
        rclpy.try_shutdown()


@pytest.fixture
def inside():
    """Starts a bench with the node in this process."""
    started = []

    def start_one(**given) -> tuple[Bench, Inside]:
        namespace = f"/inside_{os.getpid()}"
        started.append((Bench(namespace), Inside(namespace, **given)))
        return started[-1]

    yield start_one
    for bench, device in started:
        device.close()
        bench.close()


def test_deactivating_is_no_fault_and_a_stop_outlives_cleanup(inside):
    bench, device = inside()
    device.start()
    bench.arm(8.0)
    device.node.trigger_deactivate()
    status = bench.wait_mode(DeviceStatus.DISARMED)
    assert not status.faults and "deactivated" in status.cause
    bench.wait(lambda: not bench.commands[-1].enable, "motors off")
    device.node.trigger_activate()
    bench.torque = 0.0
    bench.arm(8.0)  # a lifecycle manager's pause and resume needs no disarm

    assert bench.call("stop").success
    bench.wait_mode(DeviceStatus.FAULT)
    device.node.trigger_deactivate()
    device.node.trigger_cleanup()
    bench.wait(lambda: "not configured" in bench.statuses[-1].cause, "the status of an unconfigured node")
    assert bench.statuses[-1].mode == DeviceStatus.FAULT and "exo/stop" in bench.statuses[-1].cause
    reply = bench.call("arm")
    assert not reply.success and "not configured" in reply.message
    device.node.trigger_configure()
    device.node.trigger_activate()
    bench.wait(lambda: bench.statuses[-1].cause == "stopped by exo/stop", "the latch")
    assert bench.statuses[-1].faults == DeviceStatus.FAULT_USER_STOP
    assert not bench.call("arm").success
    assert bench.call("disarm").success
    bench.torque = 0.0
    bench.arm(8.0)


def test_a_second_device_in_the_namespace_is_named(inside, capfd):
    bench, device = inside()
    device.start()
    bench.node.create_publisher(DeviceStatus, "exo/status", LATCHED)
    said = ""

    def heard() -> str:
        nonlocal said
        said += capfd.readouterr().err
        return "another node publishes" in said

    bench.wait(heard, "the line about another device")


def test_services_answer_and_latch_without_a_device(inside):
    bench, device = inside()
    device.thread.start()
    assert "not configured" in bench.call("arm").message
    assert bench.call("stop").success
    assert bench.wait_mode(DeviceStatus.FAULT).faults == DeviceStatus.FAULT_USER_STOP
    device.node.trigger_configure()
    bench.wait(lambda: list(bench.statuses[-1].names) == JOINTS, "the device's status")
    assert bench.statuses[-1].mode == DeviceStatus.FAULT
    assert bench.call("disarm").success  # inactive: no loop runs, and the status follows all the same
    bench.wait_mode(DeviceStatus.DISARMED)
    device.node.trigger_cleanup()
    bench.call("stop")
    bench.wait_mode(DeviceStatus.FAULT)
    assert bench.call("disarm").success
    bench.wait_mode(DeviceStatus.DISARMED)
    device.node.trigger_configure()
    assert device.node.cause() == "not armed yet"


def test_arm_answers_with_the_outcome_and_holds_up_nobody(inside, monkeypatch, capfd):
    safety = DeviceParameters.safety
    monkeypatch.setattr(DeviceParameters, "safety", lambda self: replace(safety(self), arming_timeout_s=2.0))
    bench, device = inside()
    bench.policy_alive = False
    device.start()
    bench.wait(lambda: bench.joint_states, "joint states")
    waiting = bench.clients["arm"].call_async(Trigger.Request())
    assert bench.wait_mode(DeviceStatus.ARMING)
    bench.wait(waiting.done, "the outcome")
    assert not waiting.result().success
    assert waiting.result().message == "disarmed: not armed within 2 s: no command yet"
    assert "[WARN]" in capfd.readouterr().err

    waiting = bench.clients["arm"].call_async(Trigger.Request())
    bench.wait_mode(DeviceStatus.ARMING)
    assert not waiting.done()
    assert bench.call("stop").success  # while the other call waits
    bench.wait(waiting.done, "the outcome")
    assert not waiting.result().success and "exo/stop" in waiting.result().message
    assert bench.call("disarm").success

    bench.torque, bench.policy_alive = 8.0, True  # a policy that knows nothing of modes
    reply = bench.call("arm")
    assert reply.success and reply.message == "active"
    bench.wait(lambda: bench.commands[-1].torque[0] > 7.0, "torque at the motors")


def test_power_is_permitted_while_the_loop_lives_and_not_after_a_crash_or_a_stop_that_nobody_obeys(inside, monkeypatch):
    from std_msgs.msg import Bool

    from exo_device.safety import Fault

    bench, device = inside()
    said = []
    bench.node.create_subscription(Bool, "exo/torque_permitted", lambda message: said.append(message.data), LATCHED)
    device.start()
    bench.wait(lambda: len(said) > 5, "word for the relay")
    assert all(said)  # armed or not: motors lose their zeros with their power
    # any fault stands in for it: the simulated driver's motors obey
    stands_in = SimpleNamespace(STOP_NOT_CONFIRMED=Fault.USER_STOP)
    monkeypatch.setattr("exo_device.torque_permit.Fault", stands_in)
    assert bench.call("stop").success
    bench.wait(lambda: not said[-1], "power taken away")
    assert bench.call("disarm").success
    bench.wait(lambda: said[-1], "power again")
    monkeypatch.setattr(device.node._setup.loop, "step", lambda: 1 // 0)
    bench.wait(lambda: not said[-1], "power taken away by a crash")


def test_a_storm_of_arm_holds_nothing_up(inside):
    bench, device = inside()
    device.start()
    bench.policy_alive = False
    bench.wait(lambda: bench.joint_states, "joint states")
    for _ in range(200):
        bench.clients["arm"].call_async(Trigger.Request())
    assert bench.call("stop").success
    bench.wait_mode(DeviceStatus.FAULT)
    assert "exo/disarm" in bench.call("arm").message  # and nobody waits any more


def test_parameters_that_are_read_at_configure_are_refused_meanwhile(inside):
    bench, device = inside()
    assert device.set("wearer_mass_kg", 80.0) == (True, "")
    device.start()
    for name, value in (
        ("wearer_mass_kg", 150.0),
        ("driver", "replay"),
        ("command_timeout_s", 1.0),
        ("stride_gate", True),
    ):
        taken, reason = device.set(name, value)
        assert not taken and "deactivate and clean up first" in reason
    assert not device.set("use_mock_hardware", True)[0]  # read-only
    assert bench.wait_mode(DeviceStatus.DISARMED).wearer_mass == 80.0
    device.node.trigger_deactivate()
    device.node.trigger_cleanup()
    assert device.set("wearer_mass_kg", 60.0) == (True, "")
    device.node.trigger_configure()
    bench.wait(lambda: bench.statuses[-1].wearer_mass == 60.0, "the new mass")
    described = {d.name: d for d in device.node.describe_parameters(["driver", "second_publisher", "state_folder"])}
    assert "cubemars_can" in described["driver"].additional_constraints
    assert described["second_publisher"].additional_constraints == "one of fault, ignore"


def test_real_motors_fix_the_parameters_for_good(inside, tmp_path):
    settings = {**read_driver_config(DRIVERS / "cubemars_example.yaml", "cubemars_can"), "guardian": False}
    settings.update(interface="virtual", channel=f"node-{os.getpid()}")
    (tmp_path / "driver.yaml").write_text(yaml.safe_dump({"driver": "cubemars_can", **settings}))
    narrow = {
        "fade_in_s": 0.5,
        "command_timeout_s": 0.1,
        "state_timeout_s": 0.1,
        "state_silence_s": 0.1,
        "ros_silence_s": 1.0,
    }
    bench, device = inside(
        driver="cubemars_can",
        driver_config=tmp_path / "driver.yaml",
        state_folder=tmp_path / "state",
        wearer_mass_kg=62.0,
        **narrow,
    )
    device.start()
    status = bench.wait_mode(DeviceStatus.DISARMED)
    assert status.device_sha256 == file_sha256(DEVICES / "hip_ankle.yaml")
    assert status.driver_sha256 == file_sha256(tmp_path / "driver.yaml")
    reply = bench.call("arm")
    assert not reply.success and "bench check" in reply.message
    # the way round the latch, from another node
    assert bench.call("stop").success
    device.node.trigger_deactivate()
    device.node.trigger_cleanup()
    for name, value in (
        ("wearer_mass_kg", 200.0),
        ("stride_gate", True),
        ("second_publisher", "ignore"),
        ("command_timeout_s", 60.0),
        ("state_silence_s", 600.0),
        ("require_bench_check", False),
        ("use_sim_time", True),
    ):
        taken, reason = device.set(name, value)
        assert not taken and reason, name
    assert not device.node.get_parameter("use_sim_time").value
    device.node.trigger_configure()
    device.node.trigger_activate()
    bench.wait(lambda: bench.statuses[-1].cause == "stopped by exo/stop", "the latch")
    assert bench.statuses[-1].faults & DeviceStatus.FAULT_USER_STOP and bench.statuses[-1].wearer_mass == 62.0
    assert "USER_STOP" in next((tmp_path / "state").glob("latch-*.json")).read_text()


def test_what_goes_wrong_in_a_transition_is_logged_with_its_reason(inside, monkeypatch, capfd):
    bench, device = inside()

    def broken(*_, **__):
        raise KeyError("a field that no recording has")

    with monkeypatch.context() as patch:
        patch.setattr(device_node, "assemble", broken)
        assert device.node.trigger_configure() is TransitionCallbackReturn.ERROR
    said = capfd.readouterr().err
    assert "on_configure failed" in said and "KeyError" in said and "a field that no recording has" in said
    device.start()  # a new configure succeeds
    monkeypatch.setattr(device_node.DeviceNode, "end_loop", broken)
    device.node.trigger_deactivate()
    assert "on_deactivate failed" in capfd.readouterr().err
    monkeypatch.undo()
