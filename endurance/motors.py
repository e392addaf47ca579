# SPDX-License-Identifier: Apache-2.0
"""Emulated motors that say when their torque comes and goes: `python -m endurance.motors`.

They say it as JSON, a line each, on standard output; they take faults as `exo emulate` does, and the words
clear, report and reset, as lines on standard input, and end when that ends, or on SIGINT or SIGTERM. Times are
of the steady clock, which all processes of a machine share.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from exo_device.drivers import DriverError
from exo_device.drivers.can.port import Frame, PythonCanPort
from exo_device.drivers.cubemars_can.config import CubemarsConfig
from exo_device.emulator import EmulatedBus, EmulatorError, Fault, FaultPlan, Followed, SpringDamper
from exo_device.emulator.command_line import LEFT_PHASE_RAD, beside, load_config, stop_on_signals
from exo_device.emulator.motor import serve

#: Legs on springs that full torque turns by half of their range (Nm/rad, Nm s/rad).
STIFFNESS_NM_PER_RAD, DAMPING_NMS_PER_RAD = 60.0, 6.0
#: For the simulator's first motor states (s).
PATIENCE_S = 0.1

#: A Python process on a busy small computer takes this long to start at most (s).
START_TIMEOUT_S = 60.0
ANSWER_TIMEOUT_S = 10.0
END_TIMEOUT_S = 5.0


class ObservedBus(EmulatedBus):
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


def listen(bus: ObservedBus, stop: threading.Event) -> None:
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


class MotorsProcess:
    """Emulated motors in another process, and what they said. Raises DriverError when they do not come up."""

    def __init__(
        self,
        config_file: Path,
        log_file: Path,
        *arguments: str,
        environment: dict[str, str] | None = None,
        wait: bool = True,
    ) -> None:
        #: (steady time (s), whether there is torque) at every change.
        self.changes: list[tuple[float, bool]] = []
        self._heard: list[dict] = []
        self._condition = threading.Condition()
        self._waits = "--wait" in arguments
        with log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "endurance.motors", "--config", str(config_file), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment,
                process_group=0,
            )  # out of reach of Ctrl-C, and as urgent as this process
        threading.Thread(target=self._listen, name="motors", daemon=True).start()
        if wait:
            self.wait_ready()

    def go(self) -> None:
        """Lets a process that was started with --wait begin; no effect on another."""
        if self._waits:
            self._waits = False
            self._send("go")

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def wait_ready(self) -> None:
        """Until the motors answer on their bus."""
        if self._await(lambda said: "ready" in said, START_TIMEOUT_S) is None:
            self.close()
            raise DriverError("the emulated motors did not come up; the end of their log says why")

    def tell(self, text: str) -> float:
        """A fault or `clear` or `reset`. Returns the steady time (s) at which the motors took it."""
        self._send(text)
        said = self._await(lambda said: said.get("done") == text or "error" in said, ANSWER_TIMEOUT_S)
        if said is None or "error" in said:
            raise DriverError(said["error"] if said else "the emulated motors do not answer")
        return said["t"]

    def report(self) -> dict:
        """{report: largest torque by joint (Nm), on: joints whose motors are on, set_points: so far}."""
        self._send("report")
        said = self._await(lambda said: "report" in said, ANSWER_TIMEOUT_S)
        if said is None:
            raise DriverError("the emulated motors do not answer")
        return said

    @property
    def has_torque(self) -> bool:
        """Whether any motor gives torque."""
        return bool(self.changes) and self.changes[-1][1]

    def zero_since(self, start_s: float) -> float | None:
        """Steady time (s) of the last change to zero torque after start_s; start_s itself when there was
        none before it either; None while there is torque."""
        if self.has_torque:
            return None
        last_s = self.changes[-1][0] if self.changes else start_s
        return max(last_s, start_s)

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Ends the process."""
        try:
            self._process.stdin.close()
            self._process.wait(END_TIMEOUT_S)
        except (OSError, subprocess.TimeoutExpired):
            self.kill()

    def _send(self, text: str) -> None:
        with self._condition:
            self._heard.clear()
        try:
            self._process.stdin.write(text + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise DriverError("the emulated motors have ended; their log says why") from error

    def _listen(self) -> None:
        for line in self._process.stdout:
            said = json.loads(line)
            with self._condition:
                if "torque" in said:
                    self.changes.append((said["t"], said["torque"]))
                else:
                    self._heard.append(said)
                self._condition.notify_all()

    def _await(self, is_it: Callable[[dict], bool], timeout_s: float) -> dict | None:
        end = time.monotonic() + timeout_s
        with self._condition:
            while True:
                for said in self._heard:
                    if is_it(said):
                        return said
                left_s = end - time.monotonic()
                if left_s <= 0.0 or self._process.poll() is not None:
                    return None
                self._condition.wait(min(left_s, 0.2))


def main(arguments: list[str] | None = None) -> int:
    """Emulates until told to stop."""
    parser = argparse.ArgumentParser(prog="motors", description=__doc__)
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
    bus = ObservedBus(config, (lambda joint: Followed()) if from_simulator else spring, plan)
    port = PythonCanPort(config.interface, config.channel, config.bitrate, config.bus_options)
    stop = stop_on_signals()
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

            beside(lambda: SimulatorLink(bus, chosen.namespace), serve_bus, [])
        else:
            serve_bus()
    finally:
        port.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
