# SPDX-License-Identifier: Apache-2.0
"""`exo emulate`: emulated motors as a process of their own."""

from __future__ import annotations

import argparse
import math
import signal
import sys
import threading
import time
from pathlib import Path

from exo_device.drivers import DriverError, make_driver
from exo_device.drivers.config_file import read_driver_config
from exo_device.drivers.cubemars_can.config import CubemarsConfig
from exo_device.drivers.cubemars_can.port import PythonCanPort
from exo_device.emulator.bus import EmulatedBus
from exo_device.emulator.faults import FAULTS, EmulatorError, Fault, FaultPlan
from exo_device.emulator.mechanics import Followed, SpringDamper
from exo_device.emulator.server import serve

EXIT_OK, EXIT_ERROR = 0, 2
#: A leg swings by half a turn of phase against the other one.
LEFT_PHASE_RAD = math.pi

EPILOG = """faults, at the start with --fault or later as a line on standard input:
  kind[:joint][,value=NUMBER][,at=S][,for=S]      e.g.  dropped:ankle_angle_r,value=0.2,at=5,for=2
  clear                                           ends every fault
kinds:
""" + "".join(f"  {kind:17} {text} (default {default:g})\n" for kind, (text, default) in FAULTS.items())


def build_parser() -> argparse.ArgumentParser:
    """Parser of `exo emulate`."""
    parser = argparse.ArgumentParser(prog="exo emulate", description="Emulated motors on a CAN bus.",
                                     epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("motors", choices=["cubemars"], help="which motors")
    parser.add_argument("--config", metavar="YAML", help="the driver's settings: ids, ranges, signs")
    parser.add_argument("--interface", help="python-can interface, instead of the one in the settings")
    parser.add_argument("--channel", help="channel of it, instead of the one in the settings")
    parser.add_argument("--mechanics", choices=["spring", "simulator"], default="spring",
                        help="spring: legs that swing on springs; simulator: the joints of sim/motor_states, "
                             "which get the motors' torque on sim/motor_command (default: %(default)s)")
    parser.add_argument("--swing", type=float, default=0.3, metavar="RAD",
                        help="amplitude of the legs on springs (rad, default: %(default)g)")
    parser.add_argument("--namespace", default="", metavar="NS", help="namespace of the simulator's topics")
    parser.add_argument("--fault", action="append", default=[], metavar="FAULT",
                        help="see below; may be repeated")
    parser.add_argument("--seed", type=int, default=0, help="seed of faults by chance (default: %(default)s)")
    return parser


def main(arguments: list[str] | None = None, default_config: str | Path | None = None) -> int:
    """Runs until SIGINT or SIGTERM. Returns the exit code: 0, or 2 with one line for a bad argument.

    default_config: settings to take when --config is not given.
    """
    chosen = build_parser().parse_args(arguments)
    try:
        return _run(chosen, default_config)
    except (DriverError, EmulatorError) as error:
        print(f"emulate: {error}", file=sys.stderr)
        return EXIT_ERROR


def load_config(path: str | Path | None, interface: str | None, channel: str | None) -> CubemarsConfig:
    """The driver's settings, with the interface and channel of the command line. Raises DriverError."""
    if path is None:
        raise EmulatorError("give the driver's settings with --config")
    settings = read_driver_config(path, "cubemars_can")
    settings.update({key: value for key, value in (("interface", interface), ("channel", channel)) if value})
    return make_driver("cubemars_can", settings).config


def _run(chosen: argparse.Namespace, default_config: str | Path | None) -> int:
    config = load_config(chosen.config or default_config, chosen.interface, chosen.channel)
    start_s = time.monotonic()
    plan = FaultPlan([Fault.parse(text, start_s) for text in chosen.fault], chosen.seed)
    from_simulator = chosen.mechanics == "simulator"

    def mechanics(joint: str):
        if from_simulator:
            return Followed()
        phase_rad = LEFT_PHASE_RAD if joint.endswith("_l") else 0.0
        return SpringDamper(swing_rad=chosen.swing, swing_phase_rad=phase_rad)

    bus = EmulatedBus(config, mechanics, plan)
    port = PythonCanPort(config.interface, config.channel, config.bitrate, config.bus_options)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    link = _open_link(bus, chosen.namespace) if from_simulator else None
    threading.Thread(target=_listen_to_stdin, args=(plan,), daemon=True).start()
    names = ", ".join(f"{joint} ({motor.id})" for joint, motor in config.motors.items())
    print(f"emulating {names} on {config.interface} {config.channel}", flush=True)
    try:
        serve(bus, port, stop)
    finally:
        port.close()
        if link is not None:
            _close_link(link)
    return EXIT_OK


def _open_link(bus: EmulatedBus, namespace: str):
    import rclpy
    from rclpy.signals import SignalHandlerOptions

    from exo_device.emulator.simulator_link import SimulatorLink
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    return SimulatorLink(bus, namespace)


def _close_link(link) -> None:
    import rclpy
    link.close()
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
