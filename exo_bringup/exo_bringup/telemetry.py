# SPDX-License-Identifier: Apache-2.0
"""What the live table shows: the latest values, and means over the strides of each condition."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

#: Names of DeviceStatus.mode by value.
MODE_NAMES = ("DISARMED", "ARMING", "ACTIVE", "STOPPING", "FAULT")
#: Commanded speeds that differ by less are the same (m/s).
SAME_SPEED_MPS = 5e-3
ACTIVE_MODE, FAULT_MODE = MODE_NAMES.index("ACTIVE"), MODE_NAMES.index("FAULT")


def mode_name(mode: int | None) -> str:
    """A device's mode in words: `-` before the first status; a foreign publisher's may be a number without a name."""
    if mode is None:
        return "-"
    return MODE_NAMES[mode] if mode < len(MODE_NAMES) else f"mode {mode}"


@dataclass
class StrideMeans:
    """Running means over strides; NaN before the first."""

    count: int = 0
    speed_mps: float = math.nan
    stride_time_s: float = math.nan
    metabolic_w_per_kg: float = math.nan
    #: Peak torque (Nm/kg) by joint without its side, e.g. `ankle_angle`.
    peak_torque: dict[str, float] = field(default_factory=dict)

    def add(
        self, speed_mps: float, stride_time_s: float, metabolic_w_per_kg: float, peak_torque: dict[str, float]
    ) -> None:
        """Take in one stride of one side."""
        self.count += 1
        self.speed_mps = self._mean(self.speed_mps, speed_mps)
        self.stride_time_s = self._mean(self.stride_time_s, stride_time_s)
        self.metabolic_w_per_kg = self._mean(self.metabolic_w_per_kg, metabolic_w_per_kg)
        for joint, peak in peak_torque.items():
            self.peak_torque[joint] = self._mean(self.peak_torque.get(joint, math.nan), peak)

    def _mean(self, before: float, value: float) -> float:
        return value if math.isnan(before) else before + (value - before) / self.count


@dataclass
class Telemetry:
    """Everything the runner knows about the running graph. Fed by monitor_node, read by the table."""

    #: Simulated time of the last human/state (s); NaN before the first.
    time_s: float = math.nan
    paused: bool = False
    speed_mps: float = math.nan
    real_time_factor: float = math.nan
    falls: int = 0
    mode: int | None = None
    cause: str = ""
    #: Every fault that the device has latched since the start, in order: disarming clears its own list.
    fault_names: tuple[str, ...] = ()
    #: Those that are latched now.
    latched_names: tuple[str, ...] = ()
    loop_rate_hz: float = math.nan
    command_age_s: float = math.nan
    condition: str = ""
    #: Whether a condition is being measured in which the device is to give torque.
    is_assisted: bool = False
    conditions: dict[str, StrideMeans] = field(default_factory=dict)
    last_stride: StrideMeans = field(default_factory=StrideMeans)
    #: What somebody changed under way, one sentence each: figures are then not of what the run's configuration says.
    changes: list[str] = field(default_factory=list)
    _commanded_mps: float = math.nan
    _wearer: tuple = ()
    _told: set[str] = field(default_factory=set)

    def human_state(
        self,
        time_s: float,
        paused: bool,
        speed_mps: float,
        real_time_factor: float,
        falls: int,
        commanded_mps: float = math.nan,
    ) -> None:
        """Take in human/state."""
        self.time_s, self.paused, self.speed_mps = time_s, paused, speed_mps
        self.real_time_factor, self.falls = real_time_factor, falls
        if math.isnan(self._commanded_mps):
            self._commanded_mps = commanded_mps
        elif abs(commanded_mps - self._commanded_mps) > SAME_SPEED_MPS:
            self._tell("the walking speed was changed")

    def subject(self, *wearer: object) -> None:
        """Take in human/subject: everything that it says of who walks."""
        if self._wearer and wearer != self._wearer:
            self._tell("the wearer was changed")
        self._wearer = wearer

    def _tell(self, what: str) -> None:
        """Each thing once, from its first time on."""
        if what not in self._told:
            self._told.add(what)
            where = f" ({self.condition})" if self.condition else ""
            self.changes.append(
                f"At {self.time_s:.1f} s{where} {what}: figures from then on are not of what the configuration says"
            )

    def stride(
        self, speed_mps: float, stride_time_s: float, metabolic_w_per_kg: float, peak_torque: dict[str, float]
    ) -> None:
        """Take in human/stride; `peak_torque` in Nm/kg by joint with its side."""
        by_joint: dict[str, float] = {}
        for joint, peak in peak_torque.items():
            stem = joint.rsplit("_", 1)[0]
            by_joint[stem] = max(by_joint.get(stem, 0.0), peak)
        self.last_stride = StrideMeans()
        for means in (self.last_stride, self.conditions.setdefault(self.condition, StrideMeans())):
            means.add(speed_mps, stride_time_s, metabolic_w_per_kg, by_joint)

    def device_status(
        self, mode: int, cause: str, fault_names: tuple[str, ...], loop_rate_hz: float, command_age_s: float
    ) -> None:
        """Take in exo/status."""
        self.mode, self.cause = mode, cause
        self.latched_names = fault_names
        self.fault_names = tuple(dict.fromkeys((*self.fault_names, *fault_names)))
        self.loop_rate_hz, self.command_age_s = loop_rate_hz, command_age_s
        if self.is_assisted and mode != ACTIVE_MODE:
            self._tell("the device gave no torque")

    @property
    def mode_name(self) -> str:
        """Device mode as text; `-` before the first status."""
        return mode_name(self.mode)

    def line(self, duration_s: float) -> str:
        """One plain line for a log."""
        peaks = " ".join(f"{joint.split('_')[0]} {peak:.2f}" for joint, peak in self.last_stride.peak_torque.items())
        return (
            f"{self.time_s:6.1f}/{duration_s:g} s  {self.condition:<11} speed {self.speed_mps:.2f} m/s  "
            f"stride {self.last_stride.stride_time_s:.2f} s  "
            f"metabolic {self.last_stride.metabolic_w_per_kg:.2f} W/kg  peak {peaks or '-'} Nm/kg  "
            f"device {self.mode_name}  {self.loop_rate_hz:.0f} Hz  age {1e3 * self.command_age_s:.1f} ms  "
            f"x{self.real_time_factor:.2f}"
        )
