# SPDX-License-Identifier: Apache-2.0
"""Hardware in the loop without hardware: the simulated leg turns the emulated motors, and they turn it."""

from __future__ import annotations

import threading

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from sensor_msgs.msg import Imu

from exo_device.emulator.bus import EmulatedBus
from exo_device.emulator.mechanics import Followed
from exo_msgs.msg import MotorCommand, MotorStates

BUS_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)


class SimulatorLink(Node):
    """Between sim/motor_states, sim/motor_command and the emulated motors; sim/imu for the driver's IMU.

    Each state is answered at once, and again when the motors' torque changes before the next one.
    The motors of bus must turn Followed mechanics.
    """

    def __init__(self, bus: EmulatedBus, namespace: str = "") -> None:
        super().__init__("motor_emulator", namespace=namespace or None)
        self._bus = bus
        self._newest: MotorStates | None = None
        self._told: dict[str, float] = {}
        self._set_points = [0] * len(bus.motors)
        #: Set once the joints' positions are known: before that the motors must not answer.
        self.has_states = threading.Event()
        self._command = self.create_publisher(MotorCommand, "sim/motor_command", BUS_QOS)
        self._imu = self.create_publisher(Imu, "sim/imu", qos_profile_sensor_data)
        self.create_subscription(MotorStates, "sim/motor_states", self._on_states, BUS_QOS)

    def _on_states(self, states: MotorStates) -> None:
        motors = self._bus.motors
        self._imu.publish(states.imu)  # first: the driver takes the newest one with the joints' positions
        fields = zip(states.names, states.position, states.velocity, states.torque)
        for name, position, velocity, torque in fields:
            if name in motors:
                joint: Followed = motors[name].mechanics
                joint.position, joint.velocity, joint.torque = position, velocity, torque
        self._answer(states)
        self.has_states.set()

    def after_frame(self) -> None:
        """To be called after each frame: a torque that has changed is told once every motor knows its own.

        The simulator computes the time that has passed since its last state once it is over, with the newest
        torque: what the motors give by then must not wait for its next state.
        """
        states = self._newest
        if states is None:
            return
        set_points = [motor.commands for motor in self._bus.motors.values()]
        if any(now == before for now, before in zip(set_points, self._set_points)):
            return
        self._set_points = set_points
        if self._torques(states) != self._told:
            self._answer(states)

    def _torques(self, states: MotorStates) -> dict[str, float]:
        motors = self._bus.motors
        return {name: motors[name].torque for name in states.names if name in motors}

    def _answer(self, states: MotorStates) -> None:
        self._newest = states
        torque = self._told = self._torques(states)
        command = MotorCommand(
            sequence=states.sequence,
            names=list(torque),
            torque=list(torque.values()),
            enable=any(self._bus.motors[name].is_on for name in torque),
        )
        command.header.stamp = states.header.stamp
        self._command.publish(command)
