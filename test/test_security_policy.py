# SPDX-License-Identifier: Apache-2.0
"""The SROS2 policy file: well formed, true to the graph, and exo/command is policy_node's alone."""

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
        assert requests[service] == {"operator"} and replies[service] == {"device_node"}
    assert not any("*" in name for name in (*publishers, *requests, *replies))  # no wildcards


def test_every_topic_is_one_of_the_graphs(policy):
    from exo_bringup.topics import TOPICS

    known = {topic.name for topic in TOPICS} | OTHER_TOPICS
    named = set(rules(policy, "topics", "publish")) | set(rules(policy, "topics", "subscribe"))
    assert named <= known
    assert {topic.name for topic in TOPICS if topic.name.startswith("exo/")} <= named


def test_it_is_installed_with_the_package():
    from exo_bringup.paths import share_folder

    assert (share_folder() / "config" / "security" / "policy.xml").is_file()
