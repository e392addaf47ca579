# SPDX-License-Identifier: Apache-2.0
"""Driver of ODrives on a CAN bus, with the CANSimple frames as ODrive's manual describes them (firmware 0.5.6 and 0.6).

SIGKILL: the ODrive's own watchdog switches the motor off (`axis0.config.enable_watchdog`), which every torque frame
feeds, and so does a guardian. The watchdog's settings are read back over the bus where the firmware can tell them.
docs/bench.md says how to set an ODrive up.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from exo_device.drivers.base import Offset, Settings
from exo_device.drivers.can.bus import FOREIGN_MEMORY_S, CanConfig, CanMotor, JointMap, Measurement
from exo_device.drivers.can.driver import CanDriver
from exo_device.drivers.can.port import Frame

#: Standard frames: the identifier is the axis's node id and the command. Numbers are little-endian, floats of 32 bits,
#: in turns and Nm of the motor's shaft.
COMMAND_BITS = 5
HIGHEST_NODE = 62  # 63 is nobody's: an ODrive without an address


class Command(IntEnum):
    """Command numbers."""

    HEARTBEAT = 0x01
    READ_PARAMETER = 0x04
    PARAMETER = 0x05
    SET_AXIS_STATE = 0x07
    GET_ENCODER_ESTIMATES = 0x09
    SET_CONTROLLER_MODE = 0x0B
    SET_INPUT_TORQUE = 0x0E
    GET_TEMPERATURE = 0x15
    GET_BUS_VOLTAGE_CURRENT = 0x17
    GET_TORQUES = 0x1C


#: Commands that a host gives, and no axis: stop, ids, states, modes, inputs, limits, gains, reboot, firmware.
HOST_COMMANDS = frozenset(
    (0x02, 0x04, 0x06, 0x07, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F, 0x11, 0x12, 0x13, 0x16, 0x18, 0x19, 0x1A, 0x1B, 0x1F)
)
#: Of them, the one that only asks.
READ = 0


class AxisState(IntEnum):
    """States of an axis that matter here."""

    IDLE = 1
    CLOSED_LOOP_CONTROL = 8


TORQUE_CONTROL, PASSTHROUGH = 1, 1


@dataclass(frozen=True)
class Heartbeat:
    """An axis says how it is."""

    error: int
    state: int


def frame_of(node: int, command: Command, data: bytes) -> Frame:
    """A frame to or from this axis."""
    return Frame(node << COMMAND_BITS | command, data)


def address_of(frame: Frame) -> tuple[int, int] | None:
    """Node id and command number; None for a frame that is not CANSimple's."""
    if frame.is_extended:
        return None
    return frame.can_id >> COMMAND_BITS, frame.can_id & (1 << COMMAND_BITS) - 1


def set_torque(node: int, torque_nm: float) -> Frame:
    """Torque of the motor's shaft (Nm). Raises ValueError for a number that is not finite."""
    if not math.isfinite(torque_nm):
        raise ValueError(f"{torque_nm} cannot be sent to a motor")
    return frame_of(node, Command.SET_INPUT_TORQUE, struct.pack("<f4x", torque_nm))


def set_state(node: int, state: AxisState) -> Frame:
    """Asks an axis for another state."""
    return frame_of(node, Command.SET_AXIS_STATE, struct.pack("<I4x", state))


def set_torque_mode(node: int) -> Frame:
    """Tells an axis to give torque as it is told."""
    return frame_of(node, Command.SET_CONTROLLER_MODE, struct.pack("<II", TORQUE_CONTROL, PASSTHROUGH))


def read_parameter(node: int, endpoint: int) -> Frame:
    """Asks for a parameter by its number in the firmware's flat_endpoints.json (firmware 0.6 and later)."""
    return frame_of(node, Command.READ_PARAMETER, struct.pack("<BHxxxxx", READ, endpoint))


def parameter_of(data: bytes) -> tuple[int, bytes] | None:
    """Number and value of a parameter that was asked for; None for a frame that is too short."""
    return (struct.unpack_from("<xH", data)[0], data[4:]) if len(data) > 4 else None


def torque_as_sent(torque_nm: float) -> float:
    """Returns what a float of 32 bits leaves of a torque (Nm)."""
    return struct.unpack("<f", struct.pack("<f", torque_nm))[0]


def heartbeat_of(data: bytes) -> Heartbeat | None:
    """Reads a heartbeat; None for a frame that is too short."""
    return Heartbeat(*struct.unpack_from("<IB", data)) if len(data) >= 5 else None


def floats_of(data: bytes) -> tuple[float, float] | None:
    """The two numbers of encoder estimates (turns, turns/s), torques (target, estimate), temperatures (FET,
    motor) or bus (V, A); None for a frame that is too short."""
    return struct.unpack_from("<ff", data) if len(data) >= 8 else None


class AxisConfig(Settings):
    """One axis and how its motor drives the joint."""

    #: `axis0.config.can.node_id` of the ODrive.
    node_id: Annotated[int, Field(ge=0, le=HIGHEST_NODE)]
    #: +1 when the motor turns forward as the joint's angle grows, else -1.
    sign: Literal[1, -1]
    #: Joint angle (rad) where the ODrive reports zero turns.
    joint_offset_rad: Offset = 0.0
    #: Turns of the motor per turn of the joint; 1: direct. Without a default: the torque at the joint would be wrong
    #: by just this factor.
    gear_ratio: Annotated[float, Field(ge=0.1, le=200.0)]


class WatchdogEndpoints(Settings):
    """Numbers of two parameters in the flat_endpoints.json of the ODrives' firmware (0.6 and later)."""

    #: `axis0.config.enable_watchdog` and `axis0.config.watchdog_timeout`.
    enable_watchdog: Annotated[int, Field(ge=0, le=0xFFFF)]
    watchdog_timeout: Annotated[int, Field(ge=0, le=0xFFFF)]


class ODriveConfig(CanConfig):
    """A CAN bus with ODrives, each set to send its encoder estimates by itself (100 Hz or more)."""

    #: Torque is sent this often (Hz). It also feeds the ODrive's watchdog.
    bus_rate_hz: Annotated[float, Field(ge=50.0, le=1000.0)] = 200.0
    #: Where to read whether the firmware's watchdog is on. Absent: it is not read, and counts for nothing.
    watchdog_endpoints: WatchdogEndpoints | None = None
    #: By joint, named as in the device description.
    axes: Annotated[dict[str, AxisConfig], Field(min_length=1)]

    @model_validator(mode="after")
    def _ids_differ(self) -> ODriveConfig:
        taken: dict[int, str] = {}
        for joint, axis in self.axes.items():
            if axis.node_id in taken:
                raise ValueError(f"axes of {taken[axis.node_id]} and {joint} have the same node_id {axis.node_id}")
            taken[axis.node_id] = joint
        return self


FLOAT = struct.Struct("<f")
TURN_RAD = 2.0 * math.pi
#: The request to switch on or off is repeated this often (s): a frame may be lost.
REPEAT_S = 0.1
#: An axis that says later than this (s) after the request that it gives no torque has refused it.
START_S = 0.5
#: Found by the driver, above ODrive's own codes (its highest bit is 30): the axis is to be on and is not,
#: because it says so, or because the bus thread has switched it off while the device node was silent.
NOT_ON = 1 << 31
#: No heartbeat for HEARTBEAT_TIMEOUT_S with the axis on; another host commands it. Firmware 0.5.6 and 0.6 use neither.
NO_HEARTBEAT, FOREIGN_MASTER = 1 << 23, 1 << 22
#: An ODrive sends ten heartbeats a second; three that are missing are a fault (s).
HEARTBEAT_TIMEOUT_S = 0.3
#: The watchdog's settings are asked for again this often (s).
WATCHDOG_PERIOD_S = 0.5
#: A firmware that acts later than this (s) protects nobody.
LONGEST_WATCHDOG_S = 0.2


class Axis(CanMotor):
    """State of one axis on the bus."""

    def __init__(self, joint: str, config: AxisConfig, now_s: float, watchdog: WatchdogEndpoints | None = None) -> None:
        self.joint, self.address = joint, f"node {config.node_id}"
        self._node = config.node_id
        self._map = JointMap(config.sign, config.joint_offset_rad, config.gear_ratio)
        #: Applied torque (Nm), measured. Where the ODrive does not send it: the motor torque, while it says that it is
        #: on.
        self.torque = 0.0
        self._watchdog, self._watchdog_due_s = watchdog, now_s
        self._parameters: dict[int | None, tuple[float, bytes]] = {}
        self._heartbeat_s: float | None = None
        self._is_closed_loop = False
        self._foreign_s = -math.inf
        self._asked_s = now_s
        self.temperature = self.bus_voltage = math.nan
        self._heard_s = now_s
        self._error = 0
        self._on_since_s: float | None = None
        self._request_due_s = now_s
        self._measures_torque = self._was_left_alone = False
        #: When it was told to be on or off last, and the torque (Nm, joint side) that it was given last.
        self._switched_s, self._given = now_s, 0.0

    def _refuses_off(self, now_s: float) -> bool:
        """Tells whether it goes on in closed loop although it is told to be off, so that it takes no orders."""
        return self._on_since_s is None and self._is_closed_loop and now_s - self._switched_s > START_S

    def applied_torque(self, joint_nm: float) -> float:
        """Joint torque (Nm) that a frame carries for this motor torque."""
        return self._map.joint_torque(torque_as_sent(self._map.frame_torque(joint_nm)))

    def frames(self, torque: float, enable: bool, now_s: float) -> list[Frame]:
        """Returns what to send in this cycle. Torque is always sent: it feeds the ODrive's watchdog."""
        self._asked_s = now_s
        if enable != (self._on_since_s is not None):
            self._on_since_s = now_s if enable else None
            self._request_due_s = self._switched_s = now_s
        self._given = torque if enable else self._given
        torque = torque if enable else 0.0
        if not self._measures_torque:
            self.torque = (self._given if self._refuses_off(now_s) else torque) if self._is_closed_loop else 0.0
        frames = [set_torque(self._node, self._map.frame_torque(torque))]
        if now_s >= self._request_due_s:
            self._request_due_s = now_s + REPEAT_S
            state = AxisState.CLOSED_LOOP_CONTROL if enable else AxisState.IDLE
            frames += [set_torque_mode(self._node)] * enable + [set_state(self._node, state)]
        if self._watchdog is not None and not enable and now_s >= self._watchdog_due_s:
            self._watchdog_due_s = now_s + WATCHDOG_PERIOD_S
            asked = self._watchdog.enable_watchdog, self._watchdog.watchdog_timeout
            frames += [read_parameter(self._node, endpoint) for endpoint in asked]
        return frames

    @property
    def has_watchdog(self) -> bool:
        """Tells whether it has said that its watchdog is on, and acts soon enough."""
        if self._watchdog is None:
            return False
        # an ODrive that was started anew may have other ones: the last answer but one does not count any more
        oldest_s = self._watchdog_due_s - 2.5 * WATCHDOG_PERIOD_S
        enabled, timeout = (
            value if answered_s >= oldest_s else b""
            for answered_s, value in (
                self._parameters.get(endpoint, (oldest_s, b""))
                for endpoint in (self._watchdog.enable_watchdog, self._watchdog.watchdog_timeout)
            )
        )
        if enabled[:1] != b"\x01" or len(timeout) < FLOAT.size:
            return False
        return 0.0 < FLOAT.unpack_from(timeout)[0] <= LONGEST_WATCHDOG_S

    def off_frames(self) -> list[Frame]:
        """The last words to this axis."""
        return [set_torque(self._node, 0.0), set_state(self._node, AxisState.IDLE)]

    def take(self, frame: Frame, now_s: float, now_ns: int) -> bool:
        """Takes in a frame of this axis. One that is too short or of no interest changes nothing."""
        address = address_of(frame)
        if address is None or address[0] != self._node or address[1] in HOST_COMMANDS:
            return False
        command, pair = address[1], floats_of(frame.data)
        if command == Command.HEARTBEAT:
            self._take_heartbeat(heartbeat_of(frame.data), now_s)
        elif command == Command.PARAMETER:
            endpoint, value = parameter_of(frame.data) or (None, b"")
            self._parameters[endpoint] = now_s, value
        elif pair is not None:
            self._take_pair(command, pair, now_s, now_ns)
        return True

    def _take_pair(self, command: int, pair: tuple[float, float], now_s: float, now_ns: int) -> None:
        if command == Command.GET_ENCODER_ESTIMATES:
            self._heard_s = now_s
            self.newest = Measurement(
                now_s,
                now_ns,
                self._map.joint_position(TURN_RAD * pair[0]),
                self._map.joint_velocity(TURN_RAD * pair[1]),
                self.torque,
                self.temperature,
                self.bus_voltage,
                self.error,
            )
        elif command == Command.GET_TORQUES:
            self._measures_torque = True
            self.torque = self._map.joint_torque(pair[1])
        elif command == Command.GET_TEMPERATURE:
            known = [value for value in pair if math.isfinite(value)]
            self.temperature = max(known) if known else math.nan
        elif command == Command.GET_BUS_VOLTAGE_CURRENT:
            self.bus_voltage = pair[0]

    def _take_heartbeat(self, heartbeat: Heartbeat | None, now_s: float) -> None:
        if heartbeat is None:
            return
        is_late = self._on_since_s is not None and now_s - self._on_since_s > START_S
        self._heartbeat_s = now_s
        self._is_closed_loop = heartbeat.state == AxisState.CLOSED_LOOP_CONTROL
        is_off = heartbeat.state != AxisState.CLOSED_LOOP_CONTROL
        self._error = heartbeat.error | (NOT_ON if is_late and is_off else 0)

    def host_fell_silent(self) -> None:
        self._was_left_alone = True

    def switched_off(self) -> None:
        self._was_left_alone = False

    def is_order(self, frame: Frame) -> bool:
        address = address_of(frame)
        if address is None or address[0] != self._node or address[1] not in HOST_COMMANDS:
            return False
        return address[1] != Command.READ_PARAMETER or frame.data[:1] != bytes([READ])  # who reads does no harm

    def foreign_order(self, now_s: float) -> None:
        self._foreign_s = now_s

    def obstacle(self, now_s: float) -> str:
        if self._is_commanded_by_others(now_s):
            return f"another program commands the motor of {self.joint} ({self.address}): end it"
        if self._heartbeat_s is None or now_s - self._heartbeat_s > HEARTBEAT_TIMEOUT_S:
            return (
                f"no heartbeat from the ODrive of {self.joint} ({self.address}): neither its state nor its errors are "
                "known; set heartbeat_msg_rate_ms to 100"
            )
        if self._refuses_off(now_s):
            return f"the ODrive of {self.joint} ({self.address}) is told to be off, and says that it is not"
        return ""

    def _is_commanded_by_others(self, now_s: float) -> bool:
        return now_s - self._foreign_s <= FOREIGN_MEMORY_S

    @property
    def error(self) -> int:
        """ODrive's Axis_Error, and what the driver found: NOT_ON, NO_HEARTBEAT, FOREIGN_MASTER."""
        heard_s = self._on_since_s if self._heartbeat_s is None else self._heartbeat_s
        unheard_s = 0.0 if self._on_since_s is None or heard_s is None else self._asked_s - heard_s
        return (
            self._error
            | (NOT_ON if self._was_left_alone else 0)
            | (NO_HEARTBEAT if unheard_s > HEARTBEAT_TIMEOUT_S else 0)
            | (FOREIGN_MASTER if self._is_commanded_by_others(self._asked_s) else 0)
        )

    def silence_s(self, now_s: float) -> float:
        """Time (s) since its last encoder estimates, or since the beginning."""
        return now_s - self._heard_s


class ODriveDriver(CanDriver):
    """ODrives. A thread of its own sends torque at the bus rate, and listens."""

    name = "odrive_can"
    advice = "check power, wiring, node_id and encoder_msg_rate_ms"
    config: ODriveConfig

    def _make_motors(self, joint_names: tuple[str, ...]) -> list[Axis]:
        return [
            Axis(name, self.config.axes[name], self._steady_s(), self.config.watchdog_endpoints) for name in joint_names
        ]

    @property
    def _motor_names(self) -> tuple[str, ...]:
        return tuple(self.config.axes)

    def _firmware_note(self) -> str:
        if self.config.watchdog_endpoints is None:
            return ", and watchdog_endpoints does not say where to read the firmware's watchdog"
        axes = self.master.motors if self.master is not None else []
        without = [f"{axis.joint} ({axis.address})" for axis in axes if not axis.has_watchdog]
        return (
            f", and the firmware of {', '.join(without)} has not said that its watchdog is on and acts within "
            f"{LONGEST_WATCHDOG_S:g} s"
        )
