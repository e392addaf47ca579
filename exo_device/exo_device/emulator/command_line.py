# SPDX-License-Identifier: Apache-2.0
"""`exo emulate`: emulated motors as a process of their own."""

from __future__ import annotations

import argparse
import math
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from exo_core.errors import ExitCode
from exo_device.devices import MULTICAST, MULTICAST_CHANNEL
from exo_device.drivers import DriverError, make_driver, read_driver_config
from exo_device.drivers.can.bus import THREAD_SWITCH_S
from exo_device.drivers.can.port import PythonCanPort
from exo_device.drivers.cubemars_can.config import CubemarsConfig
from exo_device.emulator.motor import (
    FAULTS,
    EmulatedBus,
    EmulatorError,
    Fault,
    FaultPlan,
    Followed,
    Mechanics,
    SpringDamper,
    serve,
)

if TYPE_CHECKING:  # ROS only where it is used
    from exo_device.emulator.ros import EmulatedController, SimulatorLink

AnyNode = TypeVar("AnyNode")
ROS_ARGUMENTS = "--ros-args"
#: A signal is noticed within this time (s).
WAIT_S = 0.1
#: Joints of the default device; a controller's own order may be another than the device's.
DEFAULT_JOINTS = ("hip_flexion_l", "hip_flexion_r", "ankle_angle_l", "ankle_angle_r")
#: A leg swings by half a turn of phase against the other one.
LEFT_PHASE_RAD = math.pi

EPILOG = """faults, at the start with --fault or later as a line on standard input:
  kind[:joint][,value=NUMBER][,at=S][,for=S]      e.g.  dropped:ankle_angle_r,value=0.2,at=5,for=2
  clear                                           ends every fault
kinds:
""" + "".join(f"  {kind:17} {text} (default {default:g})\n" for kind, (text, default) in FAULTS.items())


def build_parser() -> argparse.ArgumentParser:
    """Parser of `exo emulate`."""
    parser = argparse.ArgumentParser(prog="exo emulate", description="Motors that are not there.")
    kinds = parser.add_subparsers(dest="motors", required=True, metavar="MOTORS")
    cubemars = kinds.add_parser(
        "cubemars",
        help="AK motors on a CAN bus",
        description="Emulated AK motors on a CAN bus.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    cubemars.add_argument("--config", metavar="YAML", help="settings of the driver cubemars_can: ids, ranges, signs")
    cubemars.add_argument("--interface", help="python-can interface, instead of the one in the settings")
    cubemars.add_argument("--channel", help="channel of it, instead of the one in the settings")
    cubemars.add_argument("--fault", action="append", default=[], metavar="FAULT", help="see below; may be repeated")
    cubemars.add_argument("--seed", type=int, default=0, help="seed of faults by chance (default: %(default)s)")
    cubemars.set_defaults(run=_run_cubemars)
    controller = kinds.add_parser(
        "ros2_control",
        help="a controller_manager's topics",
        description="A forward_command_controller for effort, and joint states, on topics alone.",
    )
    controller.add_argument(
        "--joints",
        default=",".join(DEFAULT_JOINTS),
        metavar="NAMES",
        help="joints in the controller's order (default: %(default)s)",
    )
    controller.add_argument(
        "--state-topic",
        default="joint_states",
        metavar="TOPIC",
        help="of the joint states; beside the simulator, which has that one, take another"
        " and name it in the driver's state_topic (default: %(default)s)",
    )
    controller.set_defaults(run=_run_ros2_control, config=None)
    for kind in (cubemars, controller):
        kind.add_argument(
            "--mechanics",
            choices=["spring", "simulator"],
            default="spring",
            help="spring: legs that swing on springs; simulator: the joints of "
            "sim/motor_states, which get the motors' torque on sim/motor_command "
            "(default: %(default)s)",
        )
        kind.add_argument(
            "--swing",
            type=float,
            default=0.3,
            metavar="RAD",
            help="amplitude of the legs on springs (rad, default: %(default)g)",
        )
        kind.add_argument("--namespace", default="", metavar="NS", help="namespace of the topics")
    return parser


def main(arguments: list[str] | None = None, default_config: str | Path | None = None) -> int:
    """Runs until SIGINT or SIGTERM. Returns the exit code: 0, or 2 with one line for a bad argument.

    default_config: settings to take when --config is not given.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    # a launch file adds ROS arguments to every program: name, namespace, remappings, parameters of the node
    first = words.index(ROS_ARGUMENTS) if ROS_ARGUMENTS in words else len(words)
    chosen = build_parser().parse_args(words[:first])
    chosen.ros_arguments = words[first:]
    try:
        chosen.config = chosen.config or default_config
        return chosen.run(chosen)
    except (DriverError, EmulatorError) as error:
        print(f"emulate: {error}", file=sys.stderr)
        return ExitCode.BAD_INPUT


def load_config(path: str | Path | None, interface: str | None, channel: str | None) -> CubemarsConfig:
    """The driver's settings, with the interface and channel of the command line. Raises DriverError."""
    if path is None:
        raise EmulatorError("give the driver's settings with --config")
    settings = read_driver_config(path, "cubemars_can")
    if interface == MULTICAST and settings.get("interface") != MULTICAST:
        channel = channel or MULTICAST_CHANNEL
    settings.update({key: value for key, value in (("interface", interface), ("channel", channel)) if value})
    config = make_driver("cubemars_can", settings).config
    assert isinstance(config, CubemarsConfig)
    return config


def stop_on_signals() -> threading.Event:
    sys.setswitchinterval(THREAD_SWITCH_S)  # every emulator's process begins here
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _swinging(chosen: argparse.Namespace) -> Callable[[str], Mechanics]:
    """Returns what a joint turns when there is no simulator: the left leg swings against the right one."""
    return lambda joint: SpringDamper(
        swing_rad=chosen.swing, swing_phase_rad=LEFT_PHASE_RAD if joint.endswith("_l") else 0.0
    )


def _run_cubemars(chosen: argparse.Namespace) -> int:
    config = load_config(chosen.config, chosen.interface, chosen.channel)
    start_s = time.monotonic()
    plan = FaultPlan([Fault.parse(text, start_s) for text in chosen.fault], chosen.seed)
    from_simulator = chosen.mechanics == "simulator"
    bus = EmulatedBus(config, (lambda joint: Followed()) if from_simulator else _swinging(chosen), plan)
    port = PythonCanPort(config.interface, config.channel, config.bitrate, config.bus_options)
    threading.Thread(target=_listen_to_stdin, args=(plan,), daemon=True).start()
    names = ", ".join(f"{joint} ({motor.id})" for joint, motor in config.motors.items())

    stop = stop_on_signals()

    def serve_bus(link: SimulatorLink | None = None) -> None:
        while link and not link.has_states.wait(WAIT_S) and not stop.is_set():
            pass
        print(f"emulating {names} on {config.interface} {config.channel}", flush=True)
        serve(bus, port, stop, *([link.after_frame] if link else []))

    try:
        if from_simulator:
            from exo_device.emulator.ros import SimulatorLink

            beside(lambda: SimulatorLink(bus, chosen.namespace), serve_bus, chosen.ros_arguments)
        else:
            serve_bus()
    finally:
        port.close()
    return ExitCode.OK


def _run_ros2_control(chosen: argparse.Namespace) -> int:
    joints = tuple(name.strip() for name in chosen.joints.split(",") if name.strip())
    mechanics = None if chosen.mechanics == "simulator" else _swinging(chosen)

    stop = stop_on_signals()

    def make() -> EmulatedController:
        from exo_device.emulator.ros import EmulatedController

        return EmulatedController(joints, mechanics, namespace=chosen.namespace, state_topic=chosen.state_topic)

    def wait(node: EmulatedController) -> None:
        print(f"emulating a controller of {', '.join(joints)}", flush=True)
        stop.wait()

    beside(make, wait, chosen.ros_arguments)
    return ExitCode.OK


def beside(make_node: Callable[[], AnyNode], work: Callable[[AnyNode], None], ros_arguments: list[str]) -> None:
    """Does work(node) while a ROS node spins. Raises EmulatorError for ROS arguments that rcl cannot use."""
    import rclpy
    from rclpy.signals import SignalHandlerOptions

    from exo_device.drivers.ros import SpinningThread

    try:
        rclpy.init(args=ros_arguments, signal_handler_options=SignalHandlerOptions.NO)
        spinning = SpinningThread(make_node())
    except (ValueError, RuntimeError) as error:
        rclpy.try_shutdown()
        raise EmulatorError(" ".join(str(error).split())) from error
    try:
        work(spinning.node)
    finally:
        spinning.close()
        rclpy.try_shutdown()


def _listen_to_stdin(plan: FaultPlan) -> None:
    """Faults on command."""
    for line in sys.stdin:
        text = line.strip()
        if text == "clear":
            plan.clear()
        elif text:
            try:
                plan.add(Fault.parse(text, time.monotonic()))
            except EmulatorError as error:
                print(f"emulate: {error}", file=sys.stderr, flush=True)
                continue
        print(f"emulate: {text}", flush=True)
