# SPDX-License-Identifier: Apache-2.0
"""The pages: text around the tables, and writing or comparing them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from exo_bringup.graph import GRAPH_FILE, HARDWARE_FILE, LOCKSTEP_FILE
from exo_bringup.launch_support import HARDWARE_ARGUMENTS, SIM_ARGUMENTS, Argument
from exo_bringup.paths import share_folder
from exo_bringup.reference import commands, interfaces, models
from exo_bringup.reference.markdown import code, number, plain, table
from exo_bringup.topics import OTHER_TOPICS, SERVICES, TOPICS
from exo_core.errors import UserError
from exo_core.yaml_file import read_yaml
from exo_device.description import DeviceDescription
from exo_device.drivers.registry import DRIVERS
from exo_policy.checkpoint import load_checkpoint
from exo_policy.manifest import Manifest
from exo_sim.body.muscle_groups import GROUPS_BY_SIDE, MUSCLES_BY_SIDE
from exo_sim.body.presets import Preset, presets
from exo_sim.body.subject import Subject

NOTE = "<!-- Written from the code by `exo docs`. Change the code, not this page. -->\n"
#: Ends of parameter names that say the unit.
UNITS = {
    "_nm_per_kg": "Nm/kg",
    "_nm_per_s": "Nm/s",
    "_rad_s": "rad/s",
    "_m_s2": "m/s²",
    "_mps": "m/s",
    "_deg": "°",
    "_rad": "rad",
    "_hz": "Hz",
    "_kg": "kg",
    "_nm": "Nm",
    "_strides": "strides",
    "_w": "W",
    "_m": "m",
    "_s": "s",
}
RECORDER = "recorder_node"


def build_pages() -> dict[str, str]:
    """Text of every page by file name. Starts and stops ROS: for a process of its own."""
    from exo_bringup.reference.nodes import collect

    nodes = collect()
    return {
        "topics.md": _topics(nodes),
        "services.md": _services(nodes),
        "parameters.md": _parameters(nodes),
        "messages.md": _messages(),
        "checkpoint_format.md": _checkpoint(),
        "configuration_files.md": _configuration(),
        "cli.md": _cli(),
    }


def write_pages(folder: str | Path, check: bool = False) -> list[str]:
    """Writes the pages, or with `check` only compares them. Returns the names of those that differed.

    Raises UserError where the folder is not there.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder: run it in the repository, or name docs/reference with --output")
    differing = []
    for name, text in build_pages().items():
        path = folder / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            differing.append(name)
            if not check:
                path.write_text(text, encoding="utf-8")
    return differing


def _page(title: str, *parts: str) -> str:
    return "\n".join([NOTE, f"# {title}\n", *(part for part in parts if part)])


def _topics(nodes) -> str:
    from exo_bringup.reference.nodes import qos_words

    known = {topic.name: topic for topic in (*TOPICS, *OTHER_TOPICS)}
    names = list(known) + sorted(
        {end.name for facts in nodes for end in (*facts.publishers, *facts.subscriptions)} - set(known)
    )
    rows = []
    for name in names:
        publishers = [(facts, end) for facts in nodes for end in facts.publishers if end.name == name]
        subscribers = [
            (facts, end)
            for facts in nodes
            for end in facts.subscriptions
            if end.name == name and facts.program != RECORDER
        ]
        ends = publishers or subscribers
        if not ends:
            continue
        about = known.get(name)
        rows.append(
            (
                code(name),
                _type_link(ends[0][1].type_name),
                _programs(facts for facts, _ in publishers) or "a node of yours",
                _programs(facts for facts, _ in subscribers),
                qos_words(ends[0][1].qos),
                about.rate if about else "",
                about.purpose if about else "",
            )
        )
    heads = ("topic", "type", "published by", "subscribed by", "QoS of the publisher", "rate", "what it carries")
    return _page(
        "Topics",
        "Names are relative: with `namespace:=left` they begin with `/left/`, `clock`, `tf`, `tf_static` and "
        "`diagnostics` included. Rates are in ROS time, which in simulation is sim time. On hardware there is no "
        "simulator_node: what it publishes is absent, and the driver of device_node speaks to the motors.\n",
        table(heads, rows),
        "recorder_node subscribes to all of them but `viewer/address`. The fields with their units: "
        "[messages](messages.md).\n",
    )


def _services(nodes) -> str:
    known = {service.name: service for service in SERVICES}
    found = {end.name: (facts, end) for facts in nodes for end in facts.services}
    rows = [
        (
            code(name),
            _type_link(found[name][1].type_name),
            _programs([found[name][0]]),
            known[name].purpose if name in known else "",
        )
        for name in [*(name for name in known if name in found), *sorted(set(found) - set(known))]
    ]
    return _page(
        "Services",
        "Names are relative, as those of [topics](topics.md). Every node also has the parameter services of ROS 2, and "
        "device_node those of a lifecycle node.\n",
        table(("service", "type", "served by", "what it does"), rows),
        "```\nros2 service call /exo/arm std_srvs/srv/Trigger\n"
        'ros2 service call /sim/set_speed exo_msgs/srv/SetSpeed "{speed: 1.0}"\n'
        'ros2 service call /sim/set_subject exo_msgs/srv/SetSubject "{height: 1.8, mass: 80.0}"\n```\n',
    )


def _parameters(nodes) -> str:
    files = {name: read_yaml(share_folder() / name) for name in (GRAPH_FILE, LOCKSTEP_FILE, HARDWARE_FILE)}
    parts = [
        "Defaults are those of the node. The launch files and `exo` set what their arguments say, and take the rest from "
        "`config/graph.yaml`, on top of it `config/lockstep.yaml` in lockstep and `config/hardware.yaml` on a device "
        "computer: the column *set to* shows that.\n"
    ]
    for facts in nodes:
        if not facts.parameters:
            continue
        rows = []
        for item in sorted(facts.parameters, key=lambda item: item.name):
            set_to = [
                f"{code(_value(values[key]['ros__parameters'][item.name]))} ({Path(name).stem})"
                for name, values in files.items()
                for key in values
                if key == f"/**/{facts.program}" and item.name in values[key]["ros__parameters"]
            ]
            rows.append(
                (
                    code(item.name),
                    {bool: "bool", int: "int", float: "float", str: "string"}.get(type(item.default), "list"),
                    _unit(item.name),
                    code(_value(item.default)) if item.default != "" else "empty",
                    _range(item.descriptor),
                    ", ".join(set_to),
                    plain(item.descriptor.description) + (" *Fixed at start.*" if item.descriptor.read_only else ""),
                )
            )
        parts.append(f"## {facts.program}\n\n{facts.package}: {plain(facts.summary)}.\n")
        parts.append(table(("parameter", "type", "unit", "default", "range", "set to", "meaning"), rows))
    for title, file, arguments in (
        ("sim.launch.py", "sim.launch.py", SIM_ARGUMENTS),
        ("hardware.launch.py", "hardware.launch.py", HARDWARE_ARGUMENTS),
    ):
        parts += [
            f"## Arguments of {title}\n",
            f"`ros2 launch exo_bringup {file} NAME:=VALUE ...`\n",
            _arguments(arguments),
        ]
    return _page("Parameters", *parts)


def _arguments(arguments: Iterable[Argument]) -> str:
    return table(
        ("argument", "default", "meaning"),
        [(code(item.name), code(item.default) or "empty", plain(item.description)) for item in arguments],
    )


def _messages() -> str:
    messages, services = interfaces.all_interfaces()
    return _page(
        "Messages and services of exo_msgs",
        "SI units, radians, joints by name as in MyoLegs. Arrays by joint or muscle follow the list of names in the same "
        "message.\n",
        *(interfaces.section(facts) for facts in (*messages, *services)),
    )


def _checkpoint() -> str:
    from importlib.resources import as_file, files

    parts = [
        "A checkpoint is a pair of files: `NAME.safetensors` with the tensors and `NAME.json`, the manifest below. It is "
        "read and written by `exo_policy.checkpoint`, which refuses what does not fit: another format version or kind, a "
        "contract that is not the reader's (field by field), tensors of other shapes or not finite, a wrong checksum.\n",
        "## Tensors\n",
        "float32, by name; layer *i* computes `weight @ x + bias`, ELU between the layers, none behind the last. The "
        "observation is normalised by `(x - obs_mean) / obs_std` and clipped.\n",
    ]
    for package, name in (("exo_policy", "hip_ankle"), ("exo_sim.human", "walker")):
        with as_file(files(package) / "checkpoints") as folder:
            tensors, manifest = load_checkpoint(folder / name)
        rows = [(code(key), " × ".join(str(size) for size in tensors[key].shape)) for key in sorted(tensors)]
        parts += [f"`{name}` (kind `{manifest.kind}`), shipped in {package}:\n", table(("tensor", "shape"), rows)]
    parts.append("## Manifest\n")
    parts += [models.section(model) for model in models.nested(Manifest)]
    return _page("Checkpoint format", *parts)


def _configuration() -> str:
    import importlib

    parts = [
        "YAML files; an unknown field or a value out of range is refused with one line that names it.\n",
        "## Subject\n",
        "`exo_sim/exo_sim/config/subjects/NAME.yaml`\n",
        *(models.section(model) for model in models.nested(Subject)),
        "Muscle groups: " + ", ".join(code(group) for group in GROUPS_BY_SIDE) + ".\n",
        "Muscles: " + ", ".join(code(muscle) for muscle in MUSCLES_BY_SIDE) + ".\n",
        "### Named patients\n",
        "`preset: NAME` in a subject's file, or `preset:NAME` in place of one.\n",
        table(("name", "who", "source"), [(code(p.name), plain(p.description), plain(p.source)) for p in _patients()]),
        "## Device\n",
        "`exo_device/exo_device/config/devices/NAME.yaml`\n",
        *(models.section(model) for model in models.nested(DeviceDescription)),
        "## Driver settings\n",
        "A file begins with `driver: NAME`; device_node takes it as the parameter `driver_config`.\n",
    ]
    shown = set()
    for name, (module, _, config) in sorted(DRIVERS.items()):
        inside = list(models.nested(getattr(importlib.import_module(module), config)))
        parts.append(f"### Driver {name}\n")
        parts += [models.section(model, 4) for model in inside if model not in shown]
        shown.update(inside)
    return _page("Configuration files", *parts)


def _patients() -> list[Preset]:
    """Every preset; of one-sided ones the right, whose name says that there is a left."""
    return [
        replace(patient, name=patient.name.replace("_right", "_{right,left}"))
        for patient in presets().values()
        if patient.side != "l"
    ]


def _cli() -> str:
    exo = list(commands.exo_commands())
    bench = list(commands.device_commands())
    rows = [(code(" ".join(item.words)), plain(_help_of(exo, item))) for item in exo[1:]]
    return _page(
        "Command line",
        "`exo` is on the PATH after `source tools/env.sh`, or `source install/setup.bash` of a workspace. Exit codes: 0 "
        "done, 1 an error (one line that says what to do) or, with `--strict`, a missed target, 2 wrong options, 130 "
        "interrupted.\n",
        table(("command", "what it does"), rows),
        *(commands.section(item, 2 if len(item.words) == 2 else 3, _help_of(exo, item)) for item in exo[1:]),
        *(commands.section(item, 2 if len(item.words) == 4 else 3) for item in bench),
    )


def _help_of(all_commands, item) -> str:
    """What the parser above says about a command, else the command's own description."""
    parents = [other for other in all_commands if other.words == item.words[:-1]]
    for parent in parents:
        for action in parent.parser._actions:
            for choice in getattr(action, "_choices_actions", []):
                if choice.dest == item.words[-1] and choice.help:
                    return choice.help
    return " ".join((item.parser.description or "").split())


def _type_link(name: str) -> str:
    package, _, kind = name.split("/")
    return f"[{kind}](messages.md#{kind.lower()})" if package == "exo_msgs" else f"{package}/{kind}"


def _programs(nodes) -> str:
    return ", ".join(dict.fromkeys(facts.program for facts in nodes))


def _unit(name: str) -> str:
    return next((unit for end, unit in UNITS.items() if name.endswith(end)), "")


def _range(descriptor) -> str:
    spans = [*descriptor.floating_point_range, *descriptor.integer_range]
    return f"{number(spans[0].from_value)} to {number(spans[0].to_value)}" if spans else ""


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return number(value) if isinstance(value, (int, float)) else str(value)
