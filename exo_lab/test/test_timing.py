# SPDX-License-Identifier: Apache-2.0
"""Rates and latencies out of a recording."""

import pytest

from exo_bringup.recording import Recording
from exo_core.message_schema import assemble_schema
from exo_lab.report.results import match_latencies, measure_timing

MILLISECOND = 1_000_000


def test_keys_pair_starts_with_ends_and_repeats_count_once():
    starts = [(1, 0), (2, 10 * MILLISECOND), (2, 15 * MILLISECOND), (3, 20 * MILLISECOND)]
    ends = [(1, 2 * MILLISECOND), (2, 13 * MILLISECOND), (2, 18 * MILLISECOND), (9, 0)]
    assert match_latencies(starts, ends) == [2.0, 3.0]


def test_a_recording_of_known_times_gives_them_back(tmp_path):
    serialize = pytest.importorskip("rclpy.serialization").serialize_message
    from sensor_msgs.msg import JointState

    from exo_msgs.msg import MotorCommand, MotorStates, TorqueCommand

    path = tmp_path / "r.mcap"
    recording = Recording(path)
    for topic, kind in (
        ("sim/motor_states", "MotorStates"),
        ("sim/motor_command", "MotorCommand"),
        ("exo/command", "TorqueCommand"),
    ):
        recording.add_topic(f"/ns/{topic}", f"exo_msgs/msg/{kind}", assemble_schema(f"exo_msgs/msg/{kind}"))
    for topic in ("exo/joint_states", "joint_states"):
        recording.add_topic(f"/ns/{topic}", "sensor_msgs/msg/JointState", assemble_schema("sensor_msgs/msg/JointState"))
    for number in range(50):
        sent = number * 10 * MILLISECOND
        state, command = JointState(), TorqueCommand()
        state.header.stamp.nanosec = command.state_stamp.nanosec = sent
        for topic, message, after_ms in (
            ("sim/motor_states", MotorStates(sequence=number), 0),
            ("exo/joint_states", state, 1),
            ("exo/command", command, 3),
            ("sim/motor_command", MotorCommand(sequence=number), 4),
            ("joint_states", JointState(), 0),
        ):
            if topic != "joint_states" or number % 2 == 0:
                recording.write(f"/ns/{topic}", serialize(message), sent, sent + after_ms * MILLISECOND)
    recording.close()
    whole = path.read_bytes()
    for cut in (0, 5, 300, len(whole) - 40):  # a full disk, a killed recorder: what is there is measured, or nothing
        path.write_bytes(whole[:cut])
        found = measure_timing(path)
        assert found["rates_hz"].get("sim/motor_states", 100.0) == 100.0
    assert found["latencies"]["motor_round_trip"]["count"] == 50
    path.write_bytes(whole)
    timing = measure_timing(path)
    assert timing["rates_hz"]["sim/motor_states"] == 100.0 and timing["rates_hz"]["joint_states"] == 50.0
    assert timing["latencies"]["policy_round_trip"] == {"median_ms": 2.0, "p99_ms": 2.0, "count": 50}
    assert timing["latencies"]["motor_round_trip"]["median_ms"] == 4.0
