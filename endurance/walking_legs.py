# SPDX-License-Identifier: Apache-2.0
"""Legs that walk as the average person does, in place of the simulator.

`python -m endurance.walking_legs --joints NAMES` publishes sim/motor_states for the emulated
motors, in wall time. No body: torque changes nothing. For trials that start and kill it many times.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from exo_core.ros import LATEST
from exo_msgs.msg import MotorCommand, MotorStates
from exo_policy.synthetic_gait import synthetic_walk

RATE_HZ, SPEED_MPS, STRIDES = 100.0, 1.25, 20
TEMPERATURE_C, BUS_VOLTAGE_V = 30.0, 48.0


class WalkingLegs(Node):
    """Repeats a walk of a whole number of strides for ever."""

    def __init__(self, joints: tuple[str, ...]) -> None:
        super().__init__("simulator_node")
        first = synthetic_walk(joints, SPEED_MPS, 1.0, rate_hz=RATE_HZ)
        walk = synthetic_walk(joints, SPEED_MPS, STRIDES / float(first.stride_rate_hz[0]), rate_hz=RATE_HZ)
        self._walk, self._joints, self._count = walk, joints, 0
        self._torque = dict.fromkeys(joints, 0.0)
        self._states = self.create_publisher(MotorStates, "sim/motor_states", LATEST)
        self.create_subscription(MotorCommand, "sim/motor_command", self._on_command, LATEST)
        self.create_timer(1.0 / RATE_HZ, self._publish)

    def _on_command(self, message: MotorCommand) -> None:
        torque = message.torque if message.enable else [0.0] * len(message.names)
        self._torque.update(zip(message.names, torque, strict=True))

    def _publish(self) -> None:
        index = round(time.monotonic() * RATE_HZ) % len(self._walk)  # goes on when it is started again
        count = len(self._joints)
        message = MotorStates(
            sequence=self._count,
            names=list(self._joints),
            position=self._walk.position[index].tolist(),
            velocity=self._walk.velocity[index].tolist(),
            torque=[self._torque[name] for name in self._joints],
            temperature=[TEMPERATURE_C] * count,
            error=[0] * count,
            bus_voltage=BUS_VOLTAGE_V,
        )
        message.header.stamp = message.imu.header.stamp = self.get_clock().now().to_msg()
        message.imu.orientation.w = 1.0
        force = np.asarray(self._walk.linear_acceleration[index], dtype=float)
        for axis, value in zip("xyz", force, strict=True):
            setattr(message.imu.linear_acceleration, axis, float(value))
        self._states.publish(message)
        self._count += 1


def main(arguments: list[str] | None = None) -> int:
    """Walks until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="walking_legs", description=__doc__)
    parser.add_argument("--joints", required=True, help="names, with commas between them")
    chosen, ros_arguments = parser.parse_known_args(arguments)
    stop = threading.Event()
    rclpy.init(args=ros_arguments, signal_handler_options=SignalHandlerOptions.NO)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    node = WalkingLegs(tuple(chosen.joints.split(",")))
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        while not stop.is_set():
            executor.spin_once(timeout_sec=0.1)
    except ExternalShutdownException:
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
