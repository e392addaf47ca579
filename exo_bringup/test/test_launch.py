# SPDX-License-Identifier: Apache-2.0
"""Launch files and runner start the same nodes with the same parameters and remappings."""

import importlib.util
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest
import yaml

from exo_bringup import launch_support
from exo_bringup.cli import build_parser
from exo_bringup.graph import (
    CONTROLLERS,
    MODES,
    REMAPPINGS,
    GraphOptions,
    NodeSpec,
    describe_graph,
    describe_hardware,
    subject_strengths,
)
from exo_bringup.launch_support import HARDWARE_ARGUMENTS, SIM_ARGUMENTS, options_from_launch
from exo_bringup.processes import GraphLock, executable_path
from exo_bringup.run_options import graph_options_from_arguments
from exo_core.errors import ExitCode, UserError
from exo_core.joints import STRENGTH_GROUPS
from exo_device.devices import device_folder, driver_file
from exo_sim.body.subject import load_subject
from exo_sim.subjects import SUBJECT_FOLDER, presets, subject_file

LAUNCH = Path(__file__).resolve().parents[1] / "launch"
#: Of somebody; a name in config/subjects is as good as a file here, but for "default".
WEARER = "light"


class Recorded:
    """Stands for any launch class: keeps what it was made with."""

    def __init__(self, *arguments, **named):
        self.arguments, self.named = arguments, named

    def __eq__(self, other):
        return type(self) is type(other) and vars(self) == vars(other)


class LaunchConfiguration(Recorded):
    def perform(self, context):
        return context.launch_configurations[self.arguments[0]]


@pytest.fixture
def stub_launch(monkeypatch, tmp_path):
    """The few names of launch and launch_ros that the files use; every program is there, and locks are our own."""

    def kind(name):
        return type(name, (Recorded,), {})

    modules = {
        "launch": {"LaunchDescription": Recorded},
        "launch.actions": {
            name: kind(name) for name in ("DeclareLaunchArgument", "OpaqueFunction", "RegisterEventHandler", "Shutdown")
        },
        "launch.event_handlers": {"OnShutdown": kind("OnShutdown")},
        "launch.substitutions": {"LaunchConfiguration": LaunchConfiguration},
        "launch_ros": {},
        "launch_ros.actions": {"Node": kind("Node")},
    }
    for name, content in modules.items():
        module = types.ModuleType(name)
        module.__dict__.update(content)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(launch_support, "executable_path", lambda package, executable: tmp_path / executable)
    monkeypatch.setattr(launch_support, "GraphLock", lambda *words: GraphLock(*words, folder=tmp_path))


def load(file):
    spec = importlib.util.spec_from_file_location("launch_file_under_test", LAUNCH / file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def launch_actions(file, pushed="", **chosen):
    """What a launch file starts: the handler of the end, and its nodes."""
    entities = load(file).generate_launch_description().arguments[0]
    declared = [e for e in entities if type(e).__name__ == "DeclareLaunchArgument"]
    values = {e.arguments[0]: e.named["default_value"] for e in declared}
    assert set(chosen) <= set(values), "unknown launch argument"
    values.update(chosen, ros_namespace=pushed)
    function = next(e for e in entities if type(e).__name__ == "OpaqueFunction").named["function"]
    return function(types.SimpleNamespace(launch_configurations=values))


def end_launch(actions):
    actions[0].arguments[0].named["on_shutdown"](None, None)


def launched_nodes(file, **chosen):
    """Keyword arguments of every Node that a launch file starts, by name."""
    actions = launch_actions(file, **chosen)
    end_launch(actions)
    return {node.named["name"]: node.named for node in actions[1:]}


def started_nodes(specs: list[NodeSpec]):
    """What the runner's command lines say, by node name."""
    nodes = {}
    for spec in specs:
        words = spec.command_line("program", "overrides.yaml")
        rules = [words[i + 1].split(":=") for i, word in enumerate(words) if word == "-r"]
        name = dict(rules)["__node"]
        level = [words[i : i + 2] for i, word in enumerate(words) if word == "--log-level"]
        files = [words[i + 1] for i, word in enumerate(words) if word == "--params-file"]
        assert files[-1] == "overrides.yaml"
        nodes[name] = {
            "namespace": dict(rules).get("__ns", "").lstrip("/"),
            "remappings": [tuple(rule) for rule in rules if not rule[0].startswith("__")],
            "files": files[:-1],
            "ros_arguments": [word for pair in level for word in pair],
            "parameters": yaml.safe_load(spec.parameter_yaml())[f"/**/{name}"]["ros__parameters"],
        }
    return nodes


def assert_same(launched, started):
    assert set(launched) == set(started)
    for name, node in launched.items():
        other = started[name]
        assert node["namespace"] == other["namespace"]
        assert [tuple(pair) for pair in node["remappings"]] == other["remappings"]
        assert [p for p in node["parameters"] if isinstance(p, str)] == other["files"]
        assert node["ros_arguments"] == other["ros_arguments"]
        merged = {}
        for part in node["parameters"]:
            merged.update(part if isinstance(part, dict) else {})
        assert merged == other["parameters"]


CHOICES = [
    {},
    {"namespace": "left", "controller": "spline", "device": "hip", "speed": "1.0"},
    {"mode": "lockstep", "seed": "7", "visualization": "false"},
    {"policy": "false", "viewer": "True", "log_level": "debug", "record": "run.mcap"},
]


@pytest.mark.parametrize("chosen", CHOICES)
def test_sim_launch_describes_what_the_runner_starts(stub_launch, chosen):
    defaults = {argument.name: argument.default for argument in SIM_ARGUMENTS}
    assert_same(
        launched_nodes("sim.launch.py", **chosen),
        started_nodes(describe_graph(options_from_launch({**defaults, **chosen}))),
    )


def test_hardware_launch_starts_device_and_policy_in_wall_time(stub_launch):
    defaults = {argument.name: argument.default for argument in HARDWARE_ARGUMENTS}
    launched = launched_nodes("hardware.launch.py", subject=WEARER)
    assert_same(launched, started_nodes(describe_hardware(options_from_launch({**defaults, "subject": WEARER}))))
    assert set(launched) == {"device_node", "policy_node"}
    assert any("hardware.yaml" in str(p) for p in launched["device_node"]["parameters"])


@pytest.mark.parametrize("file", ["sim.launch.py", "hardware.launch.py"])
def test_the_drivers_settings_reach_the_device_node(stub_launch, file):
    chosen = {"driver": "cubemars_can", "driver_config": "cubemars_example", "subject": WEARER}
    *_, parameters = launched_nodes(file, **chosen)["device_node"]["parameters"]
    assert parameters["driver"] == "cubemars_can"
    assert Path(parameters["driver_config"]).is_file() and "cubemars_example" in parameters["driver_config"]
    with pytest.raises(UserError, match="cubemars_example"):  # names those there are
        launched_nodes(file, driver_config="steam", subject=WEARER)


@pytest.mark.parametrize("subject", ["default", "preset:drop_foot_right"])
def test_real_motors_want_a_wearer_and_say_which_argument_names_one(stub_launch, subject):
    with pytest.raises(UserError) as caught:
        launched_nodes("hardware.launch.py", driver_config="cubemars_example", subject=subject)
    assert "--subject FILE" in str(caught.value) and "subject:=FILE" in str(caught.value)
    assert "\n" not in str(caught.value)
    launched_nodes("hardware.launch.py", driver="replay", subject=subject)
    launched_nodes("hardware.launch.py", use_mock_hardware="true", subject=subject)


@pytest.fixture
def settings_file(tmp_path, monkeypatch):
    """A bench of its own, and a folder for what is written beside it."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    example = yaml.safe_load(driver_file("cubemars_example").read_text())
    example["motors"]["hip_flexion_r"]["id"] = 77
    path = tmp_path / "bench.yaml"
    path.write_text(yaml.safe_dump(example))
    return path


def test_mock_hardware_is_the_same_launch_with_another_bus(stub_launch, settings_file, monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", "7")
    chosen = {"driver_config": str(settings_file), "subject": WEARER}
    real = launched_nodes("hardware.launch.py", **chosen)
    mock = launched_nodes("hardware.launch.py", **chosen, use_mock_hardware="true")
    emulator = mock.pop("motor_emulator")
    assert mock["policy_node"] == real["policy_node"]
    own = [node["device_node"]["parameters"].pop() for node in (real, mock)]
    assert mock["device_node"] == real["device_node"]
    files = [parameters.pop("driver_config") for parameters in own]
    assert [parameters.pop("use_mock_hardware") for parameters in own] == [False, True]
    assert own[0] == own[1] and own[0]["driver"] == "cubemars_can"
    assert files[0] == str(settings_file) and emulator["arguments"] == ["cubemars", "--config", files[1]]
    settings = [yaml.safe_load(Path(file).read_text()) for file in files]
    changed = {key for key in settings[1] if settings[0].get(key) != settings[1][key]}
    assert changed == {"interface", "channel", "bus_options"}
    assert settings[1]["interface"] == "udp_multicast" and settings[1]["bus_options"]["port"] == 43207


def test_the_emulator_takes_what_a_launch_file_adds(settings_file, capsys):
    from exo_device.emulator import command_line

    specs = {
        spec.name: spec
        for spec in describe_hardware(
            GraphOptions(
                driver="cubemars_can", driver_config=str(settings_file), use_mock_hardware=True, namespace="left"
            )
        )
    }
    words = specs["motor_emulator"].command_line("motor_emulator")[1:]
    assert command_line.ROS_ARGUMENTS in words
    assert "-r __ns:=/left" in " ".join(words) and "--namespace" not in words
    words[words.index("--config") + 1] = str(settings_file.with_name("missing.yaml"))
    assert command_line.main(words) == ExitCode.BAD_INPUT  # past the options, at the file
    assert "missing.yaml" in capsys.readouterr().err


def test_mock_hardware_of_a_driver_without_motors_is_one_clear_error():
    with pytest.raises(UserError, match="cubemars_can or ros2_control"):
        describe_hardware(GraphOptions(driver="replay", use_mock_hardware=True))
    joints = describe_hardware(GraphOptions(driver="ros2_control", device="ankle", use_mock_hardware=True))
    assert joints[0].arguments == ("ros2_control", "--joints", "ankle_angle_r,ankle_angle_l")


def test_rviz_is_started_on_demand_only(stub_launch):
    assert "rviz2" not in launched_nodes("sim.launch.py")
    rviz = launched_nodes("sim.launch.py", rviz="true")["rviz2"]
    assert Path(rviz["arguments"][1]).name == "exo.rviz" and Path(rviz["arguments"][1]).is_file()


#: What is not there in the Python of `ros2 launch`, or in a version of its own.
ABSENT = """pydantic pydantic_core numba llvmlite mujoco myo_sim torch scipy matplotlib viser rich jinja2 mcap can
safetensors trimesh PIL rclpy""".split()
IN_THE_SYSTEMS_PYTHON = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent}:
            raise ImportError(f"{{name}} is not there")

sys.meta_path.insert(0, Absent())
from exo_bringup.graph import describe_graph, describe_hardware
from exo_bringup.launch_support import HARDWARE_ARGUMENTS, SIM_ARGUMENTS, options_from_launch

def described(arguments, describe, **chosen):
    values = {{argument.name: argument.default for argument in arguments}}
    return {{spec.name: spec for spec in describe(options_from_launch({{**values, **chosen}}))}}

everything = dict(subject="preset:drop_foot_right", device="hip", controller="learned", checkpoint="c.json",
    params_file={file!r}, log_level="debug", record="run.mcap", namespace="left", viewer="true", viewer_host="::1",
    viewer_port="0")
sim = described(SIM_ARGUMENTS, describe_graph, **everything, driver="simulated", driver_config="cubemars_example",
    speed="1.0", mode="lockstep", seed="3", human_checkpoint="h.json", visualization="true", rviz="true")
more = {{"driver", "driver_config", "speed", "mode", "seed", "human_checkpoint", "visualization", "rviz", "policy"}}
assert set(everything) | more == {{argument.name for argument in SIM_ARGUMENTS}}
assert len(sim) == 7, sorted(sim)
for driver in ("cubemars_can", "ros2_control"):
    settings = "cubemars_example" if driver == "cubemars_can" else ""
    mock = described(HARDWARE_ARGUMENTS, describe_hardware, **everything, driver=driver, driver_config=settings,
        use_mock_hardware="true")
    assert mock["device_node"].parameters["use_mock_hardware"], mock
print(sim["policy_node"].parameters["strengths"])
print(sorted(name for name in {absent} if name in sys.modules))
"""


def test_launch_files_need_nothing_that_the_systems_python_lacks(tmp_path, settings_file):
    script = IN_THE_SYSTEMS_PYTHON.format(absent=ABSENT, file=str(settings_file))
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["dorsiflexors_r: 0.1", "[]"]


@pytest.mark.parametrize("name", sorted(presets()))
def test_a_patients_strengths_are_those_of_the_body(name):
    told = subject_strengths(f"preset:{name}")
    strengths = load_subject(f"preset:{name}").strengths
    assert told == ", ".join(f"{group}: {strengths[group]:g}" for group in STRENGTH_GROUPS if group in strengths)


@pytest.mark.parametrize(
    "content, text",
    [
        ("preset: nobody", "allowed"),
        ("strengths: {plantarflexors_r: weak}", "from 0 to 2"),
        ("strengths: {plantarflexors_r: 3}", "from 0 to 2"),
        ("strengths: 0.5", "mapping"),
    ],
)
def test_a_subject_whose_strengths_cannot_be_told_is_refused_and_never_healthy(tmp_path, content, text):
    path = tmp_path / "wearer.yaml"
    path.write_text(f"mass_kg: 70.0\n{content}\n")
    with pytest.raises(UserError, match=text) as caught:
        describe_graph(GraphOptions(subject=str(path)))
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def launch_defaults(arguments):
    return options_from_launch({argument.name: argument.default for argument in arguments})


def test_launch_and_exo_have_the_same_defaults():
    for command, arguments in (("graph", SIM_ARGUMENTS), ("hardware", HARDWARE_ARGUMENTS)):
        chosen = graph_options_from_arguments(build_parser().parse_args([command]))
        assert launch_defaults(arguments) == chosen


def test_a_graph_without_policy_node_leaves_the_command_to_another():
    sim = {spec.name for spec in describe_graph(GraphOptions())}
    assert sim - {spec.name for spec in describe_graph(GraphOptions(policy=False))} == {"policy_node"}
    options = GraphOptions(policy=False, use_mock_hardware=True, driver="ros2_control")
    assert "policy_node" not in {spec.name for spec in describe_hardware(options)}


def test_own_parameters_come_after_the_packages_and_before_what_is_chosen(tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text("/**:\n  ros__parameters:\n    command_timeout_s: 0.2\n")
    for describe, options in (
        (describe_graph, GraphOptions(params_file=str(own), record=str(tmp_path / "run.mcap"), viewer=True)),
        (describe_hardware, GraphOptions(params_file=str(own), driver="replay")),
    ):
        for spec in describe(options):
            assert spec.parameter_files[-1] == str(own) and len(spec.parameter_files) > 1
            words = spec.command_line("program", "chosen.yaml")
            assert words.index(str(own)) < words.index("chosen.yaml")


def test_a_recorder_is_the_first_to_start_where_it_is_asked_for(tmp_path):
    first = describe_graph(GraphOptions(record=str(tmp_path / "run.mcap")))[0]
    assert (first.name, first.parameters["output"]) == ("recorder_node", str(tmp_path / "run.mcap"))


def test_the_viewer_leaves_out_what_it_does_not_need():
    def names(**chosen):
        return {spec.name for spec in describe_graph(GraphOptions(**chosen))}

    assert "visualization_node" in names()
    assert "visualization_node" not in names(viewer=True)
    assert "visualization_node" in names(viewer=True, visualization=True)
    assert "visualization_node" in names(viewer=True, rviz=True)


def test_show_args_shows_what_may_be_chosen(stub_launch):
    for file, arguments in (("sim.launch.py", SIM_ARGUMENTS), ("hardware.launch.py", HARDWARE_ARGUMENTS)):
        entities = load(file).generate_launch_description().arguments[0][:-1]
        choices = {entity.arguments[0]: entity.named["choices"] for entity in entities}
        assert choices["controller"] == list(CONTROLLERS) and "cubemars_can" in choices["driver"]
        assert choices["policy"] == choices["viewer"] == ["true", "false", "True", "False"]
        assert choices["log_level"][1] == "info" and choices["device"] is None
        for argument in arguments:
            assert not argument.choices or argument.default in argument.choices


def test_the_names_of_controllers_are_those_that_there_are():
    from exo_policy import controllers
    from exo_sim.ros import parameters

    assert tuple(controllers.CONTROLLERS) == CONTROLLERS
    assert parameters.DECLARATIONS["mode"].choices == MODES


def test_the_graph_ends_with_a_node_that_it_needs_and_not_with_one_that_only_looks(stub_launch):
    nodes = launched_nodes("sim.launch.py", rviz="true", viewer="true", record="run.mcap")
    goes_on = {name for name, node in nodes.items() if node["on_exit"] is None}
    assert goes_on == {"rviz2", "viewer_node"}
    (action,) = nodes["device_node"]["on_exit"]
    assert type(action).__name__ == "Shutdown" and "device_node" in action.named["reason"]


def test_a_program_that_is_missing_is_named_before_anything_starts(stub_launch, monkeypatch):
    monkeypatch.setattr(launch_support, "executable_path", executable_path)
    with pytest.raises(UserError, match="rviz2") as caught:
        launch_actions("sim.launch.py", rviz="true")
    assert "ros-jazzy-rviz2" in str(caught.value)


def test_a_second_graph_of_the_domain_and_namespace_is_refused_until_the_first_ends(stub_launch, monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", "9")
    first = launch_actions("sim.launch.py", namespace="left")
    for file, chosen in (
        ("sim.launch.py", {"namespace": "left"}),
        ("sim.launch.py", {"pushed": "left"}),
        ("hardware.launch.py", {"namespace": "/left/", "driver": "replay"}),
    ):
        with pytest.raises(UserError, match="domain 9, namespace /left: stop it, or .* namespace:="):
            launch_actions(file, **chosen)
    end_launch(launch_actions("sim.launch.py", namespace="right"))
    monkeypatch.setenv("ROS_DOMAIN_ID", "10")
    end_launch(launch_actions("sim.launch.py", namespace="left"))
    monkeypatch.setenv("ROS_DOMAIN_ID", "9")
    end_launch(first)
    second = launch_actions("sim.launch.py", namespace="left")
    end_launch(first)  # launch says it once for each node that ends
    with pytest.raises(UserError, match="domain 9, namespace /left"):
        launch_actions("sim.launch.py", namespace="left")
    end_launch(second)


@pytest.mark.parametrize("arguments", [SIM_ARGUMENTS, HARDWARE_ARGUMENTS])
def test_no_launch_argument_is_declared_twice(arguments):
    names = [argument.name for argument in arguments]
    assert len(set(names)) == len(names)


def test_muscles_keep_up_with_the_bones_where_somebody_looks(stub_launch):
    for rviz, rates in (("false", [None]), ("true", [50.0])):
        node = launched_nodes("sim.launch.py", rviz=rviz)["visualization_node"]
        assert [p.get("marker_rate_hz") for p in node["parameters"] if isinstance(p, dict)] == rates


@pytest.mark.parametrize("file", ["sim.launch.py", "hardware.launch.py"])
def test_launch_files_load_with_the_real_launch(file):
    launch = pytest.importorskip("launch")
    pytest.importorskip("launch_ros")
    assert isinstance(load(file).generate_launch_description(), launch.LaunchDescription)


def test_every_parameter_file_names_nodes_that_exist():
    names = {spec.name for spec in describe_graph(GraphOptions(mode="lockstep"))}
    files = {f for spec in describe_graph(GraphOptions(mode="lockstep")) for f in spec.parameter_files}
    files |= {f for spec in describe_hardware(GraphOptions()) for f in spec.parameter_files}
    assert {Path(f).name for f in files} == {"graph.yaml", "lockstep.yaml", "hardware.yaml"}
    for file in files:
        for key in yaml.safe_load(Path(file).read_text()):
            assert key.startswith("/**/") and key[4:] in names, f"{file}: {key}"


def test_absolute_names_become_relative_so_that_namespaces_separate_graphs():
    assert {source for source, _ in REMAPPINGS} == {"/clock", "/tf", "/tf_static", "/diagnostics"}
    for source, target in REMAPPINGS:
        assert source == "/" + target


@pytest.mark.parametrize("values, text", [({"speed": "fast"}, "speed"), ({"rviz": "perhaps"}, "rviz")])
def test_an_argument_that_is_no_number_or_truth_is_one_clear_error(values, text):
    with pytest.raises(UserError, match=text):
        options_from_launch(values)


@pytest.mark.parametrize(
    "options, text",
    [
        (GraphOptions(mode="slow"), "realtime, fast, lockstep"),
        (GraphOptions(controller="strong"), "zero, spline, learned"),
        (GraphOptions(driver="steam"), "cubemars_can"),
        (GraphOptions(seed=-1), "--seed"),
        (GraphOptions(speed_mps=-1.0), "speed:="),
        (GraphOptions(viewer_port=70000), "65535"),
        (GraphOptions(namespace="1left"), "namespace '1left'"),
        (GraphOptions(params_file="absent.yaml"), "absent.yaml"),
        (GraphOptions(record="absent/run.mcap"), "absent/run.mcap"),
        (GraphOptions(log_level="loud"), "debug, info"),
        (GraphOptions(device="shoe"), "hip_ankle"),
        (GraphOptions(subject="nobody.yaml"), "default"),
    ],
)
def test_bad_choices_name_what_there_is(options, text):
    with pytest.raises(UserError, match=text):
        describe_graph(options)


def test_a_subject_without_mass_is_one_clear_error(tmp_path):
    path = tmp_path / "s.yaml"
    for content in ("mass_kg: heavy", "mass_kg: -4", "- 1", "a: [", "mass_kg: true"):
        path.write_text(content)
        with pytest.raises(UserError, match="s.yaml"):
            describe_graph(GraphOptions(subject=str(path)))


@pytest.mark.parametrize("name", ["light", "config/subjects/light.yaml"])
def test_configuration_is_found_by_name_and_by_path_from_anywhere(monkeypatch, tmp_path, name):
    monkeypatch.chdir(tmp_path)
    assert subject_file(name).name == "light.yaml"
    (tmp_path / "config" / "subjects").mkdir(parents=True)
    own = tmp_path / "config" / "subjects" / "light.yaml"
    own.write_text("name: own\n")
    assert (subject_file(name) == own.resolve()) is name.endswith(".yaml")


def test_every_shipped_subject_and_device_loads():
    from exo_device.description import load_device
    from exo_sim.body.subject import load_subject

    subjects = [load_subject(path) for path in sorted(SUBJECT_FOLDER.glob("*.yaml"))]
    assert {subject.name for subject in subjects} >= {"default", "light", "heavy", "weak_calf_right"}
    assert all(load_device(path).name == path.stem for path in sorted(device_folder().glob("*.yaml")))
