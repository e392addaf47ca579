# SPDX-License-Identifier: Apache-2.0
"""The SROS2 policy file: well formed, true to the graph, and exo/command is policy_node's alone."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

FILE = Path(__file__).resolve().parents[1] / "exo_bringup" / "config" / "security" / "policy.xml"
#: Element by element what SROS2's policy.xsd (version 0.2.0) allows below it, and its attributes.
SCHEMA = {
    "policy": ({"enclaves"}, {"version"}),
    "enclaves": ({"enclave"}, set()),
    "enclave": ({"profiles"}, {"path"}),
    "profiles": ({"profile"}, {"type"}),
    "profile": ({"topics", "services", "actions"}, {"ns", "node"}),
    "topics": ({"topic"}, {"publish", "subscribe"}),
    "services": ({"service"}, {"request", "reply"}),
    "topic": (set(), set()),
    "service": (set(), set()),
}
#: Not noted of a node that is started for its facts: every node has them.
OF_EVERY_NODE = {
    *("rosout", "parameter_events", "clock", "transition_event", "describe_parameters", "get_parameter_types"),
    *("get_parameters", "list_parameters", "set_parameters", "set_parameters_atomically", "get_type_description"),
    *("change_state", "get_state", "get_available_states", "get_available_transitions", "get_transition_graph"),
}
#: Of every node, or of a topic that a site chooses.
OTHER_TOPICS = {"rosout", "parameter_events", "imu/data", "~/transition_event"}


@pytest.fixture(scope="module")
def policy():
    return ElementTree.parse(FILE).getroot()


def rules(policy, group: str, kind: str) -> dict[str, set[str]]:
    """Nodes that may do this, by topic or service."""
    allowed: dict[str, set[str]] = {}
    for profile in policy.iter("profile"):
        for entries in profile.findall(group):
            for entry in entries if entries.get(kind) == "ALLOW" else ():
                allowed.setdefault(entry.text, set()).add(profile.get("node"))
    return allowed


def test_structure_is_that_of_the_schema(policy):
    assert policy.tag == "policy" and policy.get("version") == "0.2.0"
    for element in policy.iter():
        children, attributes = SCHEMA[element.tag]
        assert {child.tag for child in element} <= children, element.tag
        assert set(element.attrib) <= attributes, element.tag
        for name in ("publish", "subscribe", "request", "reply"):
            assert element.get(name) in (None, "ALLOW", "DENY")
        if element.tag in ("topic", "service"):
            assert element.text and element.text == element.text.strip()
        if element.tag in ("topics", "services"):
            assert element.attrib and len(element) > 0
    paths = [enclave.get("path") for enclave in policy.iter("enclave")]
    assert len(paths) == len(set(paths)) and all(path.startswith("/") for path in paths)
    assert all(profile.get("ns") == "/" and profile.get("node") for profile in policy.iter("profile"))


def test_only_policy_node_publishes_commands_and_only_the_device_speaks_for_itself(policy):
    publishers = rules(policy, "topics", "publish")
    assert publishers["exo/command"] == {"policy_node"}
    for topic in ("exo/status", "exo/joint_states", "exo/imu"):
        assert publishers[topic] == {"device_node"}
    assert "device_node" in rules(policy, "topics", "subscribe")["exo/command"]
    requests, replies = rules(policy, "services", "request"), rules(policy, "services", "reply")
    for service in ("exo/arm", "exo/disarm", "exo/confirm_zeros", "exo/stop"):
        # who shows buttons or runs a study arms for a person; without their enclaves nobody but the operator does
        assert requests[service] <= {"operator", "viewer_node", "exo_runner"} and "operator" in requests[service]
        assert replies[service] == {"device_node"}
    assert publishers["imu/data"] == {"imu_driver"}
    assert not any("*" in name for name in (*publishers, *requests, *replies))  # no wildcards


def test_every_topic_is_one_of_the_graphs(policy):
    from exo_bringup.topics import TOPICS, VIEWER_ADDRESS
    from exo_device.drivers.ros2_control import Ros2ControlConfig

    config = Ros2ControlConfig()
    known = {topic.name for topic in TOPICS} | OTHER_TOPICS | {config.topic, config.guardian_topic, VIEWER_ADDRESS}
    named = set(rules(policy, "topics", "publish")) | set(rules(policy, "topics", "subscribe"))
    assert named <= known
    assert {topic.name for topic in TOPICS if topic.name.startswith("exo/")} <= named


FACTS = """
import json, os, tempfile
from contextlib import ExitStack
from unittest import mock
import rclpy
from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from exo_bringup.graph import REMAPPINGS
from exo_bringup.monitor_node import MonitorNode
from exo_bringup.recorder_node import RecorderNode
from exo_bringup.telemetry import Telemetry
from exo_bringup.viewer_node import ViewerNode
from exo_device.device_node import DeviceNode
from exo_device.devices import device_file
from exo_policy.policy_node import PolicyNode

folder, device = tempfile.mkdtemp(), str(device_file("hip_ankle"))
os.environ["XDG_STATE_HOME"] = folder
given = (f"device_node:device_config:={device}", f"viewer_node:device_config:={device}", "viewer_node:port:=0",
         f"recorder_node:output:={folder}/recording.mcap")
words = [part for word in given for part in ("-p", word)]
rclpy.init(args=["--ros-args", "--log-level", "error", *words], domain_id=99)
created = {}

def noting(original, kept):
    def create(node, interface, name, *rest, **named):
        if name.split("/")[-1] not in OF_EVERY_NODE:
            kept.append(dict(REMAPPINGS).get(name, name))
        return original(node, interface, name, *rest, **named)
    return create

for program, make in {"device_node": DeviceNode, "policy_node": PolicyNode, "recorder_node": RecorderNode,
                      "viewer_node": ViewerNode, "exo_runner": lambda: MonitorNode(Telemetry(), "")}.items():
    kept = created[program] = [[], [], [], []]
    with ExitStack() as stack:
        for what, names in zip(("publisher", "subscription", "service", "client"), kept):
            method = "create_" + what
            stack.enter_context(mock.patch.object(Node, method, noting(getattr(Node, method), names)))
        node = make()
        if isinstance(node, LifecycleNode):
            node.trigger_configure()
print(json.dumps(created), flush=True)
os._exit(0)
"""


def test_every_node_may_do_what_it_does_and_no_more(policy):
    """Against what the nodes create when they are started, with the drivers' own nodes."""
    pytest.importorskip("rclpy")
    pytest.importorskip("viser")
    from exo_device.drivers.ros2_control import Ros2ControlConfig

    run = subprocess.run(
        [sys.executable, "-c", f"{OF_EVERY_NODE=}\n{FACTS}"], capture_output=True, text=True, timeout=200
    )
    assert run.returncode == 0, run.stderr
    created = json.loads(run.stdout.splitlines()[-1])
    config = Ros2ControlConfig()
    # of the drivers that the node was not started with
    others = {
        "device_node": [
            {config.topic, config.guardian_topic},
            {config.topic, config.state_topic, config.guardian_topic, "imu/data"},
            set(),
            {f"{config.controller}/get_parameters"},
        ]
    }
    groups = (("topics", "publish"), ("topics", "subscribe"), ("services", "reply"), ("services", "request"))
    for enclave in policy.iter("enclave"):
        program = enclave.get("path").strip("/")
        if program in ("operator", "imu_driver"):  # no programs of ours
            continue
        for (group, kind), does, other in zip(groups, created[program], others.get(program, [set()] * 4), strict=True):
            allowed = set(rules(enclave, group, kind))
            needed = {name.lstrip("/") for name in does} | other
            assert needed <= allowed, f"{program} may not {kind} {needed - allowed}"
            idle = {name for name in allowed - needed if name.split("/")[-1] not in OF_EVERY_NODE and "~" not in name}
            assert not idle, f"{program} never does {kind} {idle}"


def test_it_is_installed_with_the_package():
    from exo_bringup.graph import share_folder

    assert (share_folder() / "config" / "security" / "policy.xml").is_file()
