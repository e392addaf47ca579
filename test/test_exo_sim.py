# SPDX-License-Identifier: Apache-2.0
"""The main job from the command line: the same seed, the same result, and a recording that can be read."""

import json
import subprocess
import sys

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

#: A busy machine may need minutes for what takes half of one.
RUN_TIMEOUT_S = 500
pytestmark = pytest.mark.timeout(RUN_TIMEOUT_S + 60)
RESULTS = {"config.yaml", "curves.csv", "gait.png", "run.json", "strides.json", "summary.json"}


@pytest.fixture(scope="module")
def two_runs(domain, tmp_path_factory):
    """Run folders of two lockstep runs with the same seed, at the same time; the first one is recorded."""
    started = []
    for name, extra in (("first", []), ("second", ["--no-record", "--no-visualization"])):
        output = tmp_path_factory.mktemp(name)
        command = [
            sys.executable,
            "-m",
            "exo_bringup.cli",
            "sim",
            "--no-viewer",
            "--lockstep",
            "--seed",
            "3",
            "--duration",
            "8",
            "--domain-id",
            str(domain),
            "--namespace",
            name,
            "--output",
            str(output),
            *extra,
        ]
        started.append((output, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)))
    folders = []
    try:
        for output, process in started:
            said = process.communicate(timeout=RUN_TIMEOUT_S)[0]
            assert process.returncode == 0, said
            assert "Traceback" not in said
            folders.append(next(output.iterdir()))
    finally:
        for _, process in started:  # the graph ends with its runner
            process.kill()
            process.wait()
    return folders


def test_the_run_folder_is_complete(two_runs):
    first, second = two_runs
    assert RESULTS | {"recording.mcap"} <= {path.name for path in first.iterdir()}
    assert RESULTS <= {path.name for path in second.iterdir()}


def test_the_same_seed_gives_the_same_bytes(two_runs):
    first, second = two_runs
    for name in ("summary.json", "curves.csv", "strides.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_the_summary_holds_what_was_measured(two_runs):
    summary = json.loads((two_runs[0] / "summary.json").read_text())
    assert summary["seed"] == 3 and summary["configuration"]["mode"] == "lockstep"
    figures = {figure["name"]: figure for figure in summary["figures"]}
    assert figures["strides_unassisted"]["value"] >= 2 and figures["strides_assisted"]["value"] >= 2
    assert figures["assistance_peak_ankle"]["value"] > 0.1
    assert figures["device_faults"]["value"] == 0


def test_the_recording_is_read_by_an_independent_reader(two_runs):
    from mcap.reader import make_reader
    from mcap_ros2.decoder import DecoderFactory

    seen, previous = {}, {}
    with (two_runs[0] / "recording.mcap").open("rb") as stream:
        reader = make_reader(stream, decoder_factories=[DecoderFactory()])
        assert reader.get_header().profile == "ros2"
        for _, channel, message, content in reader.iter_decoded_messages(log_time_order=False):
            seen.setdefault(channel.topic, []).append(content)
            assert message.publish_time >= previous.get(channel.topic, 0)
            previous[channel.topic] = message.publish_time
    for topic in (
        "sim/motor_states",
        "exo/joint_states",
        "exo/imu",
        "exo/command",
        "exo/status",
        "human/state",
        "human/stride",
        "joint_states",
        "tf",
        "tf_static",
        "robot_description",
        "human/markers",
        "clock",
        "diagnostics",
    ):
        assert f"/first/{topic}" in seen, topic
    sequences = [message.sequence for message in seen["/first/sim/motor_states"]]
    # reliable, depth 1: a few may be lost on a loaded machine, not many
    assert len(set(sequences)) > 0.9 * (sequences[-1] - sequences[0])
    last = seen["/first/human/state"][-1]
    assert len(last.muscle_names) == len(last.activation) == 80
    assert seen["/first/robot_description"][0].data.startswith("<?xml")
