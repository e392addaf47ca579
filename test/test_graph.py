# SPDX-License-Identifier: Apache-2.0
"""The real graph as processes: rates, arming, swapping the controller, losing nodes, stopping, namespaces."""

import signal
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from rclpy.qos import DurabilityPolicy, ReliabilityPolicy, qos_profile_sensor_data
from std_srvs.srv import SetBool, Trigger

from exo_bringup.monitor_node import seconds
from exo_bringup.topics import TOPICS
from exo_core.message_schema import message_class
from exo_msgs.msg import DeviceStatus
from exo_msgs.srv import LoadPolicy, SetSpeed

TOPIC = {topic.name: topic for topic in TOPICS}
CONTROL_PERIOD_S, DISPLAY_PERIOD_S = 0.01, 0.02
#: The issue's bound on how long torque may outlive the policy (s).
TORQUE_GONE_WITHIN_S = 0.15


def stamps(messages):
    return np.array([seconds(message.header.stamp) for message in messages])


def largest_torque(command):
    return max(map(abs, command.torque), default=0.0) if command.enable else 0.0


def test_topics_come_at_their_rates_in_simulated_time(walking):
    expected = {
        "sim/motor_states": CONTROL_PERIOD_S,
        "sim/motor_command": CONTROL_PERIOD_S,
        "exo/joint_states": CONTROL_PERIOD_S,
        "exo/imu": CONTROL_PERIOD_S,
        "exo/command": CONTROL_PERIOD_S,
        "human/state": DISPLAY_PERIOD_S,
        "joint_states": DISPLAY_PERIOD_S,
        "sim/root_pose": DISPLAY_PERIOD_S,
    }
    collected = {name: walking.listen(name) for name in expected}
    # a node that has not heard the clock yet stamps everything alike
    walking.wait_until(
        lambda: all(len(np.unique(stamps(messages))) > 60 for messages in collected.values()),
        "messages of different times on every topic",
    )
    for name, period in expected.items():
        intervals = np.diff(np.unique(stamps(collected[name])))
        assert np.median(intervals) == pytest.approx(period, abs=1e-6), name


def test_the_table_of_topics_says_what_the_graph_publishes(walking):
    """docs/reference/topics.md against the running graph: names, types, publishers, QoS."""
    table = Path(__file__).resolve().parents[1] / "docs" / "reference" / "topics.md"
    lines = [line.split(" | ") for line in table.read_text().split("## Services")[0].splitlines() if line[:3] == "| `"]
    described = {cells[0].strip("|` "): cells[1:] for cells in lines}
    prefix = walking.node.get_namespace().rstrip("/") + "/"
    names = [name for name, _ in walking.node.get_topic_names_and_types()]
    running = {name.removeprefix(prefix) for name in names if name.startswith(prefix)}
    of_nodes = {"rosout", "parameter_events"}
    heard = {name for name in running if walking.node.count_publishers(prefix + name) and "/_" not in name}
    heard = {name for name in heard if not (of_nodes & {name.split("/")[-1]} or name.endswith("transition_event"))}
    assert heard <= set(described)
    missing = {name for name in set(described) - heard if not described[name][1].startswith("viewer_node")}
    assert not missing
    for name in heard:
        kind, publishers, _, qos, *_ = described[name]
        for end in walking.node.get_publishers_info_by_topic(prefix + name):
            assert end.topic_type.split("/")[-1] in kind, name
            assert end.node_name in publishers or end.node_name.startswith("_device"), (name, end.node_name)
            assert ("reliable" in qos) == (end.qos_profile.reliability == ReliabilityPolicy.RELIABLE), name
            assert ("transient" in qos) == (end.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL), name


def test_a_plain_subscription_as_in_any_tutorial_hears_every_stream(walking):
    """Reliable, depth 10: a best-effort publisher would leave it empty in silence. Sensor data's hears it, too."""
    streams = ("joint_states", "human/markers", "human/state", "sim/root_pose", "exo/joint_states", "exo/imu", "tf")
    heard = {(name, how): [] for name in streams for how in ("plain", "sensor data")}
    for (name, how), messages in heard.items():
        qos = 10 if how == "plain" else qos_profile_sensor_data
        walking.node.create_subscription(message_class(TOPIC[name].type_name), name, messages.append, qos)
    walking.wait_until(lambda: all(len(messages) > 3 for messages in heard.values()), f"all of {sorted(heard)}")


def test_imu_and_joint_states_share_their_stamps_and_commands_answer_them(walking):
    joints, imu, commands = (walking.listen(name) for name in ("exo/joint_states", "exo/imu", "exo/command"))
    walking.walk(0.5)
    with_imu = np.isin(stamps(joints[-40:-5]), stamps(imu))
    assert with_imu.mean() > 0.8, "best effort may lose a few, not most"
    answered = [seconds(command.state_stamp) for command in commands[-20:]]
    assert np.isin(answered, stamps(imu)).mean() > 0.8
    assert np.all(np.diff(answered) > 0.0)


def test_what_rviz_needs_is_there(walking):
    from exo_bringup.shown_body import RobotState

    description, tf, fixed, markers, joints = (
        walking.listen(name) for name in ("robot_description", "tf", "tf_static", "human/markers", "joint_states")
    )
    walking.wait_until(lambda: description and fixed and markers and joints and len(tf) > 3, "what RViz needs")
    frames = {
        item.child_frame_id: item.header.frame_id for message in (fixed[-1], tf[-1]) for item in message.transforms
    }
    assert frames["base_link"] == "odom"
    for joint in RobotState(description[-1].data).static_transforms():
        assert frames[joint.child] == joint.parent
    for frame in ("femur_r", "tibia_l", "toes_r", "torso", "exo_tibia_r"):
        while frame != "odom":
            frame = frames[frame]
    muscles = [marker for marker in markers[-1].markers if marker.ns == "muscles"]
    assert len(muscles) == 80 and all(len(marker.points) >= 2 for marker in muscles)
    assert {"hip_flexion_r", "knee_angle_l", "ankle_angle_r"} <= set(joints[-1].name)


def test_the_device_is_disarmed_until_it_is_armed_and_gives_no_torque(walking):
    commands = walking.listen("sim/motor_command")
    walking.walk(0.2)
    assert walking.status.mode == DeviceStatus.DISARMED
    assert all(not command.enable for command in commands)
    walking.activate()
    walking.wait_until(lambda: commands[-1].enable, "motors on")
    walking.call(walking.disarm, Trigger.Request())
    walking.wait_until(lambda: walking.status.mode == DeviceStatus.DISARMED, "a disarmed device")
    walking.wait_until(lambda: not commands[-1].enable, "motors off")


def test_the_controller_is_swapped_while_running(walking):
    walking.activate()
    commands = walking.listen("sim/motor_command")
    assert walking.call(walking.load, LoadPolicy.Request(controller="zero", fade=0.0)).success
    walking.walk(0.3)
    assert max(map(largest_torque, commands[-10:])) < 1e-6
    walking.assist("spline")
    before = walking.time_s
    refused = walking.call(walking.load, LoadPolicy.Request(controller="magic"))
    assert not refused.success and "spline" in refused.message
    assert walking.call(walking.load, LoadPolicy.Request(controller="zero", fade=0.3)).success
    walking.walk(0.8)
    assert max(map(largest_torque, commands[-10:])) < 1e-6
    assert walking.time_s > before and walking.status.mode == DeviceStatus.ACTIVE


def test_stop_latches_until_the_device_is_disarmed(walking):
    walking.activate()
    assert walking.call(walking.stop_button, Trigger.Request()).success
    walking.wait_until(lambda: walking.status.mode == DeviceStatus.FAULT, "the stopped device")
    assert "USER_STOP" in walking.status.fault_names
    assert not walking.call(walking.arm, Trigger.Request()).success
    walking.call(walking.disarm, Trigger.Request())
    walking.activate()


def test_pause_holds_time_and_speed_can_be_commanded(walking):
    assert walking.call(walking.pause, SetBool.Request(data=True)).success
    walking.wait_until(lambda: walking.messages["human/state"][-1].paused, "the pause")
    held = walking.time_s
    count = len(walking.messages["human/state"])
    walking.wait_until(lambda: len(walking.messages["human/state"]) > count + 5, "messages during the pause")
    assert walking.time_s == held
    assert walking.call(walking.pause, SetBool.Request(data=False)).success
    walking.walk(0.2)
    assert not walking.call(walking.set_speed, SetSpeed.Request(speed=9.0)).success
    response = walking.call(walking.set_speed, SetSpeed.Request(speed=1.2))
    assert response.success and response.speed == pytest.approx(1.2)


def test_a_killed_policy_leaves_no_torque_and_a_latched_device(make_graph):
    graph = make_graph(mode="realtime").ready()
    graph.activate()
    graph.assist()
    requests, commands = graph.listen("exo/command"), graph.listen("sim/motor_command")
    strides = graph.listen("human/stride")
    graph.walk(0.1)
    falls = graph.messages["human/state"][-1].falls
    graph.children["policy_node"].kill()
    graph.wait_until(lambda: graph.status.mode == DeviceStatus.FAULT, "the device's fault", may_die=("policy_node",))
    graph.walk(0.4, may_die=("policy_node",))
    last_request_s = seconds(requests[-1].state_stamp)
    late = [command for command in commands if seconds(command.header.stamp) > last_request_s + TORQUE_GONE_WITHIN_S]
    assert late and max(map(largest_torque, late)) == 0.0
    # a machine that stalls at that moment may see old states first
    assert {"STALE_COMMAND", "STALE_STATE", "SEQUENCE_GAP"} & set(graph.status.fault_names)
    count = len(strides)
    graph.wait_until(lambda: len(strides) > count + 1, "strides without assistance", may_die=("policy_node",))
    assert graph.messages["human/state"][-1].falls == falls
    assert graph.status.mode == DeviceStatus.FAULT, "never armed again by itself"


def test_a_killed_simulator_latches_the_device_and_the_rest_stops_on_sigterm(make_graph, ros):
    graph = make_graph(mode="realtime").ready()
    graph.activate()
    graph.children["simulator_node"].kill()
    graph.wait_until(lambda: graph.status.mode == DeviceStatus.FAULT, "the device's fault", may_die=("simulator_node",))
    # which of the consequences is seen first is up to the scheduler: without states the policy falls silent as well
    assert {"STALE_STATE", "BUS_LOST", "STALE_COMMAND"} & set(graph.status.fault_names)
    codes = graph.signal_all(signal.SIGTERM)
    assert codes == {"simulator_node": -signal.SIGKILL, "device_node": 0, "policy_node": 0}
    assert not ros.processes_that_name(graph.folder)


def test_two_graphs_side_by_side_and_a_clean_stop_on_sigint(make_graph, walking, ros):
    walking.call(walking.disarm, Trigger.Request())
    walking.wait_until(lambda: walking.status.mode == DeviceStatus.DISARMED, "a disarmed device")
    count = len(walking.messages["exo/status"])
    second = make_graph(mode="lockstep", namespace="second", visualization=True, seed=1).ready()
    clock, description = second.listen("clock"), second.listen("robot_description")
    assert second.node.resolve_topic_name("clock") == "/second/clock"
    second.activate()
    second.wait_until(lambda: len(clock) > 5, "the second clock")
    second.wait_until(lambda: description, "visualization_node, which loads longest")
    assert seconds(clock[-1].clock) == pytest.approx(second.time_s, abs=0.5)
    before = walking.time_s
    walking.walk(0.2)
    assert walking.time_s > before
    walking.wait_until(lambda: len(walking.messages["exo/status"]) > count + 5, "the first device's status")
    since = walking.messages["exo/status"][count:]
    assert {status.mode for status in since} == {DeviceStatus.DISARMED}, "arming one must not arm the other"
    assert second.signal_all(signal.SIGINT) == dict.fromkeys(second.children.names(), 0)
    assert not ros.processes_that_name(second.folder)
    walking.walk(0.1)
