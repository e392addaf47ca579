# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for the graph's nodes: they speak its topics and services, but nobody walks.

python fake_node.py KIND. They come up in a second and run ten times as fast as real time, so that the
runner's own work can be tested alone.
FAKE_NODE_CRASH=KIND:SECONDS makes one end by itself with exit code 3.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path

import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

from exo_msgs.msg import DeviceStatus, HumanState, MotorStates, Stride
from exo_msgs.srv import LoadPolicy

#: The graph's parameters ask for simulated time, which nobody publishes here.
WALL = Clock(clock_type=ClockType.STEADY_TIME)
STEP_S, WALL_STEP_S, STRIDE_S = 0.02, 0.002, 1.1


class FakeSimulator(Node):
    def __init__(self):
        super().__init__("simulator_node", automatically_declare_parameters_from_overrides=True)
        self.declare_parameter("condition", "")
        self.paused, self.time_s, self.log = True, 0.0, []
        self.state = self.create_publisher(HumanState, "human/state", qos_profile_sensor_data)
        self.strides = self.create_publisher(Stride, "human/stride", 10)
        self.motors = self.create_publisher(MotorStates, "sim/motor_states", 1)
        self.create_service(SetBool, "sim/pause", self.on_pause)
        self.create_timer(WALL_STEP_S, self.step, clock=WALL)

    def on_pause(self, request, response):
        self.paused = request.data
        condition = self.get_parameter("condition").value
        self.log.append(f"{condition} until {self.get_parameter('run_until_s').value:g}")
        response.success = True
        return response

    def step(self):
        until = self.get_parameter("run_until_s").value
        before = self.time_s
        if not self.paused:
            self.time_s = min(self.time_s + STEP_S, until) if until > 0.0 else self.time_s + STEP_S
            self.paused = until > 0.0 and self.time_s >= until
        message = HumanState(speed=1.25, paused=self.paused, real_time_factor=10.0)
        message.header.stamp.sec = int(self.time_s)
        message.header.stamp.nanosec = int(self.time_s % 1 * 1e9)
        self.state.publish(message)
        motors = MotorStates(sequence=round(self.time_s / STEP_S))
        motors.header.stamp = message.header.stamp
        self.motors.publish(motors)
        if int(before / STRIDE_S) != int(self.time_s / STRIDE_S):
            self.strides.publish(
                Stride(
                    speed=1.25,
                    duration=STRIDE_S,
                    metabolic_power_per_mass=5.0,
                    exo_joint_names=["ankle_angle_r"],
                    exo_torque_peak=[0.4],
                )
            )

    def finish(self):
        if not self.get_parameter("run_directory").value:
            return
        spec = importlib.util.spec_from_file_location("synthetic", Path(__file__).with_name("synthetic.py"))
        synthetic = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(synthetic)
        folder = Path(self.get_parameter("run_directory").value)
        curves, strides = synthetic.walk()
        curves.write(folder / "curves.csv")
        (folder / "strides.json").write_text(json.dumps(strides))
        (folder / "fake_log.json").write_text(json.dumps(self.log))


class FakeDevice(Node):
    def __init__(self):
        super().__init__("device_node", automatically_declare_parameters_from_overrides=True)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.status = self.create_publisher(DeviceStatus, "exo/status", latched)
        self.mode = DeviceStatus.DISARMED
        self.create_service(Trigger, "exo/arm", lambda _, r: self.switch(DeviceStatus.ACTIVE, r))
        self.create_service(Trigger, "exo/disarm", lambda _, r: self.switch(DeviceStatus.DISARMED, r))
        self.create_timer(0.02, lambda: self.status.publish(DeviceStatus(mode=self.mode, loop_rate=100.0)), clock=WALL)

    def switch(self, mode, response):
        self.mode, response.success = mode, True
        return response


class FakePolicy(Node):
    def __init__(self):
        super().__init__("policy_node", automatically_declare_parameters_from_overrides=True)
        self.create_service(LoadPolicy, "policy/load", self.on_load)

    def on_load(self, request, response):
        response.success = request.controller != "learned"
        response.message = "no such checkpoint" if not response.success else ""
        return response


class FakeViewer(Node):
    def __init__(self):
        super().__init__("viewer_node", automatically_declare_parameters_from_overrides=True)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.address = self.create_publisher(String, "viewer/address", latched)
        host, port = (self.get_parameter(name).value for name in ("host", "port"))
        self.address.publish(String(data=f"http://{host}:{port}/"))


NODES = {
    "simulator_node": FakeSimulator,
    "device_node": FakeDevice,
    "policy_node": FakePolicy,
    "viewer_node": FakeViewer,
}


def main():
    kind = sys.argv[1]
    crash_kind, _, after_s = os.environ.get("FAKE_NODE_CRASH", "").partition(":")
    rclpy.init(args=sys.argv)
    node = NODES[kind]()
    if crash_kind == kind:

        def crash():
            print("the stand-in breaks down", flush=True)
            os._exit(3)

        def listened_to():
            publisher = getattr(node, "address", None)  # the viewer's: it is to be heard before it ends
            if publisher is None or publisher.get_subscription_count():
                waiting.cancel()
                node.create_timer(float(after_s), crash, clock=WALL)

        waiting = node.create_timer(0.05, listened_to, clock=WALL)
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    if isinstance(node, FakeSimulator):
        node.finish()
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()
