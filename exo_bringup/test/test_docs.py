# SPDX-License-Identifier: Apache-2.0
"""What the documentation says is there: links, commands, options, topics, parameters, fields of configurations."""

import argparse
import contextlib
import functools
import importlib.util
import re
import shlex
import typing
from pathlib import Path
from unittest import mock

import pytest
import yaml
from pydantic import BaseModel

from exo_bringup import cli
from exo_bringup.launch_support import HARDWARE_ARGUMENTS, SIM_ARGUMENTS
from exo_bringup.topics import OTHER_TOPICS, SERVICES, TOPICS
from exo_device.description import DeviceDescription
from exo_device.drivers import DRIVERS
from exo_policy.manifest import Manifest
from exo_sim.body.muscle_groups import GROUPS_BY_SIDE, MUSCLES_BY_SIDE
from exo_sim.body.subject import Subject
from exo_sim.subjects import presets

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGES = sorted(
    path
    for folder in (".", "docs", "docs/how_to", "docs/reference", "exo_*", "exo_*/docs", "exo_bringup/meshes")
    for path in ROOT.glob(f"{folder}/*.md")
)
PAGE_IDS = [path.relative_to(ROOT).as_posix() for path in PAGES]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def without_code(text):
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))


def anchor(heading):
    """The anchor that GitHub gives a heading."""
    text = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", lambda found: found.group(1) or "", heading.strip().lower())
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


@functools.cache
def anchors(path):
    found = {}
    for line in FENCE.sub("", path.read_text()).splitlines():
        if line.startswith("#"):
            name = anchor(line.lstrip("#"))
            found[name] = found.get(name, -1) + 1
    return {f"{name}-{number}" if number else name for name, last in found.items() for number in range(last + 1)}


@pytest.mark.parametrize("page", PAGES, ids=PAGE_IDS)
def test_every_link_leads_somewhere(page):
    for target in LINK.findall(without_code(page.read_text())):
        if target.startswith(("http://", "https://")):
            continue
        place, _, anchor = target.partition("#")
        file = (page.parent / place).resolve() if place else page
        assert file.exists(), f"{page.name}: {target}"
        assert file.is_relative_to(ROOT), f"{page.name}: {target} leads out of the repository"
        assert not anchor or anchor in anchors(file), f"{page.name}: no heading for {target}"


def test_every_place_that_the_glossary_names_is_there():
    places = re.findall(r"`(exo_\w+)/([\w/.]+)`", (ROOT / "docs" / "glossary.md").read_text())
    files = [f"{package}/{place}" for package, place in places if (ROOT / package / "package.xml").exists()]
    assert len(files) > 40
    for file in files:
        package, place = file.split("/", 1)
        assert (ROOT / package / package / place).exists(), file


def test_every_page_of_the_site_is_reached_from_its_index():
    index = ROOT / "docs" / "README.md"
    reached, waiting = set(), [index]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        targets = [target.split("#")[0] for target in LINK.findall(without_code(page.read_text()))]
        waiting += [(page.parent / target).resolve() for target in targets if target and "://" not in target]
    assert {page for page in PAGES if page.is_relative_to(ROOT / "docs")} <= reached


def test_the_walks_through_the_code_stop_at_files_that_exist():
    """Every step of a walk names its file; the links are looked at above."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    walks = re.findall(r"^## Walk \d: (.+?)$(.*?)(?=^## )", text, re.MULTILINE | re.DOTALL)
    assert [title.split(",")[0] for title, _ in walks] == ["an activation", "a torque", "a limit", "a training"]
    for title, walk in walks:
        steps = re.findall(r"^\d\. .+?(?=^\d\. |\Z)", walk, re.MULTILINE | re.DOTALL)
        named = [target for step in steps for target in LINK.findall(step) if target.endswith((".py", ".yaml"))]
        assert len(steps) >= 5 and len(set(named)) >= len(steps), title


def rows(page, *first):
    """Cells of the tables of a reference page whose first heading is one of these, by the code in the first cell."""
    found, wanted = {}, False
    for line in (REFERENCE / page).read_text().splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not cells:
            wanted = False
        elif cells[0] in first:
            wanted = True
        elif wanted and cells[0].startswith("`"):
            found[cells[0].strip("`")] = cells[1:]
    return found


def test_the_table_of_topics_says_what_recorder_and_nodes_go_by():
    """That the graph is so too, test_graph looks."""
    found = rows("topics.md", "topic")
    described = {topic.name: topic for topic in (*TOPICS, *OTHER_TOPICS)}
    assert set(found) == set(described)
    for name, (kind, publishers, _, qos, rate, purpose) in found.items():
        topic = described[name]
        assert topic.type_name.split("/")[-1] in kind and publishers and rate and purpose
        # best effort may listen to reliable; the other way nothing arrives
        assert "reliable" in qos or not topic.reliable, name
        assert ("transient local" in qos) == topic.latched, name


def test_every_service_is_in_its_table():
    found = rows("topics.md", "service")
    assert {name: row[0].split("/")[-1].removesuffix(".srv)") for name, row in found.items()} == {
        service.name: service.type_name.split("/")[-1] for service in SERVICES
    }
    assert all(len(row) == 3 and all(row) for row in found.values())


def test_every_interface_is_in_the_table_of_its_package():
    folder = ROOT / "exo_msgs"
    files = {path.relative_to(folder).as_posix() for kind in ("msg", "srv") for path in folder.glob(f"{kind}/*.{kind}")}
    assert files <= set(LINK.findall((folder / "README.md").read_text()))


def parameter_names():
    """Of every node."""
    from exo_bringup import recorder_node, viewer_node, visualization_node
    from exo_device import parameters as device
    from exo_policy import policy_node as policy
    from exo_sim.ros import parameters as simulator

    modules = (recorder_node, viewer_node, visualization_node, device, policy, simulator)
    return {name for module in modules for name in module.DECLARATIONS}


# --- formats of files


def nested(model):
    """A pydantic model and those inside it, each once."""
    waiting, seen = [model], []
    while waiting:
        part = waiting.pop()
        waiting += typing.get_args(part)
        if isinstance(part, type) and issubclass(part, BaseModel) and part not in seen:
            seen.append(part)
            waiting += [info.annotation for info in part.model_fields.values()]
    return seen


def described_fields(page):
    """Names of the fields in each section of a page, and which of them are required."""
    sections = re.split(r"^#+ (.+)$", (REFERENCE / page).read_text(), flags=re.MULTILINE)[1:]
    lines = re.compile(r"^\| `(\w+)` \|(.*)$", re.MULTILINE)
    return {
        title: {name: "**required**" in rest for name, rest in lines.findall(text)}
        for title, text in zip(sections[::2], sections[1::2], strict=True)
    }


def driver_configurations():
    return [getattr(importlib.import_module(module), config) for module, _, config in DRIVERS.values()]


@pytest.mark.parametrize(
    "page, models",
    [
        ("configuration_files.md", [Subject, DeviceDescription, *driver_configurations()]),
        ("checkpoint_format.md", [Manifest]),
    ],
)
def test_every_field_of_a_file_is_in_its_table(page, models):
    described = described_fields(page)
    for model in {part.__name__: part for root in models for part in nested(root)}.values():
        required = {name: info.is_required() for name, info in model.model_fields.items()}
        assert described.get(model.__name__) == required, f"{page}: section {model.__name__}"


def test_every_group_muscle_and_patient_is_named():
    text = (REFERENCE / "configuration_files.md").read_text()
    named = {name.replace("_right", "_{right,left}").replace("_left", "_{right,left}") for name in presets()}
    for name in {*GROUPS_BY_SIDE, *MUSCLES_BY_SIDE, *named}:
        assert f"`{name}`" in text, name


# --- commands shown


def shown_lines(page):
    """Lines of the code blocks that are commands, continuation lines joined, comments cut off."""
    for language, block in FENCE.findall(page.read_text()):
        if language in ("", "bash", "sh"):
            for line in re.split(r"\n|\s&&\s", block.replace("\\\n", " ")):
                if re.match(r"\s*(exo|make|ros2|python -m (exo_\w+|benchmarks)) ?", line):
                    yield shlex.split(line, comments=True)


def shown(first, count=1):
    return [
        (page.relative_to(ROOT).as_posix(), words)
        for page in PAGES
        for words in shown_lines(page)
        if words[:count] == first.split()
    ]


def parser_for(words):
    """The parser that answers `exo WORDS --help`, in whichever package it is made."""
    asked = []
    with mock.patch.object(argparse.ArgumentParser, "print_help", lambda parser, file=None: asked.append(parser)):
        with contextlib.suppress(SystemExit):
            cli.main([*words, "--help"])
    return asked[0]


def commands_below(*words):
    """{"exo train human": its options}, of a command and all below it."""
    parser = parser_for(words)
    options = {text for action in parser._actions for text in action.option_strings}
    found = {" ".join(["exo", *words]): options}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name in action.choices:
                found |= commands_below(*words, name)
    return found


@pytest.fixture(scope="module")
def exo():
    """Options of every command."""
    assistance = parser_for(["evaluate", "human", "--assistance"])  # an option that makes another command
    known = {text for action in assistance._actions for text in action.option_strings}
    return {**commands_below(), "exo evaluate human --assistance": known}


def test_every_exo_command_and_option_shown_exists(exo):
    seen = shown("exo")
    assert len(seen) > 20
    for page, words in seen:
        name, rest = "exo", words[1:]
        while rest and f"{name} {rest[0]}" in exo:
            name, rest = f"{name} {rest[0]}", rest[1:]
        for mode in [word for word in rest if f"{name} {word}" in exo]:
            name = f"{name} {mode}"
            rest.remove(mode)
        options = exo[name]
        for word in rest:
            if word.startswith("--"):
                assert word.split("=")[0] in options, f"{page}: {name} has no {word}"
        assert name != "exo" or rest[0].startswith("-"), f"{page}: no command {' '.join(words)}"


def test_every_option_of_make_sim_shown_exists(exo):
    options = exo["exo sim"]
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    seen = shown("make")
    assert len(seen) > 5
    for page, words in seen:
        goals = [word for word in words[1:] if "=" not in word]
        assert set(goals) <= targets, f"{page}: {words}"
        arguments = [word.removeprefix("ARGS=") for word in words if word.startswith("ARGS=")]
        if goals == ["sim"]:
            for word in shlex.split(" ".join(arguments)):
                assert not word.startswith("--") or word in options, f"{page}: make sim has no {word}"


def test_every_launch_shown_has_its_file_and_arguments():
    launch = ROOT / "exo_bringup" / "launch"
    names = {
        "sim.launch.py": {argument.name for argument in SIM_ARGUMENTS},
        "hardware.launch.py": {argument.name for argument in HARDWARE_ARGUMENTS},
    }
    seen = shown("ros2 launch", 2)
    assert seen
    for page, (_, _, package, file, *arguments) in seen:
        assert package == "exo_bringup" and (launch / file).is_file(), page
        assert {word.split(":=")[0] for word in arguments} <= names[file], page


def test_every_service_call_and_topic_shown_exists():
    srv = pytest.importorskip("exo_msgs.srv")
    services = {f"/{service.name}": service.type_name for service in SERVICES}
    topics = {f"/{topic.name}" for topic in (*TOPICS, *OTHER_TOPICS)}
    fields = {
        f"exo_msgs/srv/{path.stem}": set(getattr(srv, path.stem).Request.get_fields_and_field_types())
        for path in (ROOT / "exo_msgs" / "srv").glob("*.srv")
    }
    seen = shown("ros2 service call", 3)
    assert len(seen) > 4
    for page, (*_, name, kind) in [(page, words[:5]) for page, words in seen]:
        assert services.get(name) == kind, f"{page}: {name} {kind}"
    for page, words in seen:
        if len(words) > 5 and words[4] in fields:
            assert set(yaml.safe_load(words[5])) <= fields[words[4]], page
    for page, words in shown("ros2 topic echo", 3):
        assert words[3] in topics, page


def test_every_program_and_parameter_shown_exists():
    packages = pytest.importorskip("ament_index_python.packages")
    names = parameter_names()
    for page, words in shown("ros2 run", 2):
        if words[2] == "hip_spring":  # the reader's own: test/test_own_policy.py builds it
            continue
        program = Path(packages.get_package_prefix(words[2])) / "lib" / words[2] / words[3]
        assert program.is_file(), f"{page}: {program}"
        given = [words[index + 1] for index, word in enumerate(words) if word == "-p"]
        assert {word.split(":=")[0] for word in given} <= names, page
    for page, words in shown("ros2 param set", 3):
        assert words[4] in names, page
    for page, words in [entry for entry in shown("python") if entry[1][1] == "-m"]:
        assert importlib.util.find_spec(words[2]) is not None, page


def test_the_controller_in_the_documentation_controls():
    import numpy as np

    from exo_policy.observation import DeviceObservation

    text = (ROOT / "docs" / "how_to" / "policy.md").read_text()
    scope = {}
    exec(next(block for language, block in FENCE.findall(text) if language == "python"), scope)
    joints = ("hip_flexion_r", "ankle_angle_r")
    controller = scope["HipSpring"](joints, 75.0, [1.0, 1.0])
    observation = DeviceObservation(
        0.0, joints, *(np.array([0.1, 0.3]) for _ in range(3)), np.array([0.0, 0.0, 0.0, 1.0]), np.zeros(3), np.zeros(3)
    )
    assert controller.update(observation).tolist() == pytest.approx([-0.5, 0.0])


def test_the_subject_in_the_documentation_loads():
    from exo_sim.body.subject import make_subject

    text = (ROOT / "docs" / "how_to" / "subject.md").read_text()
    fields = next(yaml.safe_load(block) for language, block in FENCE.findall(text) if language == "yaml")
    assert make_subject(fields).strengths == {"plantarflexors_r": 0.5}


# --- RViz


def test_rviz_shows_what_the_nodes_publish():
    """Each display's topic, its type and its QoS; and frames that are in /tf."""
    config = yaml.safe_load((ROOT / "exo_bringup" / "rviz" / "exo.rviz").read_text())["Visualization Manager"]
    published = rows("topics.md", "topic")
    kinds = {"RobotModel": "std_msgs/String", "MarkerArray": "visualization_msgs/MarkerArray"}
    seen = set()
    for display in config["Displays"]:
        kind = display["Class"].removeprefix("rviz_default_plugins/")
        seen.add(kind)
        topic = display.get("Topic") or display.get("Description Topic")
        if topic is None:
            assert kind in ("Grid", "TF"), f"{display['Name']}: which topic?"
            continue
        type_name, publishers, _, qos, *_ = published[topic["Value"]]
        assert type_name == kinds[kind] and "visualization_node" in publishers
        if topic["Reliability Policy"] == "Reliable":
            assert "reliable" in qos, display["Name"]
        assert (topic["Durability Policy"] == "Transient Local") == ("transient local" in qos), display["Name"]
    assert seen == {"Grid", "RobotModel", "MarkerArray", "TF"}

    from exo_bringup.markers import BASE_LINK, FORCE, MUSCLES, ODOM, TORQUE

    markers = next(display for display in config["Displays"] if "Namespaces" in display)
    assert set(markers["Namespaces"]) == {MUSCLES, FORCE, TORQUE}
    assert config["Global Options"]["Fixed Frame"] == ODOM
    assert config["Views"]["Current"]["Target Frame"] == BASE_LINK
    assert config["Displays"][0]["Reference Frame"] == ODOM
    urdf = (ROOT / "exo_bringup" / "urdf" / "exo_human.urdf").read_text()
    assert f'<link name="{BASE_LINK}"' in urdf
