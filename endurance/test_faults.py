# SPDX-License-Identifier: Apache-2.0
"""From each kind of fault to zero torque at the motors. Legs on springs, motors, device node; the policy is here."""

import signal
import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import JointState

from endurance.can_graph import DEVICE, MOTORS, CanGraph
from exo_core.ros import LATEST
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
    "bus_off": "bus_off",
}
SERVICES = {"stop_service": "stop", "disarm_service": "disarm"}
SIGNALS = {"sigint": signal.SIGINT, "sigterm": signal.SIGTERM, "sigstop": signal.SIGSTOP}
KINDS = (*MOTOR_FAULTS, *POLICY_FAULTS, *SERVICES, *SIGNALS)
#: Only a driver that is configured anew trusts these motors' positions again.
NEEDS_NEW_DEVICE = ("replies_late", "replies_stale", "another_motors_id", "position_leap", "motor_reset", *SIGNALS)
NEEDS_NEW_MOTORS = ("motor_reset",)
#: Detection by age or content, and the ramp; detection by contradiction over 100 to 150 ms, and the ramp (s).
TARGET_S, SLOW_TARGET_S = 0.15, 0.26
SLOW = ("second_publisher", "another_motors_id", "motor_reset")
#: Replies that repeat themselves while the joint is at rest, under a torque that does not change, are noticed by
#: that alone, after half a second (PlausibilityLimits.standstill_s).
STALE, STALE_TARGET_S = "replies_stale", 0.7
WATCH_S, STALE_WATCH_S, SETTLE_S, STRIDE_S = 0.5, 0.8, 0.1, 0.5
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


@pytest.fixture(scope="module")
def graph(graph_machine, results, request):
    folder = results.folder / "faults"
    folder.mkdir()
    option = request.config.getoption
    with CanGraph(
        folder,
        bus_rate_hz=option("--bus-rate"),
        motors="spring",
        controller="",
        faults=(HOLD,),
        patient=option("--patient"),
    ) as started:
        started.policy = FaultyPolicy(started)
        yield started


@pytest.mark.endurance
@pytest.mark.parametrize("kind", KINDS)
def test_torque_ends_after_a_fault(graph, results, request, dice, kind):
    times, patient = request.config.getoption("--times") or TIMES, request.config.getoption("--patient")
    rounds = [results.keep(f"faults {kind} {count}", strike(graph, kind, dice, patient)) for count in range(times)]
    stopped_ms = 1e3 * np.array([each["zero_s"] for each in rounds if each["zero_s"] is not None])
    median, longest = (np.median(stopped_ms), stopped_ms.max()) if len(stopped_ms) else (np.nan, np.nan)
    target_s = STALE_TARGET_S if kind == STALE else SLOW_TARGET_S if kind in SLOW else TARGET_S
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
    time.sleep(STALE_WATCH_S if kind == STALE else WATCH_S)
    if patient:
        graph.wait_until(lambda: _is_over(graph, kind), f"the end of torque after {kind}")
    zero_s = graph.motors.zero_since(struck_s)
    status = graph.status
    graph.policy.recover()
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
    if kind in SIGNALS:
        return graph.send(DEVICE, SIGNALS[kind])
    if kind in SERVICES:
        now_s = time.monotonic()
        graph.call(SERVICES[kind])
        return now_s
    if kind == "bus_off":
        graph.motors.tell("clear")
    return graph.motors.tell(MOTOR_FAULTS[kind])


def _is_over(graph: CanGraph, kind: str) -> bool:
    """Whether torque has ended, and the device has said so if it still can."""
    status = graph.status
    return not graph.motors.has_torque and (
        kind in SIGNALS or (status is not None and status.mode != DeviceStatus.ACTIVE)
    )
