# SPDX-License-Identifier: Apache-2.0
"""Emulated motors on ROS topics: a stand-in for a controller_manager, and the simulated leg that turns the motors."""

from __future__ import annotations

import threading
from collections.abc import Callable

from builtin_interfaces.msg import Time
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Float64MultiArray

from exo_core.ros import LATEST
from exo_device.emulator.motor import EmulatedBus, Followed, Mechanics
from exo_msgs.msg import MotorCommand, MotorStates

#: Joint states of springs this often (s); the simulator's come as it sends them.
PERIOD_S = 0.01
#: Of a joint_state_broadcaster. The simulator publishes the whole body's joints on it, so that beside the
#: simulator another one must be chosen, here and in the driver's settings.
STATE_TOPIC = "joint_states"


class EmulatedController(Node):
    """A small stand-in for a controller_manager: a forward_command_controller for effort, and joint states.

    Its topics and parameters are those that the driver `ros2_control` uses of the real ones; it has no hardware
    interface, no lifecycle and no switching. joints: in the controller's order.

    mechanics: makes what a joint turns; None: the joints are those of sim/motor_states.
    """

    def __init__(
        self,
        joints: tuple[str, ...],
        mechanics: Callable[[str], Mechanics] | None,
        name: str = "forward_effort_controller",
        namespace: str = "",
        state_topic: str = STATE_TOPIC,
    ) -> None:
        super().__init__(name, namespace=namespace or None)
        joints = tuple(self.declare_parameter("joints", list(joints)).value)
        self.declare_parameter("interface_name", "effort")
        #: Effort (Nm) by joint, as last commanded.
        self.effort = dict.fromkeys(joints, 0.0)
        #: Commands so far that had the right length; a real controller refuses the others too.
        self.commands = self.refused = 0
        self._states = self.create_publisher(JointState, state_topic, 10)
        self.create_subscription(Float64MultiArray, "~/commands", self._on_command, LATEST)
        if mechanics is not None:
            self._mechanics = {joint: mechanics(joint) for joint in joints}
            self.create_timer(PERIOD_S, self._turn_springs)
            return
        self._to_simulator = self.create_publisher(MotorCommand, "sim/motor_command", LATEST)
        self._imu = self.create_publisher(Imu, "sim/imu", qos_profile_sensor_data)
        self.create_subscription(MotorStates, "sim/motor_states", self._on_motor_states, LATEST)

    def _on_command(self, message: Float64MultiArray) -> None:
        if len(message.data) != len(self.effort):
            self.refused += 1
            return
        self.commands += 1
        self.effort = dict(zip(self.effort, message.data, strict=True))

    def _turn_springs(self) -> None:
        for joint, turned in self._mechanics.items():
            turned.advance(PERIOD_S, self.effort[joint])
        values = list(self._mechanics.values())
        efforts = [turned.measured_torque(effort) for turned, effort in zip(values, self.effort.values(), strict=True)]
        self._publish([turned.position for turned in values], [turned.velocity for turned in values], efforts)

    def _on_motor_states(self, states: MotorStates) -> None:
        place = {name: index for index, name in enumerate(states.names)}
        if not all(joint in place for joint in self.effort):
            return
        order = [place[joint] for joint in self.effort]
        self._imu.publish(states.imu)  # first: the driver takes the newest one with the joint states
        position, velocity, torque = (
            [list(field)[index] for index in order] for field in (states.position, states.velocity, states.torque)
        )
        self._publish(position, velocity, torque, states.header.stamp)
        command = MotorCommand(
            sequence=states.sequence, enable=True, names=list(self.effort), torque=list(self.effort.values())
        )
        command.header.stamp = states.header.stamp
        self._to_simulator.publish(command)

    def _publish(
        self, position: list[float], velocity: list[float], effort: list[float], stamp: Time | None = None
    ) -> None:
        """stamp: when it was measured, as the simulator says; now where there is none."""
        message = JointState(name=list(self.effort), position=position, velocity=velocity, effort=effort)
        message.header.stamp = stamp or self.get_clock().now().to_msg()
        self._states.publish(message)


class SimulatorLink(Node):
    """Joins sim/motor_states and sim/motor_command with the emulated motors, and has sim/imu for the driver's IMU.

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
        self._command = self.create_publisher(MotorCommand, "sim/motor_command", LATEST)
        self._imu = self.create_publisher(Imu, "sim/imu", qos_profile_sensor_data)
        self.create_subscription(MotorStates, "sim/motor_states", self._on_states, LATEST)

    def _on_states(self, states: MotorStates) -> None:
        motors = self._bus.motors
        self._imu.publish(states.imu)  # first: the driver takes the newest one with the joints' positions
        fields = zip(states.names, states.position, states.velocity, states.torque, strict=True)
        for name, position, velocity, torque in fields:
            if name in motors:
                joint = motors[name].mechanics
                assert isinstance(joint, Followed)
                joint.position, joint.velocity, joint.torque = position, velocity, torque
        self._answer(states)
        self.has_states.set()

    def after_frame(self) -> None:
        """Tells a torque that has changed once every motor knows its own; to be called after each frame.

        The simulator computes the time that has passed since its last state once it is over, with the newest
        torque: what the motors give by then must not wait for its next state.
        """
        states = self._newest
        if states is None:
            return
        set_points = [motor.commands for motor in self._bus.motors.values()]
        if any(now == before for now, before in zip(set_points, self._set_points, strict=True)):
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
