# SPDX-License-Identifier: Apache-2.0
"""A walking graph whose recording does not fit on the disk: the walk goes on, and what was written is there."""

import signal
import sys

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from mcap.exceptions import McapError  # noqa: E402
from mcap.reader import NonSeekingReader  # noqa: E402

from exo_bringup.processes import child_environment  # noqa: E402
from exo_msgs.msg import DeviceStatus  # noqa: E402

#: The largest file that the recorder may write (bytes): a few seconds of walking.
DISK_BYTES = 400_000
#: recorder_node on a disk of that size. Its log lines go to files of their own, far smaller.
RECORDER = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, ({DISK_BYTES}, {DISK_BYTES}))
from exo_bringup.recorder_node import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_recording_that_no_longer_fits_ends_alone(make_graph, domain, tmp_path):
    graph = make_graph(mode="lockstep").ready()
    file = tmp_path / "walk.mcap"
    command = [
        sys.executable,
        "-c",
        RECORDER,
        "--ros-args",
        "-r",
        f"__ns:=/{graph.options.namespace}",
        "-p",
        f"output:={file}",
    ]
    recorder = graph.children.start(
        "recorder_node", command, child_environment(ROS_DOMAIN_ID=str(domain), ROS_LOG_DIR=str(tmp_path))
    )
    graph.activate()
    graph.assist()
    graph.wait_until(lambda: "the recording ends here" in recorder.log_file.read_text(), "a full disk")
    assert "File too large" in recorder.log_file.read_text()
    graph.walk(1.0)  # fails if any node has died, the recorder included
    graph.activate()
    assert graph.status.mode == DeviceStatus.ACTIVE

    recorder.send(signal.SIGINT)
    assert recorder.process.wait(60.0) == 0
    assert "Traceback" not in recorder.log_file.read_text()
    assert file.stat().st_size <= DISK_BYTES
    topics = set()
    with file.open("rb") as stream:
        try:
            for _, channel, _ in NonSeekingReader(stream).iter_messages(log_time_order=False):
                topics.add(channel.topic)
        except (McapError, EOFError):  # it has no end
            pass
    wanted = ("exo/joint_states", "exo/imu", "exo/command", "sim/motor_command", "human/state")
    assert {f"/{graph.options.namespace}/{name}" for name in wanted} <= topics
