# SPDX-License-Identifier: Apache-2.0
"""From each kind of fault to zero torque at the motors. Legs on springs, motors, device node; the policy is here."""

import signal
import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Imu, JointState

from endurance.bus import PATIENT_IMU
from endurance.can_graph import DEVICE, MOTORS, CanGraph
from exo_core.ros import LATEST
from exo_device.drivers import make_driver
from exo_device.drivers.can.port import PythonCanPort
from exo_device.drivers.cubemars_can.codec import MitCommand
from exo_device.signals import STANDARD_GRAVITY_M_S2
from exo_msgs.msg import DeviceStatus, TorqueCommand
from exo_sim.measurement import Figure

TIMES = 10
#: Asked of every joint (Nm): a quarter of the smallest cap.
ASKED_NM = 6.0
#: How it goes wrong: what its next commands are like.
POLICY_FAULTS = {
    "nan_command": "torque that is no number",
    "unknown_joint": "a joint that the device does not have",
    "missing_joint": "one joint left out",
    "wrong_length": "fewer torques than names",
    "future_command": "the answer to a state that has not been measured yet",
    "silent_policy": "no commands any more",
    "stale_command": "the answer to the same old state, again and again",
    "second_publisher": "another policy answers too",
}
AHEAD_S = 1
JOINT = "ankle_angle_r"
#: Faults of one motor, and of the bus, as `exo emulate` takes them.
MOTOR_FAULTS = {
    "replies_dropped": f"dropped:{JOINT}",
    "replies_late": f"late:{JOINT},value=0.05",
    "replies_stale": f"stale:{JOINT}",
    "wrong_id": f"wrong_id:{JOINT}",
    "another_motors_id": f"wrong_id:{JOINT},value=1",
    "error_code": f"error:{JOINT}",
    "over_temperature": f"over_temperature:{JOINT}",
    "position_leap": f"wrap:{JOINT}",
    "motor_reset": f"reset:{JOINT}",
    "motor_pushes": f"push:{JOINT}",
    "motor_gives_nothing": f"weak:{JOINT}",
    "position_frozen": f"frozen:{JOINT}",
    "bus_off": "bus_off",
}
SERVICES = {"stop_service": "stop", "disarm_service": "disarm"}
SIGNALS = {"sigint": signal.SIGINT, "sigterm": signal.SIGTERM, "sigstop": signal.SIGSTOP}
#: Another program asks one of the motors for this torque (Nm), in a single frame.
FOREIGN, FOREIGN_NM = "foreign_set_point", 3.0
#: What the pelvis IMU's messages are like from then on.
IMU_FAULTS = {
    "imu_silent": "none come any more",
    "imu_repeats": "the same message again and again",
    "imu_nan": "an angular velocity that is no number",
    "imu_leans": "an orientation that is 45 degrees away from the specific force",
    "imu_second_publisher": "another node publishes the topic too",
}
IMU_TOPIC, IMU_PERIOD_S = "trial/imu", 0.01
LEAN_RAD = np.deg2rad(45.0)
KINDS = (*MOTOR_FAULTS, FOREIGN, *POLICY_FAULTS, *SERVICES, *SIGNALS)
#: Only a driver that is configured anew trusts these motors' positions again.
NEEDS_NEW_DEVICE = (
    "replies_late",
    "replies_stale",
    "another_motors_id",
    "position_leap",
    "motor_reset",
    "motor_gives_nothing",
    "motor_pushes",
    "position_frozen",
    FOREIGN,
    *SIGNALS,
)
NEEDS_NEW_MOTORS = ("motor_reset",)
#: Detection by age or content, and the ramp; detection by contradiction over 100 to 150 ms, and the ramp (s).
TARGET_S, SLOW_TARGET_S = 0.15, 0.26
SLOW = (
    "second_publisher",
    "another_motors_id",
    "motor_reset",
    "motor_gives_nothing",
    "motor_pushes",
    "position_frozen",
)
#: Publishers are looked for every 0.2 s; an orientation may be wrong for 0.5 s (ImuCheck) before it is believed to be.
OWN_TARGET_S = {"imu_second_publisher": 0.4, "imu_leans": 0.7}
#: Replies that repeat themselves while the joint is at rest, under a torque that does not change, are noticed by
#: that alone, after half a second (PlausibilityLimits.standstill_s).
STALE, STALE_TARGET_S = "replies_stale", 0.7
WATCH_S, LONG_WATCH_S, SETTLE_S, STRIDE_S = 0.5, 0.9, 0.1, 0.5
#: A firmware that holds its last torque, except where nothing can reach the motor any more.
HOLD = "hold"


class FaultyPolicy:
    """Answers every state of the graph's device, in the thread of the graph's node, and goes wrong on command.

    It is not what is tried: the device that has to live with it is.
    """

    def __init__(self, graph: CanGraph) -> None:
        self._graph, self._sequence, self._other_sequence = graph, 0, 0
        self._command = graph.node.create_publisher(TorqueCommand, "exo/command", LATEST)
        self._kind, self._struck_s, self._last_good_s, self._old_stamp = "", 0.0, 0.0, None
        graph.node.create_subscription(JointState, "exo/joint_states", self._answer, qos_profile_sensor_data)

    def strike(self, kind: str) -> None:
        """Goes wrong from the next state on."""
        self._struck_s, self._kind = 0.0, kind

    @property
    def struck_s(self) -> float:
        """Steady time (s) of the first wrong command, or of the last good one; 0 before it."""
        return self._struck_s

    def recover(self) -> None:
        """Is well again."""
        self._kind = ""

    def _answer(self, state: JointState) -> None:
        kind, now_s = self._kind, time.monotonic()
        if kind and not self._struck_s:
            self._struck_s = self._last_good_s if kind == "silent_policy" else now_s
        if kind == "silent_policy":
            return
        status = self._graph.status
        torque = ASKED_NM if status and status.mode == DeviceStatus.ACTIVE else 0.0
        self._sequence += 1
        names = list(state.name)
        command = TorqueCommand(
            state_stamp=state.header.stamp, sequence=self._sequence, names=names, torque=[torque] * len(names)
        )
        if kind == "nan_command":
            command.torque[0] = float("nan")
        elif kind == "unknown_joint":
            command.names[0] = "elbow_flexion_r"
        elif kind == "missing_joint":
            command.names, command.torque = names[1:], list(command.torque)[1:]
        elif kind == "wrong_length":
            command.torque = list(command.torque)[1:]
        elif kind == "future_command":
            command.state_stamp.sec += AHEAD_S
        elif kind == "stale_command" and self._old_stamp is not None:
            command.state_stamp = self._old_stamp
        self._command.publish(command)
        if not kind:
            self._last_good_s, self._old_stamp = now_s, state.header.stamp
        if kind == "second_publisher":
            self._other_sequence += 1
            command.sequence = self._other_sequence
            self._command.publish(command)


class FaultyImu:
    """A pelvis IMU at rest, in the thread of the graph's node, that goes wrong on command."""

    def __init__(self, graph: CanGraph) -> None:
        self._node, self._kind, self._newest, self._other = graph.node, "", None, None
        self._publisher = graph.node.create_publisher(Imu, IMU_TOPIC, qos_profile_sensor_data)
        graph.node.create_timer(IMU_PERIOD_S, self._publish)

    def strike(self, kind: str) -> float:
        """Goes wrong from the next message on. Returns the steady time (s)."""
        if kind == "imu_second_publisher":
            self._other = self._node.create_publisher(Imu, IMU_TOPIC, qos_profile_sensor_data)
        self._kind = kind
        return time.monotonic()

    def recover(self) -> None:
        """Is well again."""
        self._kind = ""
        if self._other is not None:
            self._node.destroy_publisher(self._other)
            self._other = None

    def _publish(self) -> None:
        kind = self._kind
        if kind == "imu_silent":
            return
        if kind != "imu_repeats" or self._newest is None:
            message = self._newest = Imu()
            message.header.stamp = self._node.get_clock().now().to_msg()
            message.header.frame_id = "pelvis_imu"
            half = 0.5 * LEAN_RAD if kind == "imu_leans" else 0.0
            message.orientation.y, message.orientation.w = float(np.sin(half)), float(np.cos(half))
            message.linear_acceleration.z = STANDARD_GRAVITY_M_S2
            message.angular_velocity.x = float("nan") if kind == "imu_nan" else 0.0
        self._publisher.publish(self._newest)


@pytest.fixture(scope="class")
def graph(graph_machine, results, request):
    """The graph with the IMU that the class names; one at a time has the bus."""
    source, option = request.cls.imu, request.config.getoption
    folder = results.folder / f"faults_imu_{source}"
    folder.mkdir()
    patience = {"max_age_s": PATIENT_IMU["max_age_s"]} if option("--patient") else {}
    with CanGraph(
        folder,
        bus_rate_hz=option("--bus-rate"),
        motors="spring",
        controller="",
        faults=(HOLD,),
        patient=option("--patient"),
        imu={"source": source, "topic": IMU_TOPIC, **patience},
    ) as started:
        started.policy = FaultyPolicy(started)
        started.imu = FaultyImu(started) if source == "topic" else None
        yield started


@pytest.mark.endurance
class TestWithoutImu:
    imu = "none"

    @pytest.mark.parametrize("kind", KINDS)
    def test_torque_ends_after_a_fault(self, graph, results, request, dice, kind):
        judge(graph, results, request, dice, kind)


@pytest.mark.endurance
class TestWithImu:
    imu = "topic"

    @pytest.mark.parametrize("kind", IMU_FAULTS)
    def test_torque_ends_after_a_fault(self, graph, results, request, dice, kind):
        judge(graph, results, request, dice, kind)


def judge(graph: CanGraph, results, request, dice, kind: str) -> None:
    """Strikes --times times and compares with the kind's target."""
    times, patient = request.config.getoption("--times") or TIMES, request.config.getoption("--patient")
    rounds = [results.keep(f"faults {kind} {count}", strike(graph, kind, dice, patient)) for count in range(times)]
    stopped_ms = 1e3 * np.array([each["zero_s"] for each in rounds if each["zero_s"] is not None])
    median, longest = (np.median(stopped_ms), stopped_ms.max()) if len(stopped_ms) else (np.nan, np.nan)
    usual_s = STALE_TARGET_S if kind == STALE else SLOW_TARGET_S if kind in SLOW else TARGET_S
    target_s = OWN_TARGET_S.get(kind, usual_s)
    name = f"{kind}_zero_torque_max"
    results.judge(
        [
            Figure(f"{kind}_zero_torque_median", float(median), "ms"),
            Figure(name, float(longest), "ms")
            if patient
            else Figure.against(name, float(longest), "ms", at_most=1e3 * target_s),
            Figure.against(f"{kind}_not_stopped", times - len(stopped_ms), "1", at_most=0),
        ],
        **{f"{kind}_latched": sorted({fault for each in rounds for fault in each["faults"]})},
    )


def strike(graph: CanGraph, kind: str, dice, patient: bool) -> dict:
    """One fault under torque, and everything mended again. zero_s is None when torque stayed."""
    graph.await_torque()
    time.sleep(SETTLE_S + dice.uniform(0.0, STRIDE_S))
    graph.await_torque()
    struck_s = _begin(graph, kind)
    time.sleep(LONG_WATCH_S if kind == STALE or kind in OWN_TARGET_S else WATCH_S)
    if patient:
        graph.wait_until(lambda: _is_over(graph, kind), f"the end of torque after {kind}")
    zero_s = graph.motors.zero_since(struck_s)
    status = graph.status
    graph.policy.recover()
    if graph.imu:
        graph.imu.recover()
    graph.motors.tell("clear")
    graph.motors.tell(HOLD)
    if kind in NEEDS_NEW_MOTORS:
        graph.motors.close()
        graph.revive(MOTORS)
    # where torque stayed, the next round must not inherit it
    if kind in NEEDS_NEW_DEVICE or zero_s is None:
        graph.revive(DEVICE)
    return {
        "zero_s": None if zero_s is None else zero_s - struck_s,
        "latched": status is not None and status.mode == DeviceStatus.FAULT,
        "faults": list(status.fault_names) if status else [],
        "cause": status.cause if status else "",
    }


def _begin(graph: CanGraph, kind: str) -> float:
    """Steady time (s) of the fault."""
    if kind in POLICY_FAULTS:
        graph.policy.strike(kind)
        graph.wait_until(lambda: graph.policy.struck_s, "a state to answer")
        return graph.policy.struck_s
    if kind in IMU_FAULTS:
        return graph.imu.strike(kind)
    if kind == FOREIGN:
        return _speak_up(graph)
    if kind in SIGNALS:
        return graph.send(DEVICE, SIGNALS[kind])
    if kind in SERVICES:
        now_s = time.monotonic()
        graph.call(SERVICES[kind])
        return now_s
    if kind == "bus_off":
        graph.motors.tell("clear")
    return graph.motors.tell(MOTOR_FAULTS[kind])


def _speak_up(graph: CanGraph) -> float:
    """One set point of another program to one of the motors. Returns the steady time (s)."""
    config = make_driver("cubemars_can", graph.settings).config
    port = PythonCanPort(config.interface, config.channel, config.bitrate, config.bus_options)
    now_s = time.monotonic()
    port.send(config.motors[JOINT].codec().command(MitCommand(torque=FOREIGN_NM)))
    port.close()
    return now_s


def _is_over(graph: CanGraph, kind: str) -> bool:
    """Whether torque has ended, and the device has said so if it still can."""
    status = graph.status
    return not graph.motors.has_torque and (
        kind in SIGNALS or (status is not None and status.mode != DeviceStatus.ACTIVE)
    )
