# SPDX-License-Identifier: Apache-2.0
"""CANSimple frames, as ODrive's manual describes them (CAN Protocol, firmware 0.5.6 and 0.6).

Standard frames; the identifier is the axis's node id and the command. Numbers are little-endian, floats of 32
bits, in turns and Nm of the motor's shaft.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from enum import IntEnum

from exo_device.drivers.can.port import Frame

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
    """The torque that is asked for is given as it is."""
    return frame_of(node, Command.SET_CONTROLLER_MODE, struct.pack("<II", TORQUE_CONTROL, PASSTHROUGH))


def read_parameter(node: int, endpoint: int) -> Frame:
    """Asks for a parameter by its number in the firmware's flat_endpoints.json (firmware 0.6 and later)."""
    return frame_of(node, Command.READ_PARAMETER, struct.pack("<BHxxxxx", READ, endpoint))


def parameter_of(data: bytes) -> tuple[int, bytes] | None:
    """Number and value of a parameter that was asked for; None for a frame that is too short."""
    return (struct.unpack_from("<xH", data)[0], data[4:]) if len(data) > 4 else None


def torque_as_sent(torque_nm: float) -> float:
    """What a float of 32 bits leaves of it."""
    return struct.unpack("<f", struct.pack("<f", torque_nm))[0]


def heartbeat_of(data: bytes) -> Heartbeat | None:
    """None for a frame that is too short."""
    return Heartbeat(*struct.unpack_from("<IB", data)) if len(data) >= 5 else None


def floats_of(data: bytes) -> tuple[float, float] | None:
    """The two numbers of encoder estimates (turns, turns/s), torques (target, estimate), temperatures (FET,
    motor) or bus (V, A); None for a frame that is too short."""
    return struct.unpack_from("<ff", data) if len(data) >= 8 else None
