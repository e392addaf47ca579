# SPDX-License-Identifier: Apache-2.0
"""Rates and latencies of the running graph, from the wall times in its recording."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from exo_core.errors import warn
from exo_core.message_schema import message_class
from exo_core.recordings import RecordingError, RecordingReader

#: Name of a latency: topic that starts it, topic that ends it, and how both tell which belong together.
LATENCIES: dict[str, tuple[str, str, Callable, Callable]] = {
    "policy_round_trip": (
        "exo/joint_states",
        "exo/command",
        lambda m: _stamp(m.header.stamp),
        lambda m: _stamp(m.state_stamp),
    ),
    "motor_round_trip": ("sim/motor_states", "sim/motor_command", lambda m: m.sequence, lambda m: m.sequence),
}
#: The device's joint_states stand before the body's, whose name ends theirs.
RATED_TOPICS = (
    "sim/motor_states",
    "sim/motor_command",
    "exo/joint_states",
    "exo/imu",
    "exo/command",
    "exo/status",
    "human/state",
    "joint_states",
    "tf",
)


def _rated(topic: str) -> str | None:
    return next((name for name in RATED_TOPICS if topic.endswith("/" + name)), None)


def _stamp(stamp) -> int:
    return stamp.sec * 10**9 + stamp.nanosec


def measure_timing(recording: Path) -> dict:
    """Rates (Hz, wall time) by topic and latencies (ms: median, p99, count) of a recording; empty where nothing can be
    read of it.

    A message's time is when its sender sent it. The median interval is taken, so that pauses do not count. A recording
    that the disk had no room for, or whose recorder was killed, is measured as far as it goes.
    """
    from rclpy.serialization import deserialize_message

    ends = {topic for start, end, _, _ in LATENCIES.values() for topic in (start, end)}
    times: dict[str, list[int]] = {}
    decoded: dict[str, list[tuple[int, object]]] = {}
    try:
        for message in RecordingReader(recording).messages(lambda name: _rated(name) is not None):
            topic = _rated(message.topic)
            times.setdefault(topic, []).append(message.sent_ns)
            if topic in ends:
                content = deserialize_message(message.data, message_class(message.type_name))
                decoded.setdefault(topic, []).append((message.sent_ns, content))
    except RecordingError as error:
        warn([f"no rates and latencies: {error}"])
    rates = {
        topic: round(1e9 / float(np.median(np.diff(stamps))), 1) for topic, stamps in times.items() if len(stamps) > 2
    }
    latencies = {}
    for name, (start, end, start_key, end_key) in LATENCIES.items():
        milliseconds = match_latencies(
            [(start_key(m), t) for t, m in decoded.get(start, [])],
            [(end_key(m), t) for t, m in decoded.get(end, [])],
        )
        if milliseconds:
            latencies[name] = {
                "median_ms": round(float(np.median(milliseconds)), 3),
                "p99_ms": round(float(np.percentile(milliseconds, 99)), 3),
                "count": len(milliseconds),
            }
    return {"rates_hz": rates, "latencies": latencies}


def match_latencies(starts: list[tuple[int, int]], ends: list[tuple[int, int]]) -> list[float]:
    """Times (ms) from each start to the end with the same key; a repeated key counts once, from its first.

    Args:
        starts, ends: (key, time in ns).
    """
    first_end: dict[int, int] = {}
    for key, time_ns in ends:
        first_end.setdefault(key, time_ns)
    first_start: dict[int, int] = {}
    for key, time_ns in starts:
        first_start.setdefault(key, time_ns)
    return [(first_end[key] - time_ns) / 1e6 for key, time_ns in first_start.items() if key in first_end]
