# SPDX-License-Identifier: Apache-2.0
"""Driver of any device behind a controller_manager, and the guardian of its controller."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
import rclpy
from pydantic import Field
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import GetParameters
from rclpy.duration import Duration
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import JointState
from std_msgs.msg import Empty, Float64MultiArray

from exo_core.joints import named_twice
from exo_core.ros import LATEST, LATEST_BEST_EFFORT
from exo_core.time import stamp_ns
from exo_device.drivers.base import Driver, DriverError, Offset, Settings, require_at_most
from exo_device.drivers.can.bus import SHORTEST_RESET_S, ZeroTrust
from exo_device.drivers.guardian import REPEAT_S, SILENCE_S, GuardianKind, OwnGuardian, TorqueWatch, is_ended
from exo_device.drivers.imu import LOOSEST_WORN_IMU, PUBLISHERS_PERIOD_S, ImuConfig, make_imu_source
from exo_device.drivers.ros import driver_node
from exo_device.signals import SEQUENCE_WRAP, DeviceState, MotorTorque


class ControlledJoint(Settings):
    """A joint of the controller_manager that drives one of the device's joints."""

    #: Its name there.
    name: str
    #: +1 when both angles grow together, else -1.
    sign: Literal[1, -1] = 1
    #: Our angle (rad) where theirs is zero.
    offset_rad: Offset = 0.0


class Ros2ControlConfig(Settings):
    """Settings: where the controllers are, and what they call the joints."""

    #: Name of a forward_command_controller with `interface_name: effort`.
    controller: str = "forward_effort_controller"
    #: Topic that it takes efforts from; empty: <controller>/commands.
    command_topic: str = ""
    #: Topic of the joint_state_broadcaster; every message must carry all of the device's joints.
    state_topic: str = "joint_states"
    #: By joint of the device; a joint that is not listed has the same name and sign there.
    joints: dict[str, ControlledJoint] = Field(default_factory=dict)
    #: The controller's joints in its own order. Empty: the controller is asked for its parameter `joints`.
    command_order: tuple[str, ...] = ()
    #: How long to wait for that answer (s).
    answer_timeout_s: Annotated[float, Field(gt=0.0, le=60.0)] = 5.0
    #: False: the hardware measures no effort, and the last motor torque stands in.
    measures_effort: bool = True
    #: Who sends zero efforts when this process dies or hangs: upstream's controller keeps the last ones for ever. own:
    #: a second process that the driver starts. external: one beside the controller manager (docs/guardian.md), which
    #: acts as well when the network in between fails. none: nobody.
    guardian: GuardianKind = "own"
    #: Arms although nobody would take the torque away. For motors that nobody wears.
    unguarded: bool = False
    #: Without a word from the device node for this long (s) its next torque is not passed on: it is of another time.
    host_timeout_s: Annotated[float, Field(ge=0.02, le=5.0)] = SILENCE_S
    #: Where the IMU is.
    imu: ImuConfig = ImuConfig()
    #: Name of the ROS node that holds the topics; namespace empty: as the process's ROS arguments say.
    node_name: str = "_device_ros2_control"
    guardian_node_name: str = "_device_guardian"
    namespace: str = ""

    @property
    def topic(self) -> str:
        """command_topic with its default resolved."""
        return self.command_topic or f"{self.controller}/commands"

    @property
    def guardian_topic(self) -> str:
        """Topic on which a guardian of the commands says that it lives."""
        return f"{self.topic}/guardian"

    def joint(self, name: str) -> ControlledJoint:
        """Returns what a joint of the device is there."""
        return self.joints.get(name) or ControlledJoint(name=name)


EFFORT = "effort"


def ask_for_joints(node: Node, controller: str, wait: Callable[[Callable[[], bool]], bool]) -> tuple[str, ...]:
    """The controller's joints in the order of its commands.

    wait: spins the node until a condition holds; returns whether it does. Raises DriverError when the
    controller does not answer, or commands anything but effort: a torque sent as a position is dangerous.
    """
    client = node.create_client(GetParameters, f"{controller}/get_parameters")
    try:
        if not wait(client.service_is_ready):
            raise DriverError(
                f"controller '{controller}' does not answer: load and activate it, or give its joints as command_order"
            )
        future = client.call_async(GetParameters.Request(names=["joints", "interface_name"]))
        if not wait(future.done):
            raise DriverError(f"controller '{controller}' does not name its joints; give command_order")
    finally:
        node.destroy_client(client)
    joints, interface = future.result().values
    if joints.type != ParameterType.PARAMETER_STRING_ARRAY or not joints.string_array_value:
        raise DriverError(f"controller '{controller}' has no parameter `joints`; give command_order")
    if interface.string_value != EFFORT:
        raise DriverError(
            f"controller '{controller}' commands '{interface.string_value}', not effort; "
            "choose a forward_command_controller with interface_name: effort"
        )
    return tuple(joints.string_array_value)


#: A guardian that was not heard for this long (s) could not act either; it speaks ten times a second.
GUARDIAN_SILENCE_S = 1.0
#: The last zero efforts are waited for this long (s) before the topic is closed.
FAREWELL_S = 0.2
#: A service that becomes ready wakes nobody: look at least this often (s).
LONGEST_SPIN_S = 0.05
#: The longest pause (s) of the device node where somebody wears the motors.
LOOSEST_WORN = {"host_timeout_s": SILENCE_S}


class Ros2ControlDriver(Driver):
    """Zero effort stands for off: effort interfaces know no switch."""

    name = "ros2_control"

    @property
    def measures_torque(self) -> bool:
        return self.config.measures_effort

    def __init__(self, config: Ros2ControlConfig = Ros2ControlConfig()) -> None:
        self.config = config
        self._imu = make_imu_source(config.imu)
        self._node: Node | None = None
        self._joint_names: tuple[str, ...] = ()
        self._order: tuple[str, ...] = ()
        self._newest: JointState | None = None
        self._sequence = -1
        self._woken = False
        self._guardian: OwnGuardian | None = None
        self._guardian_s = self._written_s = -math.inf
        self._limits: dict[str, float] = {}
        self._zeros = ZeroTrust()
        self._heard_s: float | None = None
        self._looked_s = -math.inf
        self._others = ""

    @property
    def bus_name(self) -> str:
        return f"{self.name}-{self.config.namespace}-{self.config.topic}"

    def require_wearable(self) -> None:
        require_at_most(self.name, self.config, LOOSEST_WORN)
        require_at_most(self.name, self.config.imu, LOOSEST_WORN_IMU, "imu.")

    def use_clock(self, ros_ns: Callable[[], int]) -> None:
        self._imu.use_clock(ros_ns)

    def connect(self) -> None:
        if self._node is not None:
            return
        if not rclpy.ok():
            raise DriverError("driver 'ros2_control' needs rclpy.init() first")
        self._imu.open()
        self._node = driver_node(self.config.node_name, self.config.namespace)
        self._publisher = self._node.create_publisher(Float64MultiArray, self.config.topic, LATEST)
        self._node.create_subscription(JointState, self.config.state_topic, self._on_states, LATEST_BEST_EFFORT)
        self._node.create_subscription(Empty, self.config.guardian_topic, self._on_guardian, LATEST)
        self._guard = self._node.create_guard_condition(self._on_wake)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        if self.config.guardian == "own":
            self._guardian = self._start_guardian(self._node)

    def _start_guardian(self, node: Node) -> OwnGuardian:
        """It gets the topic's full name: it does not see this process's namespace and remappings."""
        topic = node.resolve_topic_name(self.config.topic)
        there = self.config.model_copy(update={"command_topic": topic, "namespace": node.get_namespace()})
        return OwnGuardian(
            [self.name, "--settings", there.model_dump_json()],
            {"ROS_DOMAIN_ID": str(node.context.get_domain_id())},
        )

    def configure(self, joint_names: tuple[str, ...]) -> None:
        if self._node is None or not joint_names:
            raise DriverError("driver 'ros2_control': connect it first, and configure at least one joint")
        order = self.config.command_order or ask_for_joints(
            self._node, self.config.controller, lambda what: self._wait(what, self.config.answer_timeout_s)
        )
        for joint in joint_names:
            there = self.config.joint(joint).name
            if there not in order:
                raise DriverError(
                    f"controller '{self.config.controller}' has no joint '{there}' for "
                    f"{joint}; it has {', '.join(order)}"
                )
        self._order, self._joint_names = tuple(order), tuple(joint_names)
        self._joints = [self.config.joint(joint) for joint in joint_names]
        self._torque = np.zeros(len(joint_names))
        self._heard_s = None  # nobody has listened before

    def read(self, timeout_s: float) -> DeviceState | None:
        self._require_ready()
        self._woken = False
        self._wait(lambda: self._newest is not None or self._woken, timeout_s)
        if self._torque.any() and not self._is_guarded():
            raise DriverError(self._guardian_obstacle())
        self._look_for_others()
        if self._others:
            raise DriverError(self._others)
        message, self._newest = self._newest, None
        if message is None:
            return None
        self._sequence = (self._sequence + 1) % SEQUENCE_WRAP
        position, velocity = self._of(message, "position"), self._of(message, "velocity")
        torque = self._of(message, "effort") if self.config.measures_effort else self._torque
        count = len(self._joint_names)
        return DeviceState(
            stamp_ns=stamp_ns(message.header.stamp),
            sequence=self._sequence,
            names=self._joint_names,
            position=position,
            velocity=velocity,
            torque=torque,
            temperature=np.full(count, np.nan),
            error=np.zeros(count, dtype=int),
            bus_voltage=float("nan"),
            imu=self._imu.newest(),
        )

    def write(self, motor_torque: MotorTorque) -> MotorTorque:
        self._require_ready()
        motor_torque = self.checked(motor_torque, self._joint_names)
        now_s = time.monotonic()
        pause_s, self._written_s = now_s - self._written_s, now_s
        if self._torque.any() and pause_s > self.config.host_timeout_s:
            self._send(np.zeros(len(self._joint_names)))
            raise DriverError(f"the device node was silent for {pause_s:.2f} s with torque: it starts from zero")
        limit = np.array([self._limits.get(joint, math.inf) for joint in self._joint_names])
        motor_torque = replace(motor_torque, torque=np.clip(motor_torque.torque, -limit, limit))
        self._send(motor_torque.torque)
        return motor_torque

    def limit(self, torque_nm: dict[str, float]) -> None:
        self._limits = dict(torque_nm)

    def arming_obstacle(self) -> str:
        unguarded = "" if self.config.unguarded or self._is_guarded() else self._guardian_obstacle()
        return self._zeros.obstacle(self._joint_names) or unguarded

    def confirm_zeros(self) -> str:
        if self._joint_names and self._torque.any():
            raise DriverError("zeros can only be confirmed while the motors are off")
        confirmed = self._zeros.confirm(self._joint_names)
        return f"the zero of {', '.join(confirmed)} is trusted again" if confirmed else super().confirm_zeros()

    def doubted_zeros(self) -> dict[str, str]:
        return self._zeros.doubts()

    def doubt_zeros(self, doubts: Mapping[str, str]) -> None:
        for joint, why in doubts.items():
            self._zeros.doubt(joint, why)

    def warnings(self) -> list[str]:
        if self.config.guardian != "none":
            return []
        given = "; torque is given all the same, as the driver's settings say (unguarded)"
        return [self._guardian_obstacle() + (given if self.config.unguarded else "")]

    def _is_guarded(self) -> bool:
        if self.config.guardian == "none":
            return self.config.unguarded
        return time.monotonic() - self._guardian_s <= GUARDIAN_SILENCE_S

    def _guardian_obstacle(self) -> str:
        nobody = f"nothing takes the efforts of controller '{self.config.controller}' away when this process dies"
        if self.config.guardian == "none":
            return f"{nobody}: guardian is none; see docs/guardian.md"
        return f"{nobody}: no guardian speaks on {self.config.guardian_topic}; see docs/guardian.md"

    def wake(self) -> None:
        if self._node is not None:
            self._guard.trigger()

    def disconnect(self) -> None:
        if self._node is None:
            return
        try:
            if self._joint_names:
                self._send(np.zeros(len(self._joint_names)))
                self._publisher.wait_for_all_acked(Duration(seconds=FAREWELL_S))
        except Exception:  # ROS may be gone already, and a caller on its way out must not fail here
            pass
        if self._guardian is not None:
            self._guardian.close()
            self._guardian = None
        self._executor.remove_node(self._node)
        self._executor.shutdown()
        self._node.destroy_node()
        self._imu.close()
        self._node, self._joint_names = None, ()

    def _send(self, torque: np.ndarray) -> None:
        self._torque = torque
        by_name = {joint.name: joint.sign * float(value) for joint, value in zip(self._joints, torque, strict=True)}
        self._publisher.publish(Float64MultiArray(data=[by_name.get(name, 0.0) for name in self._order]))

    def _of(self, message: JointState, field: str) -> np.ndarray:
        """Values of one field on our side, in our order. Raises DriverError for what the message lacks."""
        values = getattr(message, field)
        if len(values) != len(message.name):
            raise DriverError(
                f"topic '{self.config.state_topic}' carries {len(message.name)} names and "
                f"{len(values)} values of {field}; the hardware must export its {field}"
                + (", or set measures_effort: false" if field == "effort" else "")
            )
        if twice := named_twice(message.name):
            raise DriverError(
                f"topic '{self.config.state_topic}' names {', '.join(twice)} twice; which value counts is not known"
            )
        place = {name: index for index, name in enumerate(message.name)}
        result = []
        for joint, ours in zip(self._joints, self._joint_names, strict=True):
            if joint.name not in place:
                raise DriverError(
                    f"topic '{self.config.state_topic}' lacks joint '{joint.name}' for {ours}; "
                    f"it has {', '.join(message.name) or 'none'}"
                )
            offset = joint.offset_rad if field == "position" else 0.0
            result.append(joint.sign * values[place[joint.name]] + offset)
        return np.array(result)

    def _wait(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Handles what arrives until the condition holds; returns whether it does."""
        end = time.monotonic() + timeout_s
        while True:
            left_s = end - time.monotonic()
            try:
                self._executor.spin_once(timeout_sec=min(max(left_s, 0.0), LONGEST_SPIN_S))
            except ExternalShutdownException as error:
                raise DriverError("ROS was shut down") from error
            if condition() or left_s <= 0.0:
                return condition()

    def _on_wake(self) -> None:
        self._woken = True

    def _on_guardian(self, _: Empty) -> None:
        self._guardian_s = time.monotonic()

    def _on_states(self, message: JointState) -> None:
        self._newest = message
        now_s, before_s = time.monotonic(), self._heard_s
        self._heard_s = now_s
        if before_s is not None and now_s - before_s > SHORTEST_RESET_S:  # whoever measures may have begun anew
            why = f"topic '{self.config.state_topic}' was silent, or nobody listened, for {now_s - before_s:.2f} s"
            self.doubt_zeros(dict.fromkeys(self._joint_names, why))

    def _look_for_others(self) -> None:
        """Finds a second one who says where the joints are, or what the motors are to give."""
        now_s = time.monotonic()
        if self._node is None or now_s - self._looked_s < PUBLISHERS_PERIOD_S:
            return
        self._looked_s, self._others = now_s, ""
        guardians = 0 if self.config.guardian == "none" else 1
        for topic, most in ((self.config.state_topic, 1), (self.config.topic, 1 + guardians)):
            count = self._node.count_publishers(topic)
            if count > most:
                self._others = f"{count} nodes publish topic '{topic}', and {most} may: end the others"

    def _require_ready(self) -> None:
        if self._node is None or not self._joint_names:
            raise DriverError("driver 'ros2_control': connect and configure it first")


#: It says this often (s) that it lives.
ALIVE_PERIOD_S = 0.1


class TopicGuardian:
    """The guardian of a controller: zero efforts on its topic when whoever commands it falls silent.

    It needs nothing but the topic: a command with effort in it is a sign of life, and must be followed by the next one
    within drivers.guardian.SILENCE_S. So it runs beside the controller manager, on whichever computer that is, and acts
    as well when the network in between fails. The driver arms only while it hears the guardian on <topic>/guardian.

    node: holds the topics. steady_s: clock (s).
    """

    def __init__(self, node: Node, config: Ros2ControlConfig, steady_s: Callable[[], float] = time.monotonic) -> None:
        self._node, self._steady_s = node, steady_s
        self._topic = config.topic
        self._guard = TorqueWatch()
        self._length = 0
        self._alive_due_s = steady_s()
        self._commands = node.create_publisher(Float64MultiArray, config.topic, LATEST)
        self._alive = node.create_publisher(Empty, config.guardian_topic, LATEST)
        node.create_subscription(Float64MultiArray, config.topic, self._on_command, LATEST)

    def _on_command(self, message: Float64MultiArray) -> None:
        """Its own zeros come back here too, and say that there is nothing to take away."""
        self._length = len(message.data)
        self._guard.beat(any(value != 0.0 for value in message.data), self._steady_s())

    def step(self) -> None:
        """Sends zeros where they are due, and a sign of life; to be called every REPEAT_S."""
        now_s = self._steady_s()
        if self._guard.must_speak(now_s):
            self.say_zero()
        if now_s >= self._alive_due_s:
            self._alive_due_s = now_s + ALIVE_PERIOD_S
            if self._node.count_subscribers(self._topic) > 1:  # a guardian whom no controller hears is none
                self._alive.publish(Empty())

    def say_zero(self) -> None:
        """Zero effort on every joint, once a command has shown how many there are."""
        if self._length:
            self._commands.publish(Float64MultiArray(data=[0.0] * self._length))

    def end(self) -> None:
        """Whoever commands is gone for good: last words."""
        self._guard.end(self._steady_s())

    @property
    def is_over(self) -> bool:
        """Tells whether they have been said."""
        return self._guard.is_over(self._steady_s())


def guard_topic(config: Ros2ControlConfig, line: int | None, on_ready: Callable[[], None]) -> int:
    """Guards until the line ends (a file descriptor; None: for ever, or until SIGINT or SIGTERM)."""
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.ALL if line is None else SignalHandlerOptions.NO)
    node = driver_node(config.guardian_node_name, config.namespace)
    guardian = TopicGuardian(node, config)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    on_ready()
    try:
        while not guardian.is_over:
            executor.spin_once(timeout_sec=REPEAT_S)
            guardian.step()
            if line is not None and is_ended(line):
                line = None
                guardian.end()
    except (ExternalShutdownException, KeyboardInterrupt):
        pass
    executor.shutdown()
    node.destroy_node()
    rclpy.try_shutdown()
    return 0
