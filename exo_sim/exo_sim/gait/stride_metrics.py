# SPDX-License-Identifier: Apache-2.0
"""The figures of one stride of one side, along its direction of travel; the fields are those of exo_msgs/Stride.

A walk may drift from the world's x axis. Gait laboratories measure fore-aft force, step length and width along the
direction of progression. A walkway fixes it; here it is where both feet went during the stride (one foot alone turns
with the width of its steps).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from exo_core.joints import SIDES
from exo_sim.gait.sample import SampleLayout

#: A body that moved less than this in a stride (m) marks time and has no direction: the world's x axis stays.
SHORTEST_WAY_M = 0.1


def direction_of_travel(layout: SampleLayout, rows: np.ndarray) -> float:
    """Heading (rad, left of the world's x axis +) of the mean way of both feet from the first to the last row.

    Args:
        layout: the columns of ``rows``.
        rows: (n, len(layout)) of one stride.

    Returns:
        0 where the feet were not measured or hardly moved.
    """
    way = [
        np.mean([rows[-1, column] - rows[0, column] for column in _columns(layout, "foot", axis)]) for axis in range(2)
    ]
    return float(np.arctan2(way[1], way[0])) if np.hypot(*way) >= SHORTEST_WAY_M else 0.0


def turned_into_travel(layout: SampleLayout, rows: np.ndarray, heading: float) -> np.ndarray:
    """The rows with horizontal vectors and pelvis rotation as seen along a heading (rad); a copy.

    Axes are then forward, left and up; positions keep the world's origin.
    """
    turned = rows.copy()
    cos, sin = np.cos(heading), np.sin(heading)
    for block in ("grf", "foot"):
        x, y = _columns(layout, block, 0), _columns(layout, block, 1)
        turned[:, x] = cos * rows[:, x] + sin * rows[:, y]
        turned[:, y] = cos * rows[:, y] - sin * rows[:, x]
    rotation = layout.index("pelvis", "rotation")
    turned[:, rotation] = (rows[:, rotation] - heading + np.pi) % (2.0 * np.pi) - np.pi
    return turned


def _columns(layout: SampleLayout, block: str, axis: int) -> list[int]:
    return [layout.index(block, side, axis) for side in SIDES]


#: Less than this is no torque (Nm/kg): a filter's tail, which would go on to 1e-300 and slow down who computes with it.
NO_TORQUE_NM_PER_KG = 1e-9
MINIMUM_SPEED_MPS = 0.1  # cost of transport has no meaning for a body that stands


@dataclass(frozen=True)
class StrideMetrics:
    """One stride: from a heel strike of this side's foot to its next one. NaN where a signal is not there.

    Attributes:
        side: "r" or "l".
        index: strides of this side since the last restart, the first is 0.
        start, end: heel strikes that open and close the stride, s.
        duration: s.
        stance_percent: part of the stride with this foot on the ground, percent.
        stride_length: way of this foot along the direction of travel, m.
        step_length: this foot ahead of the other one along it at the closing heel strike, m.
        step_width: left foot to the left of the right one across it at the closing heel strike, m; negative
            when the feet cross.
        speed: stride_length over duration, m/s.
        cadence: 120 / duration, steps/min.
        joint_names, angle_min, angle_max: this side's joints and their extreme angles, rad, MyoLegs signs.
        metabolic_power_per_mass: gross, Bhargava 2004, mean over the stride, W/kg.
        metabolic_power_umberger_per_mass: the same after Umberger 2010, W/kg.
        metabolic_cost: metabolic_power_per_mass over speed, J/kg/m; NaN below 0.1 m/s.
        exo_positive_work, exo_negative_work: of this side's driven joints, J/kg; negative work is <= 0.
        exo_joint_names, exo_torque_peak: this side's driven joints and largest absolute torque, Nm/kg.
        symmetry_step_length, symmetry_stance_time: symmetry index with the other side's latest stride,
            percent.
    """

    side: str
    index: int
    start: float
    end: float
    duration: float
    stance_percent: float
    stride_length: float
    step_length: float
    step_width: float
    speed: float
    cadence: float
    joint_names: tuple[str, ...]
    angle_min: np.ndarray
    angle_max: np.ndarray
    metabolic_power_per_mass: float
    metabolic_power_umberger_per_mass: float
    metabolic_cost: float
    exo_positive_work: float
    exo_negative_work: float
    exo_joint_names: tuple[str, ...]
    exo_torque_peak: np.ndarray
    symmetry_step_length: float = math.nan
    symmetry_stance_time: float = math.nan

    @property
    def stance_time(self) -> float:
        """Time with this foot on the ground, s."""
        return self.stance_percent / 100.0 * self.duration

    def scalars(self) -> dict[str, float]:
        """All single-number figures by name; angles in rad and torques in Nm/kg by joint."""
        values = {name: getattr(self, name) for name in SCALARS}
        values["stance_time"] = self.stance_time
        for joint, low, high in zip(self.joint_names, self.angle_min, self.angle_max, strict=False):
            values[f"{joint[:-2]}_min"], values[f"{joint[:-2]}_max"] = float(low), float(high)
            values[f"{joint[:-2]}_range"] = float(high - low)
        for joint, peak in zip(self.exo_joint_names, self.exo_torque_peak, strict=False):
            values[f"exo_torque_peak_{joint[:-2]}"] = float(peak)
        return values


SCALARS = (
    "duration",
    "stance_percent",
    "stride_length",
    "step_length",
    "step_width",
    "speed",
    "cadence",
    "metabolic_power_per_mass",
    "metabolic_power_umberger_per_mass",
    "metabolic_cost",
    "exo_positive_work",
    "exo_negative_work",
    "symmetry_step_length",
    "symmetry_stance_time",
)


def measure_stride(
    layout: SampleLayout,
    side: str,
    index: int,
    times: np.ndarray,
    rows: np.ndarray,
    toe_off: float | None,
    body_mass: float,
) -> StrideMetrics:
    """Figures of one stride, symmetry left at NaN.

    Args:
        layout: the columns of ``rows``.
        side: "r" or "l".
        index: number of the stride.
        times: (n,) s, first and last are the heel strikes.
        rows: (n, len(layout)) packed samples at ``times``, turned into the direction of travel.
        toe_off: time of toe off, s, None when it was not seen.
        body_mass: kg.
    """
    start, end = float(times[0]), float(times[-1])
    duration = end - start
    other = "l" if side == "r" else "r"

    def mean(column):
        return float(np.trapezoid(rows[:, layout.index(column)], times)) / duration / body_mass

    def place(foot, axis, row=-1):
        return float(rows[row, layout.index("foot", foot, axis)])

    stride_length = place(side, 0) - place(side, 0, 0)
    speed = stride_length / duration
    power = mean("metabolic_power")
    joints = tuple(name for name in layout.names["joint_angle"] if name.endswith(f"_{side}"))
    angles = rows[:, [layout.index("joint_angle", name) for name in joints]]
    exo_joints = tuple(name for name in layout.names["exo_torque"] if name.endswith(f"_{side}"))
    torque = rows[:, [layout.index("exo_torque", name) for name in exo_joints]] / body_mass
    torque = np.where(np.abs(torque) < NO_TORQUE_NM_PER_KG, 0.0, torque)
    positive, negative = _work(layout, exo_joints, torque, times, rows)
    return StrideMetrics(
        side=side,
        index=index,
        start=start,
        end=end,
        duration=duration,
        stance_percent=math.nan if toe_off is None else 100.0 * (toe_off - start) / duration,
        stride_length=stride_length,
        step_length=place(side, 0) - place(other, 0),
        step_width=place("l", 1) - place("r", 1),
        speed=speed,
        cadence=120.0 / duration,
        joint_names=joints,
        angle_min=angles.min(axis=0),
        angle_max=angles.max(axis=0),
        metabolic_power_per_mass=power,
        metabolic_power_umberger_per_mass=mean("metabolic_power_umberger"),
        metabolic_cost=power / speed if speed > MINIMUM_SPEED_MPS else math.nan,
        exo_positive_work=positive,
        exo_negative_work=negative,
        exo_joint_names=exo_joints,
        exo_torque_peak=np.abs(torque).max(axis=0),
    )


def _work(
    layout: SampleLayout, joints: tuple[str, ...], torque: np.ndarray, times: np.ndarray, rows: np.ndarray
) -> tuple[float, float]:
    """Positive and negative work, J/kg, of torques (n, J) Nm/kg; NaN when a joint's rate was not given."""
    if any(("joint_velocity", name) not in layout for name in joints):
        return math.nan, math.nan
    power = torque * rows[:, [layout.index("joint_velocity", name) for name in joints]]
    return (
        float(np.trapezoid(np.maximum(power, 0.0), times, axis=0).sum()),
        float(np.trapezoid(np.minimum(power, 0.0), times, axis=0).sum()),
    )


def symmetry_index(right: float, left: float) -> float:
    """Symmetry index 200 |r - l| / (r + l), percent (Robinson 1987, J Manipulative Physiol Ther 10:172-176).

    0 is symmetric. NaN where the sum is not positive (the index has no meaning there) or a value is NaN.
    """
    total = right + left
    return 200.0 * abs(right - left) / total if total > 0 else math.nan
