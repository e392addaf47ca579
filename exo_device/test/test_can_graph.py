# SPDX-License-Identifier: Apache-2.0
"""device_node as a process on emulated motors: CAN frames over multicast, topics to a policy of this test."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml

rclpy = pytest.importorskip("rclpy")
pytest.importorskip("exo_msgs.msg")

from emulated_odrive import EmulatedAxis, serve_axes
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Imu, JointState
from std_srvs.srv import Trigger

from exo_core.ros import LATCHED, LATEST
from exo_device.drivers import DriverError, make_driver, read_driver_config
from exo_device.drivers.can.port import PythonCanPort
from exo_device.drivers.cubemars_can.codec import MitCommand
from exo_device.drivers.ros import SpinningThread, driver_node
from exo_device.emulator import EmulatedBus, Fault, Followed, SpringDamper
from exo_device.emulator.motor import serve
from exo_device.emulator.ros import SimulatorLink
from exo_msgs.msg import DeviceStatus, MotorCommand, MotorStates, TorqueCommand

CONFIG = Path(__file__).resolve().parents[1] / "exo_device" / "config"
DEVICE = CONFIG / "devices" / "hip_ankle.yaml"
EXAMPLE = CONFIG / "drivers" / "cubemars_example.yaml"
ODRIVE_EXAMPLE = CONFIG / "drivers" / "odrive_example.yaml"
DOMAIN = int(os.environ["EXO_TEST_DOMAIN"])  # conftest.py
PATIENCE_S = 30.0
#: A busy machine must not trip the watchdogs of a test that is about something else.
RELAXED = {
    "command_timeout_s": 5.0,
    "state_timeout_s": 5.0,
    "state_silence_s": 5.0,
    "ros_silence_s": 60.0,
    "stride_gate": False,
    "use_mock_hardware": True,
    "fade_in_s": 0.0,
}


def wait_until(condition):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


class CubemarsMotors:
    """Emulated AK motors whose firmware holds its last torque, in a thread of this process."""

    def __init__(self, bus: dict) -> None:
        self.settings = {**read_driver_config(EXAMPLE, "cubemars_can"), **bus}
        config = make_driver("cubemars_can", self.settings).config
        self.bus = EmulatedBus(config, lambda joint: SpringDamper(stiffness_nm_per_rad=60.0, swing_rad=0.2))
        self.bus.plan.add(Fault("hold"))
        self.motors = list(self.bus.motors.values())

    def serve(self, port: PythonCanPort, stop: threading.Event) -> None:
        serve(self.bus, port, stop)


class ODriveMotors:
    """Emulated ODrives with their watchdog on, in a thread of this process."""

    def __init__(self, bus: dict) -> None:
        self.settings = {**read_driver_config(ODRIVE_EXAMPLE, "odrive_can"), **bus}
        config = make_driver("odrive_can", self.settings).config
        self.axes = {joint: EmulatedAxis(axis) for joint, axis in config.axes.items()}
        self.motors = list(self.axes.values())

    def serve(self, port: PythonCanPort, stop: threading.Event) -> None:
        springs = {joint: SpringDamper(stiffness_nm_per_rad=60.0, swing_rad=0.2) for joint in self.axes}
        serve_axes(self.axes, springs, port, stop)


MOTORS = {"cubemars_can": CubemarsMotors, "odrive_can": ODriveMotors}


class Graph:
    """Motors in a thread, a device node as a process, a policy."""

    def __init__(self, driver: str, folder: Path) -> None:
        emulated = MOTORS[driver](
            {
                "interface": "udp_multicast",
                "channel": "239.74.163.77",
                "bus_rate_hz": 100.0,
                "host_timeout_s": 2.0,
                "bus_options": {"port": int(os.environ["EXO_TEST_PORT"])},
                "reply_timeout_s": 1.0,
            }
        )
        path = folder / "driver.yaml"
        path.write_text(yaml.safe_dump({"driver": driver, **emulated.settings}))
        self.motors, settings = emulated.motors, emulated.settings
        self.port = PythonCanPort(settings["interface"], settings["channel"], 1_000_000, settings["bus_options"])
        self.stop = threading.Event()
        self.server = threading.Thread(target=emulated.serve, args=(self.port, self.stop), daemon=True)
        self.server.start()
        parameters = {"device_config": DEVICE, "driver": driver, "driver_config": path, **RELAXED}
        command = [sys.executable, "-m", "exo_device.device_node", "--ros-args", "-r", "__ns:=/can"]
        for name, value in parameters.items():
            command += ["-p", f"{name}:={value}"]
        self.process = subprocess.Popen(command, env={**os.environ, "ROS_DOMAIN_ID": str(DOMAIN)})
        rclpy.init(domain_id=DOMAIN)
        node = driver_node("policy", "/can")
        self.asked, self.answers, self.statuses = 0.0, 0, []
        self._command = node.create_publisher(TorqueCommand, "exo/command", LATEST)
        node.create_subscription(JointState, "exo/joint_states", self._answer, qos_profile_sensor_data)
        node.create_subscription(DeviceStatus, "exo/status", self.statuses.append, LATCHED)
        self.arm = node.create_client(Trigger, "exo/arm")
        self.policy = SpinningThread(node)

    def _answer(self, message: JointState) -> None:
        self.answers += 1
        names = list(message.name)
        self._command.publish(
            TorqueCommand(
                state_stamp=message.header.stamp, sequence=self.answers, names=names, torque=[self.asked] * len(names)
            )
        )

    def activate(self, torque: float) -> None:
        wait_until(lambda: self.answers > 10 and self.arm.service_is_ready())
        future = self.arm.call_async(Trigger.Request())
        wait_until(future.done)
        assert future.result().success, future.result().message
        wait_until(lambda: self.statuses[-1].mode == DeviceStatus.ACTIVE)
        self.asked = torque
        wait_until(lambda: all(motor.torque == pytest.approx(torque, abs=0.04) for motor in self.motors))

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.policy.close()
        rclpy.try_shutdown()
        self.stop.set()
        self.server.join(PATIENCE_S)
        self.port.close()


@pytest.fixture
def graph(request, tmp_path):
    """The graph on motors of the driver that the test names."""
    try:
        graph = Graph(request.param, tmp_path)
    except DriverError as error:  # a machine without multicast
        pytest.skip(str(error))
    yield graph
    graph.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("graph", MOTORS, indirect=True)
def test_torque_flows_from_policy_to_motor_and_stops_with_the_node(graph, number):
    """On SIGKILL only the guardian is left to switch motors off that hold their torque, and ODrive's watchdog."""
    graph.activate(6.0)
    graph.process.send_signal(number)
    wait_until(lambda: not any(motor.torque or motor.is_on for motor in graph.motors))
    assert graph.process.wait(PATIENCE_S) == (0 if number is signal.SIGTERM else -number)


def test_simulator_link_turns_the_motors_and_gives_their_torque_back():
    config = make_driver("cubemars_can", read_driver_config(EXAMPLE, "cubemars_can")).config
    bus = EmulatedBus(config, lambda joint: Followed())
    rclpy.init(domain_id=DOMAIN)
    try:
        node = rclpy.create_node("simulator", namespace="/link")
        commands, imus = [], []
        states = node.create_publisher(MotorStates, "sim/motor_states", LATEST)
        node.create_subscription(MotorCommand, "sim/motor_command", commands.append, LATEST)
        node.create_subscription(Imu, "sim/imu", imus.append, qos_profile_sensor_data)
        simulator, link = SpinningThread(node), SpinningThread(SimulatorLink(bus, "/link"))
        assert not link.node.has_states.is_set()
        motor = bus.motors["ankle_angle_r"]
        codec = config.motors["ankle_angle_r"].codec()
        bus.on_frame(codec.enable(), 0.0)
        bus.on_frame(codec.command(MitCommand(torque=13.0)), 0.0)
        wait_until(lambda: states.get_subscription_count() > 0)
        message = MotorStates(
            sequence=7,
            names=["knee_angle_r", "ankle_angle_r"],
            position=[0.9, 0.2],
            velocity=[0.0, -1.5],
            torque=[0.0, -11.0],
        )
        message.imu.angular_velocity.y = 0.3

        def passed_through() -> bool:
            states.publish(message)
            return bool(commands and imus)

        wait_until(passed_through)
        assert link.node.has_states.is_set()
        assert (motor.mechanics.position, motor.mechanics.velocity) == (0.2, -1.5)
        assert list(commands[-1].names) == ["ankle_angle_r"] and commands[-1].sequence == 7
        assert commands[-1].enable and commands[-1].torque[0] == pytest.approx(-13.0)  # mounted backwards
        assert imus[-1].angular_velocity.y == 0.3
        torques = lambda: [round(command.torque[0]) for command in commands]  # noqa: E731
        for joint, other in config.motors.items():  # a torque counts once every motor has been told its own
            assert -5 not in torques()
            bus.on_frame(other.codec().command(MitCommand(torque=5.0 if joint == "ankle_angle_r" else 0.0)), 0.01)
            link.node.after_frame()
        wait_until(lambda: -5 in torques())  # though no state has come since
        while bus.pop_one(0.02) is not None:
            pass
        bus.on_frame(codec.command(MitCommand(torque=13.0)), 0.01)
        reply = codec.decode_reply(bus.pop_one(0.02))
        assert reply.torque == pytest.approx(11.0, abs=0.04)  # as the simulator says, on the motor's side
        link.close()
        simulator.close()
    finally:
        rclpy.try_shutdown()
