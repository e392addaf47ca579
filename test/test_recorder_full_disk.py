# SPDX-License-Identifier: Apache-2.0
"""A walking graph whose recording no longer fits on the disk: the walk goes on, and what was written is there."""

import resource
import signal
import sys

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from exo_bringup.processes import child_environment
from exo_core.recordings import RecordingError, RecordingReader
from exo_msgs.msg import DeviceStatus

WANTED = ("exo/joint_states", "exo/imu", "exo/command", "sim/motor_command", "human/state")
#: Left on the disk once the topics are in the file (bytes): some tenths of a second of walking.
BYTES_LEFT = 50_000


def recorded_topics(file) -> set[str]:
    try:
        return {message.topic for message in RecordingReader(file).messages()}
    except RecordingError:  # nothing is in it yet
        return set()


def test_a_recording_that_no_longer_fits_ends_alone(make_graph, domain, tmp_path):
    graph = make_graph(mode="lockstep").ready()
    file, wanted = tmp_path / "walk.mcap", {f"/{graph.options.namespace}/{name}" for name in WANTED}
    command = [sys.executable, "-m", "exo_bringup.recorder_node", "--ros-args"]
    command += ["-r", f"__ns:=/{graph.options.namespace}", "-p", f"output:={file}"]
    recorder = graph.children.start(
        "recorder_node", command, child_environment(ROS_DOMAIN_ID=str(domain), ROS_LOG_DIR=str(tmp_path))
    )
    graph.activate()
    graph.assist()
    graph.wait_until(lambda: wanted <= recorded_topics(file), "the device's topics in the recording")
    # The disk is full only now: how much is written before the device's topics come depends on the machine.
    limit = file.stat().st_size + BYTES_LEFT
    resource.prlimit(recorder.process.pid, resource.RLIMIT_FSIZE, (limit, limit))
    graph.wait_until(lambda: "the recording ends here" in recorder.log_file.read_text(), "a full disk")
    assert "File too large" in recorder.log_file.read_text()
    graph.walk(1.0)  # fails if any node has died, the recorder included
    graph.activate()
    assert graph.status.mode == DeviceStatus.ACTIVE

    recorder.send(signal.SIGINT)
    assert recorder.process.wait(60.0) == 0
    assert "Traceback" not in recorder.log_file.read_text()
    assert file.stat().st_size <= limit
    assert wanted <= recorded_topics(file)
