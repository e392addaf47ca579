# SPDX-License-Identifier: Apache-2.0
"""Emulated motors that say when their torque comes and goes: `python -m exo_device.trials.witness`.

They say it as JSON, a line each, on standard output; they take faults as `exo emulate` does, and the words
clear, report and reset, as lines on standard input, and end when that ends, or on SIGINT or SIGTERM. Times are
of the steady clock, which all processes of a machine share.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time

from exo_device.drivers.can.port import Frame, PythonCanPort
from exo_device.drivers.cubemars_can.config import CubemarsConfig
from exo_device.emulator import EmulatedBus, EmulatorError, Fault, FaultPlan, Followed, SpringDamper
from exo_device.emulator.bus import serve
from exo_device.emulator.command_line import LEFT_PHASE_RAD, _beside, _stop_on_signals, load_config

#: Legs on springs that full torque turns by half of their range (Nm/rad, Nm s/rad).
STIFFNESS_NM_PER_RAD, DAMPING_NMS_PER_RAD = 60.0, 6.0
#: For the simulator's first motor states (s).
PATIENCE_S = 0.1


class WitnessedBus(EmulatedBus):
    """Remembers the largest torque of each joint (Nm), and tells when all torque has come or gone."""

    def __init__(self, config: CubemarsConfig, mechanics, plan: FaultPlan) -> None:
        super().__init__(config, mechanics, plan)
        # no code of the torque field is exactly zero
        self._zero_nm = {joint: motor.codec().reply_steps[2] for joint, motor in config.motors.items()}
        self.has_torque = False
        self.reset()

    def reset(self) -> None:
        """Forgets the largest torques."""
        self.largest_nm = dict.fromkeys(self.motors, 0.0)

    def on_frame(self, frame: Frame, now_s: float) -> None:
        super().on_frame(frame, now_s)
        self._look(now_s)

    def advance(self, now_s: float) -> None:
        super().advance(now_s)
        self._look(now_s)

    def _look(self, now_s: float) -> None:
        has_torque = False
        for joint, motor in self.motors.items():
            torque = abs(motor.torque)
            has_torque = has_torque or torque > self._zero_nm[joint]
            if torque > self.largest_nm[joint]:
                self.largest_nm[joint] = torque
        if has_torque != self.has_torque:
            self.has_torque = has_torque
            say(torque=has_torque, t=now_s)


def say(**content) -> None:
    """One line on standard output."""
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


def listen(bus: WitnessedBus, stop: threading.Event) -> None:
    """Words and faults from standard input, until it ends."""
    for line in sys.stdin:
        text, now_s = line.strip(), time.monotonic()
        if text == "clear":
            bus.plan.clear()
        elif text == "reset":
            bus.reset()
        elif text == "report":
            say(
                report=bus.largest_nm,
                on=[joint for joint, motor in bus.motors.items() if motor.is_on],
                set_points=sum(motor.commands for motor in bus.motors.values()),
            )
            continue
        elif text:
            try:
                bus.plan.add(Fault.parse(text, now_s))
            except EmulatorError as error:
                say(error=str(error))
                continue
        say(done=text, t=now_s)
    stop.set()


def main(arguments: list[str] | None = None) -> int:
    """Emulates until told to stop."""
    parser = argparse.ArgumentParser(prog="witness", description=__doc__)
    parser.add_argument("--config", required=True, help="settings of the driver cubemars_can")
    parser.add_argument("--mechanics", choices=["spring", "simulator"], default="spring")
    parser.add_argument("--swing", type=float, default=0.3, help="amplitude of the legs on springs (rad)")
    parser.add_argument("--namespace", default="", help="namespace of the simulator's topics")
    parser.add_argument("--fault", action="append", default=[], help="from the start")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--wait", action="store_true", help="for a first line on standard input")
    chosen = parser.parse_args(arguments)
    config = load_config(chosen.config, None, None)
    if chosen.wait:
        sys.stdin.readline()
    plan = FaultPlan([Fault.parse(text, time.monotonic()) for text in chosen.fault], chosen.seed)

    def spring(joint: str) -> SpringDamper:
        return SpringDamper(
            stiffness_nm_per_rad=STIFFNESS_NM_PER_RAD,
            damping_nms_per_rad=DAMPING_NMS_PER_RAD,
            swing_rad=chosen.swing,
            swing_phase_rad=LEFT_PHASE_RAD if joint.endswith("_l") else 0.0,
        )

    from_simulator = chosen.mechanics == "simulator"
    bus = WitnessedBus(config, (lambda joint: Followed()) if from_simulator else spring, plan)
    port = PythonCanPort(config.interface, config.channel, config.bitrate, config.bus_options)
    stop = _stop_on_signals()
    threading.Thread(target=listen, args=(bus, stop), daemon=True).start()

    def serve_bus(link=None) -> None:
        while link and not link.has_states.wait(PATIENCE_S) and not stop.is_set():
            pass
        say(ready=list(bus.motors))
        # Torque goes to the legs with their states alone: whoever publishes to a subscriber that was just killed
        # may stand still for seconds, and these motors are watched while that happens.
        serve(bus, port, stop)

    try:
        if from_simulator:
            from exo_device.emulator.ros import SimulatorLink

            _beside(lambda: SimulatorLink(bus, chosen.namespace), serve_bus)
        else:
            serve_bus()
    finally:
        port.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
