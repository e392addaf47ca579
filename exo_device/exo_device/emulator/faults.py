# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with an emulated motor, and when."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass


class EmulatorError(ValueError):
    """A fault or a setting that the emulator does not know; one line that says what it does know."""


#: kind: (what its value is, default value)
FAULTS: dict[str, tuple[str, float]] = {
    "dropped": ("share of the replies that get lost, 0 to 1", 1.0),
    "late": ("delay of each reply (s)", 0.05),
    "stale": ("each reply repeats the one from the fault's start; no value", 1.0),
    "duplicated": ("how often each reply is sent", 2.0),
    "wrong_id": ("id that replies carry", 99.0),
    "error": ("the motor's error code", 3.0),
    "over_temperature": ("temperature that the motor reports (degC)", 110.0),
    "wrap": ("shift of the reported position (rad)", 12.5),
    "bus_off": ("nothing passes in either direction; no value", 1.0),
    "reset": ("the motor starts anew, off and with a new zero, and is silent for this long (s)", 0.3),
    "hold": ("the firmware holds its last torque when the host falls silent; no value", 1.0),
}


@dataclass(frozen=True)
class Fault:
    """One fault: of one joint's motor, or of all of them."""

    kind: str
    joint: str | None = None
    value: float = math.nan
    start_s: float = 0.0
    duration_s: float = math.inf

    def __post_init__(self) -> None:
        if self.kind not in FAULTS:
            raise EmulatorError(f"unknown fault '{self.kind}'; known: {', '.join(FAULTS)}")
        if math.isnan(self.value):
            object.__setattr__(self, "value", FAULTS[self.kind][1])

    @staticmethod
    def parse(text: str, now_s: float = 0.0) -> Fault:
        """`kind[:joint][,value=..][,at=..][,for=..]`, times in s from now_s. Raises EmulatorError."""
        head, *settings = text.strip().split(",")
        kind, _, joint = head.partition(":")
        fields = {"start_s": now_s}
        names = {"value": "value", "at": "start_s", "for": "duration_s"}
        for setting in settings:
            name, _, number = setting.partition("=")
            try:
                fields[names[name.strip()]] = float(number) + (now_s if name.strip() == "at" else 0.0)
            except (KeyError, ValueError) as error:
                raise EmulatorError(
                    f"fault '{text}': expected kind[:joint][,value=NUMBER][,at=S][,for=S], got '{setting}'"
                ) from error
        return Fault(kind.strip(), joint.strip() or None, **fields)


class FaultPlan:
    """The faults of an emulated bus, and the chance that some of them need."""

    def __init__(self, faults: list[Fault] | None = None, seed: int = 0) -> None:
        self._faults = list(faults or [])
        self._random = random.Random(seed)

    def add(self, fault: Fault) -> None:
        """One more fault."""
        self._faults.append(fault)

    def clear(self) -> None:
        """All is well again."""
        self._faults.clear()

    def active(self, kind: str, joint: str, now_s: float) -> Fault | None:
        """The fault of this kind that this joint's motor has now."""
        for fault in self._faults:
            if (
                fault.kind == kind
                and fault.joint in (None, joint)
                and fault.start_s <= now_s < fault.start_s + fault.duration_s
            ):
                return fault
        return None

    def happens(self, kind: str, joint: str, now_s: float) -> bool:
        """Whether a fault with a share strikes this time."""
        fault = self.active(kind, joint, now_s)
        return fault is not None and self._random.random() < fault.value
