# SPDX-License-Identifier: Apache-2.0
"""Hardware in the loop without hardware: the simulated leg turns the emulated motors, and they turn it."""

from __future__ import annotations

import threading

from exo_msgs.msg import MotorCommand, MotorStates
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from sensor_msgs.msg import Imu

from exo_device.emulator.bus import EmulatedBus
from exo_device.emulator.mechanics import Followed

BUS_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)


class SimulatorLink(Node):
    """Between sim/motor_states, sim/motor_command and the emulated motors; sim/imu for the driver's IMU.

    The motors of bus must turn Followed mechanics.
    """

    def __init__(self, bus: EmulatedBus, namespace: str = "") -> None:
        super().__init__("motor_emulator", namespace=namespace or None)
        self._bus = bus
        #: Set once the joints' positions are known: before that the motors must not answer.
        self.has_states = threading.Event()
        self._command = self.create_publisher(MotorCommand, "sim/motor_command", BUS_QOS)
        self._imu = self.create_publisher(Imu, "sim/imu", qos_profile_sensor_data)
        self.create_subscription(MotorStates, "sim/motor_states", self._on_states, BUS_QOS)

    def _on_states(self, states: MotorStates) -> None:
        motors = self._bus.motors
        fields = zip(states.names, states.position, states.velocity, states.torque)
        for name, position, velocity, torque in fields:
            if name in motors:
                joint: Followed = motors[name].mechanics
                joint.position, joint.velocity, joint.torque = position, velocity, torque
        driven = [name for name in states.names if name in motors]
        command = MotorCommand(sequence=states.sequence, enable=any(motors[name].is_on for name in driven),
                               names=driven, torque=[motors[name].torque for name in driven])
        command.header.stamp = states.header.stamp
        self._command.publish(command)
        self._imu.publish(states.imu)
        self.has_states.set()
