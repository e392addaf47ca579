# SPDX-License-Identifier: Apache-2.0
"""The graph as data: which nodes run, with which parameters and remappings.

The launch files and the `exo` command line both start what `describe_graph` returns, from the same parameter
files, so that they cannot drift apart. Nothing here needs ROS, and what is imported here needs yaml and the standard
library alone: `ros2 launch` runs in the system's Python, which has no pydantic 2 and none of the nodes' libraries.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from exo_core.errors import UserError
from exo_core.files import runtime_folder, whole_file
from exo_core.joints import STRENGTH_GROUPS
from exo_core.yaml_file import read_mapping
from exo_device.devices import DRIVERS, MULTICAST, MULTICAST_CHANNEL, device_file, device_joints, driver_file
from exo_sim.errors import SimError
from exo_sim.subjects import PRESET_PREFIX, subject_file, with_presets

MODES = ("realtime", "fast", "lockstep")
#: Names of exo_policy.controllers, which needs numpy and more.
CONTROLLERS = ("zero", "spline", "learned")
LOG_LEVELS = ("debug", "info", "warn", "error", "fatal")
#: Muscles and arrows for RViz (Hz): as often as /tf, or they trail behind the bones. Nobody else needs so many.
RVIZ_MARKER_RATE_HZ = 50.0
#: /clock and friends are absolute by custom; made relative, each namespace is a world with a time of its own.
REMAPPINGS = (
    ("/clock", "clock"),
    ("/tf", "tf"),
    ("/tf_static", "tf_static"),
    ("/diagnostics", "diagnostics"),
)
GRAPH_FILE = "config/graph.yaml"
LOCKSTEP_FILE = "config/lockstep.yaml"
HARDWARE_FILE = "config/hardware.yaml"
RECORDER = "recorder_node"
#: Program that emulates motors, and the controller that it stands for where the driver is ros2_control: that node's
#: parameters are asked for by its name.
EMULATOR, EMULATED_CONTROLLER = "motor_emulator", "forward_effort_controller"
CUBEMARS, ROS2_CONTROL = "cubemars_can", "ros2_control"
#: What the emulator calls the motors of a driver.
MOTORS = {CUBEMARS: "cubemars", ROS2_CONTROL: "ros2_control"}
#: Settings that are taken where none are given; no real motor may be driven with an example's.
EXAMPLE = "cubemars_example"
#: UDP port of the emulated bus in ROS domain 0; each domain has its own, as it has its own topics. Clear of DDS's.
FIRST_PORT = 43200
#: Drivers without motors that somebody could wear.
WITHOUT_MOTORS = ("simulated", "replay")
PACKAGE = "exo_bringup"


def share_folder() -> Path:
    """Folder with launch, config, rviz, meshes and urdf: the installed one, else that of the source tree."""
    try:
        from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
    except ImportError:
        return _source_folder()
    try:
        return Path(get_package_share_directory(PACKAGE))
    except PackageNotFoundError:
        return _source_folder()


def _source_folder() -> Path:
    return Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class NodeSpec:
    """One process with one node, as launch_ros.actions.Node would take it."""

    package: str
    executable: str
    name: str
    namespace: str = ""
    #: ROS parameter files, later ones win.
    parameter_files: tuple[str, ...] = ()
    #: Parameters that are set for this start; they win over the files.
    parameters: dict = field(default_factory=dict)
    remappings: tuple[tuple[str, str], ...] = REMAPPINGS
    #: Arguments of the program itself, before --ros-args.
    arguments: tuple[str, ...] = ()
    #: Least severity that is logged; empty: as the node has it.
    log_level: str = ""
    #: Whether the rest makes no sense without it: where it ends, everything is stopped.
    required: bool = True

    @property
    def ros_arguments(self) -> tuple[str, ...]:
        """Arguments after --ros-args that are no name, remapping or parameter."""
        return ("--log-level", self.log_level) if self.log_level else ()

    def command_line(self, program: str | Path, override_file: str | Path | None = None) -> list[str]:
        """Arguments that start the node without launch; `override_file` holds `parameters`."""
        words = [str(program), *self.arguments, "--ros-args", "-r", f"__node:={self.name}", *self.ros_arguments]
        if self.namespace:
            words += ["-r", f"__ns:=/{self.namespace.strip('/')}"]
        for source, target in self.remappings:
            words += ["-r", f"{source}:={target}"]
        for file in (*self.parameter_files, *([override_file] if override_file else [])):
            words += ["--params-file", str(file)]
        return words

    def parameter_yaml(self) -> str:
        """`parameters` as the text of a ROS parameter file for this node."""
        return yaml.safe_dump({f"/**/{self.name}": {"ros__parameters": dict(self.parameters)}}, sort_keys=True)


@dataclass(frozen=True)
class GraphOptions:
    """What a user chooses about the graph. Paths and names as on the command line."""

    device: str = "hip_ankle"
    subject: str = "default"
    controller: str = "zero"
    checkpoint: str = ""
    human_checkpoint: str = ""
    speed_mps: float = 1.25
    mode: str = "realtime"
    seed: int = 0
    namespace: str = ""
    driver: str = "simulated"
    #: Settings of the driver: name in config/drivers or path of a YAML file; empty for the driver's defaults.
    driver_config: str = ""
    use_mock_hardware: bool = False
    start_paused: bool = False
    run_until_s: float = 0.0
    run_directory: str = ""
    #: False: somebody else's node answers the states with exo/command.
    policy: bool = True
    #: ROS parameter file on top of the package's; what is chosen here (device, subject, controller ...) wins over it.
    params_file: str = ""
    log_level: str = "info"
    #: MCAP file that all topics are recorded to; empty: none.
    record: str = ""
    #: /tf, robot_description and markers; None: unless the viewer is there, which needs none of them (two cores do not
    #: carry both in real time).
    visualization: bool | None = None
    rviz: bool = False
    viewer: bool = False
    viewer_host: str = "127.0.0.1"
    viewer_port: int = 8080


@dataclass(frozen=True)
class Choice:
    """One of GraphOptions as a user chooses it: `--its-name` of `exo`, `its_name:=` of a launch file."""

    description: str
    metavar: str = ""
    #: What it may be; empty: anything.
    allowed: tuple[str, ...] = ()


#: What can be chosen, by name: a field of GraphOptions without its unit.
CHOICES = {
    "device": Choice("exoskeleton: name in config/devices or path of a YAML file", "NAME|YAML"),
    "subject": Choice("who wears it: name in config/subjects, path of a YAML file, or preset:NAME", "NAME|YAML"),
    "controller": Choice("assistance: zero, spline or learned", "NAME", CONTROLLERS),
    "checkpoint": Choice("checkpoint of the learned controller", "FILE"),
    "driver": Choice("driver of the motors", "NAME", tuple(DRIVERS)),
    "driver_config": Choice("settings of the driver: name in config/drivers or path of a YAML file", "NAME|YAML"),
    "use_mock_hardware": Choice("emulated motors in the place of the real ones"),
    "speed": Choice("walking speed (m/s)", "V"),
    "mode": Choice("how time passes", "NAME", MODES),
    "seed": Choice("seed of everything random", "N"),
    "human_checkpoint": Choice(
        "the walker: a checkpoint, or the name of one that comes with exo_sim; empty: walker or impaired_walker, "
        "by the subject",
        "NAME|FILE",
    ),
    "policy": Choice("start policy_node; without it another node publishes exo/command"),
    "params_file": Choice("ROS parameters on top of the package's; what is chosen here wins over it", "YAML"),
    "log_level": Choice("least severity that the nodes log", "NAME", LOG_LEVELS),
    "record": Choice("MCAP file that all topics are recorded to; empty: none", "FILE"),
    "namespace": Choice("namespace of all nodes: two graphs can run side by side", "NS"),
    "visualization": Choice(
        "publish /tf, robot_description and markers, for RViz and Foxglove; by itself only without the viewer, which "
        "does not need them: two cores do not carry both in real time"
    ),
    "rviz": Choice("start RViz with the package's configuration"),
    "viewer": Choice("show the graph in the browser"),
    "viewer_host": Choice("address that the viewer listens on; 0.0.0.0 for other machines", "HOST"),
    "viewer_port": Choice("TCP port of the viewer, the next free one if it is taken", "N"),
}
#: Options whose field of GraphOptions has its unit in the name.
FIELDS = {"speed": "speed_mps"}
#: What every graph lets choose, and what belongs to the viewer and to nodes that stay.
WORN_CHOICES = ("device", "subject", "controller", "checkpoint", "namespace")
VIEWER_CHOICES = ("viewer", "viewer_host", "viewer_port")
NODE_CHOICES = ("policy", "params_file", "log_level", "record")
WALK_CHOICES = ("speed", "seed", "human_checkpoint", "visualization")
MOTOR_CHOICES = ("driver", "driver_config")
#: Defaults on a device computer, and of a simulated graph, that differ from those of GraphOptions.
HARDWARE_DEFAULTS, SIM_DEFAULTS = {"driver": "cubemars_can"}, {"controller": "spline"}


def default_of(name: str, defaults: Mapping[str, object]) -> object:
    """Default of a choice: that of GraphOptions but for what is in `defaults`."""
    return defaults.get(name, getattr(GraphOptions, FIELDS.get(name, name)))


def chosen_options(values: Mapping[str, object]) -> GraphOptions:
    """Options from the values of choices, by name."""
    return GraphOptions(**{FIELDS.get(name, name): value for name, value in values.items()})


def describe_graph(options: GraphOptions) -> list[NodeSpec]:
    """Nodes of the simulated graph: simulator, device, and policy, recorder and what shows it as they are asked for.

    Raises UserError for an unknown mode, device or subject, or a number that no node would take.
    """
    check_options(options)
    share = share_folder()
    subject = str(subject_file(options.subject))
    device = str(device_file(options.device))
    files = (str(share / GRAPH_FILE),)
    if options.mode == "lockstep":
        files += (str(share / LOCKSTEP_FILE),)
    simulator = {
        "subject": subject,
        "device_config": device,
        "human_checkpoint": options.human_checkpoint,
        "speed_mps": float(options.speed_mps),
        "mode": options.mode,
        "seed": int(options.seed),
        "start_paused": options.start_paused,
        "run_until_s": float(options.run_until_s),
        "run_directory": options.run_directory,
    }
    nodes = [
        *_recorder(options, files),
        _node("exo_sim", "simulator_node", options, files, simulator),
        *_device_and_policy(options, files, device, subject),
    ]
    shown = not options.viewer if options.visualization is None else options.visualization
    if shown or options.rviz:
        followed = {"subject": subject, "device_config": device}
        if options.rviz:
            followed["marker_rate_hz"] = RVIZ_MARKER_RATE_HZ
        nodes.append(_node("exo_bringup", "visualization_node", options, files, followed))
    if options.rviz:
        nodes.append(_rviz(options, share))
    return [*nodes, *_viewer(options, files, device, subject)]


def describe_hardware(options: GraphOptions) -> list[NodeSpec]:
    """Nodes on a device computer: device and policy. The wearer is real, and so is time.

    With use_mock_hardware the motors are emulated by one process more; all else stays as it is.

    Raises UserError as describe_graph does, and where nobody said who wears real motors.
    """
    check_options(options)
    share = share_folder()
    subject = str(subject_file(options.subject))
    device = str(device_file(options.device))
    files = (str(share / GRAPH_FILE), str(share / HARDWARE_FILE))
    motors: list[NodeSpec] = []
    emulated = options
    if options.use_mock_hardware:
        given = options.driver_config and str(driver_file(options.driver_config))
        settings = emulated_settings(options.driver, given)
        arguments = emulator_arguments(options.driver, settings, device_joints(device))
        name = EMULATED_CONTROLLER if options.driver == "ros2_control" else EMULATOR
        motors = [_node("exo_device", EMULATOR, options, (), {}, name=name, arguments=arguments)]
        emulated = dataclasses.replace(options, driver_config=settings)
    else:
        _require_wearer(options)
    return [
        *_recorder(options, files),
        *motors,
        *_device_and_policy(emulated, files, device, subject),
        *_viewer(options, files, device, subject),
    ]


def emulated_settings(driver: str, driver_config: str) -> str:
    """Path of the driver's settings with the bus of the emulator in the place of the real one.

    Args:
        driver: cubemars_can or ros2_control; the others need no motors.
        driver_config: settings of the real motors; empty for the example's.

    Raises:
        UserError: no emulator for this driver, settings that cannot be read or are another driver's.
    """
    if driver not in MOTORS:
        raise UserError(f"use_mock_hardware needs a driver with motors: {' or '.join(MOTORS)}, not '{driver}'")
    if driver == ROS2_CONTROL:  # a controller's topics are the same, whoever stands behind them
        return driver_config
    path = driver_config or str(driver_file(EXAMPLE))
    settings = read_mapping(path, f"`driver: {driver}` and that driver's settings")
    if settings.pop("driver", driver) != driver:
        raise UserError(f"{path}: these are no settings of driver '{driver}', which was chosen")
    domain = int(os.environ.get("ROS_DOMAIN_ID") or 0)
    settings.update(interface=MULTICAST, channel=MULTICAST_CHANNEL, bus_options={"port": FIRST_PORT + domain})
    text = yaml.safe_dump({"driver": driver, **settings}, sort_keys=False)
    # one file a user, settings and domain: both programs read it, and a restart of one finds it again
    emulated = runtime_folder() / f"emulated-{Path(path).stem}-{domain}.yaml"
    with whole_file(emulated, mode=0o600) as file:
        file.write(text)
    return str(emulated)


def emulator_arguments(driver: str, settings: str, joint_names: tuple[str, ...]) -> tuple[str, ...]:
    """Arguments of motor_emulator for the motors of a driver, turning legs that swing on springs."""
    if driver == ROS2_CONTROL:
        return (MOTORS[driver], "--joints", ",".join(joint_names))
    return (MOTORS[driver], "--config", settings)


def check_options(options: GraphOptions) -> None:
    for name, chosen, known in (
        ("mode", options.mode, MODES),
        ("driver", options.driver, DRIVERS),
        ("controller", options.controller, CONTROLLERS),
        ("log_level", options.log_level, LOG_LEVELS),
    ):
        if chosen not in known:
            raise _unusable(name, chosen, f"choose one of {', '.join(known)}")
    if not (math.isfinite(options.speed_mps) and options.speed_mps > 0.0):
        raise _unusable("speed", options.speed_mps, "it must be a positive number (m/s)")
    if not 0 <= options.seed < 2**31:
        raise _unusable("seed", options.seed, f"it must be 0 to {2**31 - 1}")
    if not 0 <= options.viewer_port <= 65535:
        raise _unusable("viewer_port", options.viewer_port, "it must be 0 to 65535")
    if options.params_file and not Path(options.params_file).is_file():
        raise _unusable("params_file", options.params_file, "there is no such file of ROS parameters")
    if options.record and not Path(options.record).absolute().parent.is_dir():
        raise _unusable("record", options.record, "the folder of the recording does not exist")
    parts = options.namespace.strip("/").split("/") if options.namespace.strip("/") else []
    if not all(part.isidentifier() and part.isascii() for part in parts):
        raise _unusable("namespace", options.namespace, "it must be letters, digits and _, not starting with a digit")


def _unusable(name: str, value: object, allowed: str) -> UserError:
    """Error that names an option as both who starts a graph with `exo` and who does with launch have typed it."""
    return UserError(f"{name} '{value}' cannot be used (--{name.replace('_', '-')}, ros2 launch {name}:=): {allowed}")


def _device_and_policy(options: GraphOptions, files: tuple[str, ...], device: str, subject: str) -> list[NodeSpec]:
    wearer_mass_kg = subject_mass_kg(subject)
    settings = options.driver_config and str(driver_file(options.driver_config))
    worn = {
        "device_config": device,
        "driver": options.driver,
        "driver_config": settings,
        "wearer_mass_kg": wearer_mass_kg,
        "use_mock_hardware": options.use_mock_hardware,
    }
    nodes = [_node("exo_device", "device_node", options, files, worn)]
    if options.policy:
        told = {
            "controller": options.controller,
            "checkpoint": options.checkpoint,
            "wearer_mass_kg": wearer_mass_kg,
            "strengths": subject_strengths(subject),
        }
        nodes.append(_node("exo_policy", "policy_node", options, files, told))
    return nodes


def _require_wearer(options: GraphOptions) -> None:
    """Raises UserError where real motors would get the limits of a wearer whom nobody named."""
    if options.driver in WITHOUT_MOTORS:
        return
    if options.subject == GraphOptions.subject or options.subject.startswith(PRESET_PREFIX):
        raise UserError(
            f"who wears the device? '{options.subject}' has a mass that nobody weighed, and limits of torque go by the "
            "mass: give a YAML file with the wearer's mass_kg (exo hardware --subject FILE, "
            "ros2 launch ... subject:=FILE)"
        )


def _node(
    package: str, executable: str, options: GraphOptions, files: tuple[str, ...], parameters: dict, **more
) -> NodeSpec:
    if options.params_file:
        files += (str(Path(options.params_file).resolve()),)
    named = {"name": executable, "log_level": options.log_level, **more}
    return NodeSpec(
        package, executable, namespace=options.namespace, parameter_files=files, parameters=parameters, **named
    )


def _recorder(options: GraphOptions, files: tuple[str, ...]) -> list[NodeSpec]:
    """The recorder, where it is asked for: first, so that nothing is missed."""
    if not options.record:
        return []
    return [_node("exo_bringup", RECORDER, options, files, {"output": str(Path(options.record).absolute())})]


def _viewer(options: GraphOptions, files: tuple[str, ...], device: str, subject: str) -> list[NodeSpec]:
    """The viewer in the browser, where it is asked for."""
    if not options.viewer:
        return []
    parameters = {
        "subject": subject,
        "device_config": device,
        "host": options.viewer_host,
        "port": int(options.viewer_port),
    }
    return [_node("exo_bringup", "viewer_node", options, files, parameters, required=False)]


def _rviz(options: GraphOptions, share: Path) -> NodeSpec:
    return NodeSpec(
        "rviz2",
        "rviz2",
        "rviz2",
        options.namespace,
        parameters={"use_sim_time": True},
        arguments=("-d", str(share / "rviz" / "exo.rviz")),
        required=False,
    )


def subject_strengths(path: str | Path) -> str:
    """A subject's strengths by muscle group as policy_node takes them; what is healthy is left out.

    A real wearer need not fit into the simulator: of a file only strengths and presets are looked at.
    Raises UserError for a file that cannot be read, an unknown preset or a strength that is none.
    """
    if str(path).startswith(PRESET_PREFIX):
        fields = {"preset": str(path).removeprefix(PRESET_PREFIX)}
    else:
        fields = _read_subject(path)
    try:
        strengths = with_presets(fields, str(path)).get("strengths") or {}
    except SimError as error:
        raise UserError(str(error)) from error
    if not isinstance(strengths, dict):
        raise UserError(f"{path}: strengths must be a mapping, as plantarflexors_r: 0.5")
    for name, value in strengths.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.0 <= value <= 2.0:
            raise UserError(f"{path}: strengths: {name} must be a number from 0 to 2, got {value!r}")
    return ", ".join(f"{group}: {strengths[group]:g}" for group in STRENGTH_GROUPS if strengths.get(group, 1.0) != 1.0)


def subject_mass_kg(path: str | Path) -> float:
    """Body mass (kg) of a subject file. The device computer reads it without the simulator's packages.

    A named patient has the default subject's size. Raises UserError if the file has no usable mass.
    """
    if str(path).startswith(PRESET_PREFIX):
        path = subject_file("default")
    mass = _read_subject(path).get("mass_kg")
    if isinstance(mass, bool) or not isinstance(mass, (int, float)) or not mass > 0.0:
        raise UserError(f"{path}: mass_kg must be a positive number (kg), got {mass!r}")
    return float(mass)


def _read_subject(path: str | Path) -> dict:
    return read_mapping(path, "fields such as height_m, mass_kg, strengths")
