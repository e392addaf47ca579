# SPDX-License-Identifier: Apache-2.0
"""The graph as data: which nodes run, with which parameters and remappings.

The launch files and the `exo` command line both start what `describe_graph` returns, from the same parameter
files, so that they cannot drift apart. Nothing here needs ROS.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from exo_bringup.paths import share_folder
from exo_core.errors import UserError
from exo_core.joints import STRENGTH_GROUPS
from exo_core.yaml_file import YamlError, read_mapping
from exo_device.devices import device_file, driver_file
from exo_sim.subjects import PRESET_PREFIX, subject_file

MODES = ("realtime", "fast", "lockstep")
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
EMULATOR = "motor_emulator"
#: Drivers without motors that somebody could wear.
WITHOUT_MOTORS = ("simulated", "replay")


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

    def command_line(self, program: str | Path, override_file: str | Path | None = None) -> list[str]:
        """Arguments that start the node without launch; `override_file` holds `parameters`."""
        words = [str(program), *self.arguments, "--ros-args", "-r", f"__node:={self.name}"]
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
    visualization: bool = True
    rviz: bool = False
    viewer: bool = False
    viewer_host: str = "127.0.0.1"
    viewer_port: int = 8080


def describe_graph(options: GraphOptions) -> list[NodeSpec]:
    """Nodes of the simulated graph: simulator, device, policy, and visualization where it is asked for.

    Raises UserError for an unknown mode, device or subject.
    """
    if options.mode not in MODES:
        raise UserError(f"mode '{options.mode}' is unknown: choose one of {', '.join(MODES)}")
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
        _node("exo_sim", "simulator_node", options, files, simulator),
        *_device_and_policy(options, files, device, subject),
    ]
    if options.visualization or options.rviz:
        shown = {"subject": subject, "device_config": device}
        if options.rviz:
            shown["marker_rate_hz"] = RVIZ_MARKER_RATE_HZ
        nodes.append(_node("exo_bringup", "visualization_node", options, files, shown))
    if options.rviz:
        nodes.append(_rviz(options, share))
    return [*nodes, *_viewer(options, files, device, subject)]


def describe_hardware(options: GraphOptions) -> list[NodeSpec]:
    """Nodes on a device computer: device and policy. The wearer is real, and so is time.

    With use_mock_hardware the motors are emulated by one process more; all else stays as it is.
    """
    share = share_folder()
    subject = str(subject_file(options.subject))
    device = str(device_file(options.device))
    files = (str(share / GRAPH_FILE), str(share / HARDWARE_FILE))
    if not options.use_mock_hardware:
        _require_wearer(options)
        return [
            *_device_and_policy(options, files, device, subject),
            *_viewer(options, files, device, subject),
        ]
    from exo_bringup.mock_hardware import emulated_settings, emulator_arguments
    from exo_device.description import load_device

    given = options.driver_config and str(driver_file(options.driver_config))
    settings = emulated_settings(options.driver, given)
    arguments = emulator_arguments(options.driver, settings, load_device(device).joint_names)
    if options.namespace:
        arguments += ("--namespace", options.namespace)
    motors = NodeSpec("exo_device", EMULATOR, EMULATOR, options.namespace, arguments=arguments)
    emulated = dataclasses.replace(options, driver_config=settings)
    return [
        motors,
        *_device_and_policy(emulated, files, device, subject),
        *_viewer(options, files, device, subject),
    ]


def _device_and_policy(options: GraphOptions, files: tuple[str, ...], device: str, subject: str) -> list[NodeSpec]:
    wearer_mass_kg = subject_mass_kg(subject)
    settings = options.driver_config and str(driver_file(options.driver_config))
    return [
        _node(
            "exo_device",
            "device_node",
            options,
            files,
            {
                "device_config": device,
                "driver": options.driver,
                "driver_config": settings,
                "wearer_mass_kg": wearer_mass_kg,
                "use_mock_hardware": options.use_mock_hardware,
            },
        ),
        _node(
            "exo_policy",
            "policy_node",
            options,
            files,
            {
                "controller": options.controller,
                "checkpoint": options.checkpoint,
                "wearer_mass_kg": wearer_mass_kg,
                "strengths": subject_strengths(subject),
            },
        ),
    ]


def _require_wearer(options: GraphOptions) -> None:
    """Raises UserError where real motors would get the limits of a wearer whom nobody named."""
    if options.driver in WITHOUT_MOTORS:
        return
    if options.subject == GraphOptions.subject or options.subject.startswith(PRESET_PREFIX):
        raise UserError(
            f"who wears the device? '{options.subject}' has a mass that nobody weighed, and limits of torque go by the mass: "
            "give a YAML file with mass_kg of the wearer (exo hardware --subject FILE, ros2 launch ... subject:=FILE)"
        )


def _node(package: str, executable: str, options: GraphOptions, files: tuple[str, ...], parameters: dict) -> NodeSpec:
    return NodeSpec(package, executable, executable, options.namespace, files, parameters)


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
    return [_node("exo_bringup", "viewer_node", options, files, parameters)]


def _rviz(options: GraphOptions, share: Path) -> NodeSpec:
    return NodeSpec(
        "rviz2",
        "rviz2",
        "rviz2",
        options.namespace,
        parameters={"use_sim_time": True},
        arguments=("-d", str(share / "rviz" / "exo.rviz")),
    )


def subject_strengths(path: str | Path) -> str:
    """A subject's strengths by muscle group as policy_node takes them; what is healthy is left out.

    A device computer without the simulator's packages knows no presets, and a real wearer need not fit into the
    simulator: there the file's own strengths count. Raises UserError for a file that cannot be read.
    """
    try:
        from exo_sim.body.subject import load_subject

        strengths = load_subject(str(path)).strengths
    except (ImportError, ValueError):
        strengths = {} if str(path).startswith(PRESET_PREFIX) else _read_subject(path).get("strengths") or {}
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
    try:
        return read_mapping(path, "fields such as height_m, mass_kg, strengths")
    except YamlError as error:
        raise UserError(str(error)) from error
