# SPDX-License-Identifier: Apache-2.0
"""Which motors are on the bus? Asked by frames that switch a motor off, which every motor answers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from exo_device.drivers.can.port import CanPort, Frame
from exo_device.drivers.cubemars_can.codec import (
    LONG_REPLY_BYTES,
    PACKET_UPLOAD,
    SHORT_REPLY_BYTES,
    ClassicCodec,
    MitRange,
    MotorConstants,
    V3Codec,
)

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
    """Motors that answer to these ids, one after the other. Each one is off afterwards. Raises PortError."""
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
