# SPDX-License-Identifier: Apache-2.0
"""One bench a driver: how to make it, how to play its motors, and what its bus cannot carry."""

import json
import os
import re
import socket
import threading
import time
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from emulated_odrive import EmulatedAxis

from exo_device.drivers import make_driver, read_driver_config
from exo_device.drivers.can.port import PythonCanPort
from exo_device.drivers.cubemars_can import CubemarsConfig, CubemarsDriver
from exo_device.drivers.replay import ReplayConfig, ReplayDriver, Tape
from exo_device.drivers.simulated import MemoryBus, SimulatedConfig, SimulatedDriver
from exo_device.emulator import EmulatedBus, Followed
from exo_device.emulator.motor import serve
from exo_device.signals import MotorTorque

#: Long enough for a message to pass on a busy machine; a test that passes does not wait for it.
PATIENCE_S = 20.0
DOMAIN = int(os.environ["EXO_TEST_DOMAIN"])  # conftest.py
EXAMPLE = Path(__file__).resolve().parents[1] / "exo_device" / "config" / "drivers" / "cubemars_example.yaml"


class Bench:
    """What the tests ask of a bench, and what a bus can carry unless it says otherwise."""

    #: Stamps, and numbers, come from the motors; else from the driver.
    keeps_stamps = keeps_numbers = True
    #: A sample says which joints it is of, and may contradict itself.
    carries_names = True
    #: The motors' own error codes come through.
    carries_errors = True
    #: Commands carry the number of the state that they answer.
    carries_sequence = True
    #: wake() ends a waiting read(); a driver may leave that out.
    wakes = True
    #: Motors that were lost are there again only after a while.
    recovers_slowly = False
    #: How far numbers may differ from those put in: steps of the bus's fields (rad, Nm).
    position_step, torque_step = 1e-12, 1e-12

    def close(self) -> None:
        """Ends the motors."""


def wait_until(condition, patience_s: float = PATIENCE_S) -> bool:
    end = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() >= end:
            return False
        time.sleep(0.002)
    return True


class MemoryBench(Bench):
    """driver `simulated` within the process."""

    def __init__(self) -> None:
        self._bus = MemoryBus()
        self.driver = SimulatedDriver(SimulatedConfig(transport="memory"), self._bus)

    def put_state(self, state) -> None:
        self._bus.put_state(state)

    def commands(self) -> list[MotorTorque]:
        return self._bus.commands


class RosBench(Bench):
    """driver `simulated` on topics; the motors are a node of this test."""

    def __init__(self) -> None:
        rclpy = pytest.importorskip("rclpy")
        messages = pytest.importorskip("exo_msgs.msg")
        from exo_core.ros import LATEST as BUS_QOS
        from exo_core.time import stamp_ns
        from exo_device.messages import to_stamp

        self._rclpy, self._messages, self._to_stamp = rclpy, messages, to_stamp
        rclpy.init(domain_id=DOMAIN)
        self._node = rclpy.create_node("motors", namespace="/contract")
        self._received: list[MotorTorque] = []
        self._publisher = self._node.create_publisher(messages.MotorStates, "sim/motor_states", BUS_QOS)
        self._node.create_subscription(
            messages.MotorCommand,
            "sim/motor_command",
            lambda m: self._received.append(
                MotorTorque(stamp_ns(m.header.stamp), m.sequence, m.enable, tuple(m.names), np.array(m.torque))
            ),
            10,
        )
        self.driver = make_driver("simulated", {"namespace": "/contract"})

    def put_state(self, state) -> None:
        self._spin_until(lambda: self._publisher.get_subscription_count() > 0)
        message = self._messages.MotorStates(
            sequence=state.sequence,
            names=list(state.names),
            position=state.position.tolist(),
            velocity=state.velocity.tolist(),
            torque=state.torque.tolist(),
            error=state.error.tolist(),
            temperature=state.temperature.tolist(),
            bus_voltage=state.bus_voltage,
        )
        message.header.stamp = self._to_stamp(state.stamp_ns)
        message.imu.orientation.w = 1.0
        self._publisher.publish(message)

    def commands(self) -> list[MotorTorque]:
        count = len(self._received)
        self._spin_until(lambda: len(self._received) > count)
        return self._received

    def _spin_until(self, condition) -> None:
        end = time.monotonic() + (1.0 if self._received else PATIENCE_S)
        while not condition() and time.monotonic() < end:
            self._rclpy.spin_once(self._node, timeout_sec=0.02)

    def close(self) -> None:
        self._node.destroy_node()
        self._rclpy.try_shutdown()


class AnsweringOnce(EmulatedBus):
    """Motors that answer once for each state that is put in, so that a test knows what it reads."""

    def __init__(self, config: CubemarsConfig) -> None:
        super().__init__(config, lambda joint: Followed())
        self._answers: set[str] = set()
        self.frames = 0

    def put(self, state) -> None:
        for index, joint in enumerate(state.names):
            motor = self.motors[joint]
            motor.mechanics.position, motor.mechanics.velocity = state.position[index], state.velocity[index]
            motor.error, motor.temperature = int(state.error[index]), float(state.temperature[index])
        self._answers |= set(state.names)

    def on_frame(self, frame, now_s: float) -> None:
        self.frames += 1
        for joint, motor in self.motors.items():
            replies = motor.on_frame(frame, now_s)
            if replies and joint in self._answers:
                self._answers.remove(joint)
                self.push(*replies[0])


class CubemarsBench(Bench):
    """driver `cubemars_can` on python-can's `virtual` interface, with emulated motors in a thread."""

    keeps_stamps = keeps_numbers = carries_names = carries_sequence = False
    recovers_slowly = True
    firmware = "v2"
    _buses = 0

    def __init__(self) -> None:
        CubemarsBench._buses += 1
        settings = read_driver_config(EXAMPLE, "cubemars_can")
        constants = {"pole_pairs": 21, "gear_ratio": 9.0, "torque_constant_nm_per_a": 0.1}
        for motor in settings["motors"].values():
            motor.update(firmware=self.firmware, **(constants if self.firmware == "v3" else {}))
        settings.update(
            interface="virtual",
            channel=f"bench-{os.getpid()}-{self._buses}",
            bus_rate_hz=250.0,
            state_rate_hz=250.0,
            reply_timeout_s=1.0,
            host_timeout_s=5.0,
        )
        self.driver: CubemarsDriver = make_driver("cubemars_can", settings)
        self.config = self.driver.config
        codec = next(iter(self.config.motors.values())).codec()
        self.position_step = codec.reply_steps[0]
        self.torque_step = 130.0 / 4095
        self.bus = AnsweringOnce(self.config)
        self._port = PythonCanPort("virtual", self.config.channel, self.config.bitrate)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=serve, args=(self.bus, self._port, self._stop), daemon=True)
        self._thread.start()

    def put_state(self, state) -> None:
        self.bus.put(state)

    def commands(self) -> list[MotorTorque]:
        """What the motors do once they have heard whatever was last sent."""
        frames, thread = self.bus.frames, self.driver.master is not None
        if thread:  # enabling takes a few cycles
            wait_until(lambda: self.bus.frames >= frames + 8 * len(self.bus.motors))
        wait_until(lambda: False, 0.05)
        motors = self.bus.motors
        names = tuple(motors)
        return [
            MotorTorque(
                0,
                0,
                all(motor.is_on for motor in motors.values()),
                names,
                np.array([motor.torque for motor in motors.values()]),
            )
        ]

    def close(self) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_S)
        self._port.close()


class CubemarsV3Bench(CubemarsBench):
    """The same with firmware V3."""

    firmware = "v3"


class ODriveBench(Bench):
    """driver `odrive_can` on python-can's `virtual` interface, with emulated axes in a thread."""

    keeps_stamps = keeps_numbers = carries_names = carries_sequence = False
    recovers_slowly = True
    position_step, torque_step = 1e-5, 1e-5
    _buses = 0

    def __init__(self) -> None:
        ODriveBench._buses += 1
        joints = ("hip_flexion_r", "ankle_angle_r", "hip_flexion_l", "ankle_angle_l")
        axes = {
            joint: {
                "node_id": 3 + index,
                "sign": (-1) ** index,
                "gear_ratio": 6.0 + index,
                "joint_offset_rad": 0.1 * index,
            }
            for index, joint in enumerate(joints)
        }
        channel = f"odrive-{os.getpid()}-{self._buses}"
        self.driver = make_driver(
            "odrive_can",
            {"interface": "virtual", "channel": channel, "axes": axes, "reply_timeout_s": 1.0, "host_timeout_s": 5.0},
        )
        self.axes = {joint: EmulatedAxis(axis) for joint, axis in self.driver.config.axes.items()}
        self._port = PythonCanPort("virtual", channel, 1_000_000)
        self._to_send, self._frames, self._stop = [], 0, threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._stop.is_set():
            frame = self._port.receive(0.005)
            if frame is not None:
                self._frames += 1
                for axis in self.axes.values():
                    axis.on_frame(frame)
            while self._to_send:
                self._port.send(self._to_send.pop(0))

    def put_state(self, state) -> None:
        for index, joint in enumerate(state.names):
            axis = self.axes[joint]
            axis.position, axis.velocity = float(state.position[index]), float(state.velocity[index])
            axis.error = int(state.error[index])
            self._to_send += axis.report()

    def commands(self) -> list[MotorTorque]:
        frames = self._frames
        if self.driver.master is not None:
            wait_until(lambda: self._frames >= frames + 100)
        wait_until(lambda: False, 0.05)
        return [
            MotorTorque(
                0,
                0,
                all(axis.is_on for axis in self.axes.values()),
                tuple(self.axes),
                np.array([axis.torque for axis in self.axes.values()]),
            )
        ]

    def close(self) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_S)
        self._port.close()


class ReplayBench(Bench):
    """driver `replay`; the tape is made while it plays."""

    carries_errors = False

    def __init__(self) -> None:
        self._tape = Tape(is_complete=False)
        self.driver = ReplayDriver(ReplayConfig(path="made.mcap", stamps="recorded"), self._tape)

    def put_state(self, state) -> None:
        self._tape.states.append(replace(state, error=np.zeros(len(state.names), dtype=int)))
        self.driver.wake()

    def commands(self) -> list[MotorTorque]:
        return [self.driver.motor_torque]


class Ros2ControlBench(Bench):
    """driver `ros2_control` against a fake controller_manager of this test."""

    keeps_numbers = carries_errors = carries_sequence = False

    def __init__(self) -> None:
        rclpy = pytest.importorskip("rclpy")
        sensor = pytest.importorskip("sensor_msgs.msg")
        standard = pytest.importorskip("std_msgs.msg")
        from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

        from exo_device.messages import to_stamp

        self._rclpy, self._to_stamp, self._JointState = rclpy, to_stamp, sensor.JointState
        rclpy.init(domain_id=DOMAIN)
        #: The controller's own order is another.
        self.order = ["ankle_angle_l", "hip_flexion_l", "ankle_angle_r", "hip_flexion_r", "spare_joint"]
        self.received: list[list[float]] = []
        namespace = "/contract"
        self._controller = rclpy.create_node("forward_effort_controller", namespace=namespace)
        self._controller.declare_parameter("joints", self.order)
        self._controller.declare_parameter("interface_name", "effort")
        self._controller.create_subscription(
            standard.Float64MultiArray,
            "forward_effort_controller/commands",
            lambda message: self.received.append(list(message.data)),
            10,
        )
        self._publisher = self._controller.create_publisher(sensor.JointState, "joint_states", 10)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._controller)

        def spin() -> None:
            try:
                self._executor.spin()
            except ExternalShutdownException:
                pass

        self._thread = threading.Thread(target=spin, daemon=True)
        self._thread.start()
        self.driver = make_driver(
            "ros2_control",
            {"namespace": namespace, "answer_timeout_s": PATIENCE_S, "guardian": "none", "unguarded": True},
        )

    def put_state(self, state) -> None:
        assert wait_until(lambda: self._publisher.get_subscription_count() > 0)
        message = self._JointState(
            name=list(state.names),
            position=state.position.tolist(),
            velocity=state.velocity.tolist(),
            effort=state.torque.tolist(),
        )
        message.header.stamp = self._to_stamp(state.stamp_ns)
        self._publisher.publish(message)

    def commands(self) -> list[MotorTorque]:
        count = len(self.received)
        wait_until(lambda: len(self.received) > count, 1.0)
        names = tuple(reversed(self.order[:4]))
        sent = [MotorTorque(0, 0, True, names, np.array(data[3::-1])) for data in self.received]
        assert all(data[4] == 0.0 for data in self.received)
        return [command if command.torque.any() else replace(command, enable=False) for command in sent]

    def close(self) -> None:
        self._executor.shutdown()
        self._thread.join(PATIENCE_S)
        self._controller.destroy_node()
        self._rclpy.try_shutdown()


def example_source() -> str:
    """The driver on the page that says how to write one."""
    page = Path(__file__).resolve().parents[1] / "docs" / "writing_a_driver.md"
    return re.search(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S).group(1)


def example_module() -> types.ModuleType:
    """That source, executed."""
    module = types.ModuleType("udp_example")
    exec(compile(example_source(), "writing_a_driver.md", "exec"), module.__dict__)
    return module


class ExampleBench(Bench):
    """The documentation's example; the microcontroller is a socket of this test."""

    carries_errors = True
    wakes = False

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(PATIENCE_S)
        module = example_module()
        self.driver = module.UdpDriver(module.UdpConfig(host="127.0.0.1", port=self._socket.getsockname()[1]))
        self._received: list[MotorTorque] = []
        self._host = None

    def put_state(self, state) -> None:
        self._listen()
        motors = {}
        for index, joint in enumerate(state.names):
            fields = [
                field
                for field in ("position", "velocity", "torque", "temperature")
                if index < len(getattr(state, field))
            ]
            motors[joint] = {field: float(getattr(state, field)[index]) for field in fields}
            motors[joint]["error"] = int(state.error[index])
        imu = {
            "orientation": state.imu.orientation_xyzw.tolist(),
            "rate": state.imu.angular_velocity.tolist(),
            "force": state.imu.linear_acceleration.tolist(),
        }
        sample = {"stamp_ns": state.stamp_ns, "sequence": state.sequence, "motors": motors, "imu": imu}
        self._socket.sendto(json.dumps(sample).encode(), self._host)

    def commands(self) -> list[MotorTorque]:
        self._listen()
        return self._received

    def _listen(self) -> None:
        """Takes in what has come, and waits for the first word of the driver."""
        self._socket.settimeout(PATIENCE_S if not self._received else 0.05)
        try:
            while True:
                data, self._host = self._socket.recvfrom(65536)
                sequence, enable, torque = json.loads(data)
                values = np.array(list(torque.values()))
                self._received.append(MotorTorque(0, sequence, enable, tuple(torque), values))
                self._socket.settimeout(0.05)
        except TimeoutError:
            pass

    def close(self) -> None:
        self._socket.close()


BENCHES = {
    "simulated-memory": MemoryBench,
    "simulated-ros": RosBench,
    "cubemars-v2": CubemarsBench,
    "cubemars-v3": CubemarsV3Bench,
    "odrive": ODriveBench,
    "replay": ReplayBench,
    "ros2_control": Ros2ControlBench,
    "example-of-the-docs": ExampleBench,
}
