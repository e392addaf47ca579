# SPDX-License-Identifier: Apache-2.0
"""`ros2 run exo_device bench`: the first hours with real motors. docs/bench.md says when to use what.

Ids, signs, zeros and the first torque are not for a device that is worn; `check` is for the wearer.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from exo_core.errors import UserError
from exo_core.yaml_file import read_mapping
from exo_device.bench_check import Step, judged, steps
from exo_device.description import DeviceError, load_device
from exo_device.devices import device_file
from exo_device.drivers import Driver, DriverError, make_driver, read_driver_config
from exo_device.drivers.can.driver import open_port
from exo_device.drivers.can.port import CanPort, Frame, PortError
from exo_device.drivers.cubemars_can.codec import (
    LONG_REPLY_BYTES,
    PACKET_UPLOAD,
    SHORT_REPLY_BYTES,
    ClassicCodec,
    MitRange,
    MotorConstants,
    V3Codec,
)
from exo_device.drivers.cubemars_can.config import HIGHEST_ID
from exo_device.drivers.cubemars_can.driver import ZERO_SILENCE_S, CubemarsDriver
from exo_device.memory import file_sha256, state_folder, usable_folder, write_check
from exo_device.signals import DeviceState, MotorTorque

#: More than this (Nm) is no first torque.
LARGEST_PULSE_NM = 3.0
#: The pulse ends early beyond this motion (rad) or speed (rad/s).
LARGEST_MOTION_RAD = math.radians(20.0)
LARGEST_SPEED_RAD_S = 3.0
#: Torque comes and goes over this time (s).
RAMP_S = 0.1
#: Less motion than this (rad) says nothing about a sign.
SMALLEST_MOTION_RAD = math.radians(0.5)
READ_TIMEOUT_S = 0.2


@dataclass(frozen=True)
class PulseResult:
    """The outcome of a pulse."""

    #: Angle from the start to the end of the torque (rad).
    motion_rad: float
    #: Why it ended before its time, or "".
    ended_by: str

    def verdict(self, torque_nm: float) -> str:
        """One sentence for a person."""
        moved = f"moved {math.degrees(self.motion_rad):+.1f} deg"
        if self.ended_by:
            moved += f" ({self.ended_by})"
        if abs(self.motion_rad) < SMALLEST_MOTION_RAD:
            return f"{moved}: too little to tell; is the joint free, and the torque above its friction?"
        if self.motion_rad * torque_nm > 0.0:
            return f"{moved}: torque and angle have the same sign, as they must"
        return f"{moved}: torque and angle have OPPOSITE signs; do not go on"


def pulse(driver: Driver, joint: str, torque_nm: float, duration_s: float) -> PulseResult:
    """Gives torque to one joint of a connected driver and switches it off again, whatever happens.

    Raises DriverError for a torque that is too large, and when the bus is lost or the motor reports an error.
    """
    if not 0.0 < abs(torque_nm) <= LARGEST_PULSE_NM:
        raise DriverError(f"a pulse is at most {LARGEST_PULSE_NM:g} Nm, got {torque_nm:g}")
    driver.configure((joint,))
    start = _read(driver)
    last, ended_by, begin_s = start, "", time.monotonic()
    try:
        while not ended_by and (t := time.monotonic() - begin_s) < duration_s:
            share = min(1.0, t / RAMP_S, (duration_s - t) / RAMP_S)
            torque = np.array([torque_nm * share])
            driver.write(MotorTorque(last.stamp_ns, last.sequence, True, (joint,), torque))
            last = _read(driver)
            ended_by = _reason_to_end(start, last)
    finally:
        driver.write(MotorTorque.off((joint,)))
    return PulseResult(float(last.position[0] - start.position[0]), ended_by)


def _read(driver: Driver) -> DeviceState:
    state = driver.read(READ_TIMEOUT_S)
    if state is None:
        raise DriverError("the motor sends nothing")
    if state.error[0]:
        raise DriverError(f"the motor reports error {int(state.error[0])}")
    return state


def _reason_to_end(start: DeviceState, state: DeviceState) -> str:
    if abs(state.position[0] - start.position[0]) > LARGEST_MOTION_RAD:
        return f"ended after {math.degrees(LARGEST_MOTION_RAD):.0f} deg"
    if abs(state.velocity[0]) > LARGEST_SPEED_RAD_S:
        return f"ended above {LARGEST_SPEED_RAD_S:g} rad/s"
    return ""


#: A motor answers within a few ms; a slow adapter adds some more (s).
ANSWER_S = 0.03
#: Only the frames' layout matters here, and no range.
ANY_RANGE, ANY_CONSTANTS = MitRange(1.0, 1.0, 1.0), MotorConstants(1, 1.0, 1.0)


@dataclass(frozen=True)
class Found:
    """A motor that answered."""

    motor_id: int
    firmware: str
    frame: Frame
    #: It is asked once.
    replies: int = 0

    def __str__(self) -> str:
        bits = 8 if self.frame.is_extended else 3
        line = (
            f"motor {self.motor_id:3d}  firmware {self.firmware:8}  reply {self.frame.can_id:0{bits}x} "
            f"{self.frame.data.hex(' ')}"
        )
        if self.replies < 2:
            return line
        count = "two" if self.replies == 2 else str(self.replies)
        return f"{line}  {count} replies to id {self.motor_id}: {count} motors?"


def scan(port: CanPort, ids: range) -> Iterator[Found]:
    """Motors that answer to these ids, one after the other. Raises PortError.

    They are asked by frames that switch a motor off, which every motor answers.
    """
    for motor_id in ids:
        port.send(ClassicCodec(motor_id, ANY_RANGE).disable())
        port.send(V3Codec(motor_id, ANY_RANGE, ANY_CONSTANTS).disable())
        end_s = time.monotonic() + ANSWER_S
        answers: dict[str, Found] = {}
        while (left_s := end_s - time.monotonic()) > 0.0:
            frame = port.receive(left_s)
            found = _recognise(frame, motor_id) if frame is not None else None
            if found is not None:
                first = answers.get(found.firmware, found)
                answers[found.firmware] = replace(first, replies=first.replies + 1)
        yield from answers.values()


def _recognise(frame: Frame, motor_id: int) -> Found | None:
    if frame.is_extended:
        is_upload = frame.can_id == PACKET_UPLOAD << 8 | motor_id
        return Found(motor_id, "v3", frame) if is_upload else None
    if len(frame.data) in (SHORT_REPLY_BYTES, LONG_REPLY_BYTES) and frame.data[0] == motor_id:
        return Found(motor_id, "v1 or v2", frame)
    return None


EXIT_OK, EXIT_FAILED, EXIT_ERROR = 0, 1, 2
#: A motion that was not as asked may be repeated so often.
ATTEMPTS = 3
#: Lines of `watch` this often (s).
WATCH_PERIOD_S = 0.2
#: A zero within this angle (rad) was taken over.
ZERO_TOLERANCE_RAD = 0.02


def build_parser() -> argparse.ArgumentParser:
    """Parser of the bench tool."""
    parser = argparse.ArgumentParser(
        prog="bench",
        description="First steps with CubeMars motors. Nobody may wear the device, and joints "
        "must be free to move; but for `check`, which is for the wearer and any motors. Read docs/bench.md first.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, run, text in (
        ("scan", _scan, "which motors are on the bus; they are switched off"),
        ("watch", _watch, "angles, speeds, temperatures and errors, with the motors off"),
        ("zero", _zero, "make a joint's present angle its motor's zero"),
        ("pulse", _pulse, "a short, small torque on one joint"),
    ):
        command = commands.add_parser(name, help=text, description=text.capitalize() + ".")
        command.add_argument("--config", required=True, metavar="YAML", help="settings of the driver cubemars_can")
        command.set_defaults(run=run)
        if name == "scan":
            command.add_argument(
                "--highest",
                type=int,
                default=HIGHEST_ID,
                metavar="ID",
                help="ask ids 1 to this one (default: %(default)s)",
            )
        if name == "watch":
            command.add_argument("--seconds", type=float, default=30.0, help="how long (s, default: %(default)g)")
        if name in ("zero", "pulse"):
            command.add_argument("joint", help="as in the settings, e.g. hip_flexion_r")
            command.add_argument("--yes", action="store_true", help="do not ask before")
        if name == "pulse":
            command.add_argument(
                "--nm",
                type=float,
                default=1.0,
                help=f"torque, joint sign, at most {LARGEST_PULSE_NM:g} Nm (default: %(default)g)",
            )
            command.add_argument("--seconds", type=float, default=0.5, help="how long (s, default: %(default)g)")
    _add_check(commands)
    return parser


def _add_check(commands: Any) -> None:
    text = "signs and zeros of joints and IMU, on the wearer, motors off; before the first torque"
    check = commands.add_parser("check", help=text, description=text.capitalize() + ". Any driver's motors.")
    check.add_argument("--device", required=True, metavar="YAML", help="device, by name or file")
    check.add_argument("--config", default="", metavar="YAML", help="settings of the driver, which the file names")
    check.add_argument("--driver", default="", metavar="NAME", help="driver, where there is no file of settings")
    check.add_argument(
        "--state-folder",
        default="",
        metavar="FOLDER",
        help="where the result goes, as device_node's parameter state_folder (default: the user's)",
    )
    check.add_argument(
        "--seconds", type=float, default=6.0, help="how long each motion is watched (s, default: %(default)g)"
    )
    check.set_defaults(run=_check)


def main(arguments: list[str] | None = None) -> int:
    """Runs one command. Returns the exit code: 0, or 2 with one line for whatever did not work."""
    chosen = build_parser().parse_args(arguments)
    try:
        if chosen.command == "check":
            return _check(chosen)
        settings = read_driver_config(chosen.config, "cubemars_can")
        # a joint on the bench may be clamped: it may stand still under torque
        settings["plausibility"] = {**(settings.get("plausibility") or {}), "standstill_s": None}
        driver = make_driver("cubemars_can", settings)
        chosen.run(chosen, driver)
    except (DriverError, PortError, UserError, DeviceError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return EXIT_ERROR
    except KeyboardInterrupt:
        print("bench: interrupted, motors off", file=sys.stderr)
        return EXIT_ERROR
    return EXIT_OK


def _scan(chosen: argparse.Namespace, driver: CubemarsDriver) -> None:
    port = open_port(driver.config)
    names = {motor.id: joint for joint, motor in driver.config.motors.items()}
    try:
        found = list(scan(port, range(1, min(chosen.highest, HIGHEST_ID) + 1)))
    finally:
        port.close()
    for motor in found:
        print(f"{motor}  {names.get(motor.motor_id, '(in no line of the settings)')}")
    missing = [f"{names[i]} ({i})" for i in sorted(set(names) - {motor.motor_id for motor in found})]
    print(f"{len(found)} answered" + (f"; silent: {', '.join(missing)}" if missing else ""))


def _watch(chosen: argparse.Namespace, driver: CubemarsDriver) -> None:
    joints = tuple(driver.config.motors)
    with driver:
        driver.configure(joints)
        end_s = time.monotonic() + chosen.seconds
        while time.monotonic() < end_s:
            state = driver.read(WATCH_PERIOD_S)
            if state is None:
                continue
            rows = zip(joints, state.position, state.velocity, state.temperature, state.error, strict=True)
            print(
                "  ".join(
                    f"{joint} {math.degrees(p):+7.1f} deg {v:+6.2f} rad/s {t:4.0f} degC error {e}"
                    for joint, p, v, t, e in rows
                ),
                flush=True,
            )
            time.sleep(WATCH_PERIOD_S)


def _zero(chosen: argparse.Namespace, driver: CubemarsDriver) -> None:
    _require_motor(driver, chosen.joint)
    _ask(chosen, f"The present angle of {chosen.joint} becomes its motor's zero.")
    with driver:
        driver.configure((chosen.joint,))
        before = _state(driver).position[0]
        driver.request_zero(chosen.joint)
        time.sleep(ZERO_SILENCE_S)
        driver.configure((chosen.joint,))
        after = _state(driver).position[0]
    offset = driver.config.motors[chosen.joint].joint_offset_rad
    print(f"{chosen.joint}: {math.degrees(before):+.1f} deg before, {math.degrees(after):+.1f} deg now")
    if abs(after - offset) > ZERO_TOLERANCE_RAD:
        raise DriverError("the motor did not take the zero over; try again with the joint at rest")


def _pulse(chosen: argparse.Namespace, driver: CubemarsDriver) -> None:
    _require_motor(driver, chosen.joint)
    _ask(chosen, f"{chosen.joint} gets {chosen.nm:+g} Nm for {chosen.seconds:g} s. Keep clear.")
    with driver:
        print(pulse(driver, chosen.joint, chosen.nm, chosen.seconds).verdict(chosen.nm))


def _check(chosen: argparse.Namespace) -> int:
    """Asks for one motion after the other, and stores the result when all were right. Returns the exit code."""
    file = device_file(chosen.device)
    device = load_device(file)
    name = chosen.driver or (read_mapping(chosen.config, "a driver's settings").get("driver") if chosen.config else "")
    if not name:
        raise DriverError("which motors? give --config FILE, or --driver NAME where there is no file")
    driver = make_driver(str(name), read_driver_config(chosen.config, str(name)) if chosen.config else None)
    folder = usable_folder(state_folder(chosen.state_folder))
    imu = getattr(driver.config, "imu", None)
    has_imu = imu is not None and imu.source != "none"
    notes: dict[str, Any] = {}
    with _ros_for(driver), driver:
        driver.configure(device.joint_names)
        print("The motors stay off. Who wears the device does what is asked, once, right after Enter.", flush=True)
        if not has_imu:
            print("There is no IMU: only the joints are checked.")
        for step in steps(device, has_imu=has_imu):
            if not _passed(step, driver, chosen.seconds, notes):
                print("Not passed: nothing was stored, and the device is not to be armed.", flush=True)
                return EXIT_FAILED
    hashes = file_sha256(file), file_sha256(chosen.config)
    path = write_check(folder, *hashes, notes, time.time())
    print(f"Passed. {path} lets device_node arm with these two files, until one of them is changed.")
    return EXIT_OK


def _passed(step: Step, driver: Driver, duration_s: float, notes: dict[str, Any]) -> bool:
    for attempt in range(ATTEMPTS):
        try:
            input(f"\nPlease {step.instruction}. Enter, then go: ")
        except EOFError as error:
            raise DriverError("nobody answers: run it in a terminal") from error
        problems = judged(step, _record(driver, duration_s), notes)
        for problem in problems:
            print(f"  {problem}")
        if not problems:
            print("  right", flush=True)
            return True
        if attempt + 1 < ATTEMPTS:
            print("  Once more; if it stays, mend the file or the mounting and start again.", flush=True)
    return False


def _record(driver: Driver, duration_s: float) -> list[DeviceState]:
    """Every sample of this time; the motors are off. Raises DriverError for one that reports an error."""
    states, end_s = [], time.monotonic() + duration_s
    while time.monotonic() < end_s:
        state = driver.read(WATCH_PERIOD_S)
        if state is None:
            continue
        if state.error.any():
            index = int(state.error.argmax())
            raise DriverError(f"the motor of {state.names[index]} reports error {int(state.error[index])}")
        states.append(state)
    return states


@contextmanager
def _ros_for(driver: Driver) -> Iterator[None]:
    """ROS, where the driver or its IMU listens to topics."""
    imu = getattr(driver.config, "imu", None)
    if driver.name != "ros2_control" and (imu is None or imu.source == "none"):
        yield
        return
    import rclpy

    rclpy.init(args=[])
    try:
        yield
    finally:
        rclpy.try_shutdown()


def _state(driver: CubemarsDriver) -> DeviceState:
    for _ in range(5):
        state = driver.read(WATCH_PERIOD_S)
        if state is not None:
            return state
    raise DriverError("the motor sends nothing")


def _require_motor(driver: CubemarsDriver, joint: str) -> None:
    if joint not in driver.config.motors:
        known = ", ".join(driver.config.motors)
        raise DriverError(f"no motor for '{joint}' in the settings; they have {known}")


def _ask(chosen: argparse.Namespace, text: str) -> None:
    if not chosen.yes and input(f"{text} Type yes to go on: ").strip() != "yes":
        raise DriverError("nothing was done")


if __name__ == "__main__":
    sys.exit(main())
