# SPDX-License-Identifier: Apache-2.0
"""Peaks: two of the vertical force, no impact spike, push-off power of the ankle."""

from __future__ import annotations

import math

import numpy as np
from scipy.signal import find_peaks

from exo_lab.evaluate.realism.group import SpeedGroup, at_speed
from exo_lab.evaluate.realism.targets import IMPACT_SPEED_MPS, LARGEST_IMPACT_BW, PUSH_OFF_SD, PUSH_OFF_SPEEDS_MPS
from exo_lab.evaluate.realism.waveforms import VERTICAL
from exo_sim.gait.curves import Curve
from exo_sim.measurement import Figure

ANKLE_POWER = "ankle_power_W_kg"
#: A peak rises at least so far (body weights) above the dips beside it, else it is a ripple. The norm dips by 0.04
#: between its peaks at 0.75 m/s and by 0.29 at 1.25 m/s.
SMALLEST_RISE_BW = 0.04
#: Loaded above this share of the largest force; the middle of that time is midstance.
LOADED_SHARE = 0.05


def peak_count(curve: Curve) -> float:
    """How many peaks a vertical force has over the stride; people's have two, an impact adds one."""
    return float(len(find_peaks(curve.mean, prominence=SMALLEST_RISE_BW)[0]))


def peaks_around_midstance(curve: Curve) -> tuple[float, float]:
    """Largest force before and after midstance."""
    loaded = np.flatnonzero(curve.mean > LOADED_SHARE * curve.mean.max())
    middle = int(loaded[0] + loaded[-1]) // 2
    return float(curve.mean[: middle + 1].max()), float(curve.mean[middle:].max())


def loading(group: SpeedGroup) -> list[Figure]:
    """Peaks of the vertical force (two in every walk), and its largest value in any stride of any walk."""
    counts = [group.per_side(walk, VERTICAL, peak_count) for walk in group.walks]
    figures = [group.figure("grf_vertical_peaks", counts, "1", at_least=2.0, at_most=2.0)]
    largest = max((peak for walk in group.walks for peak in walk.force_peaks_bw), default=math.nan)
    name = at_speed("grf_vertical_largest", group.speed_mps)
    if group.speed_mps == IMPACT_SPEED_MPS:
        figures.append(Figure.against(name, largest, "BW", at_most=LARGEST_IMPACT_BW))
    else:
        figures.append(Figure(name, largest, "BW"))
    for place, which in enumerate(("first", "second")):
        values = [
            group.per_side(walk, VERTICAL, lambda curve: peaks_around_midstance(curve)[place]) for walk in group.walks
        ]
        figures.append(group.figure(f"grf_vertical_{which}_peak", values, "BW"))
    return figures


def push_off(group: SpeedGroup) -> list[Figure]:
    """Highest ankle power over the stride, and by how many SD of people it exceeds the norm's peak, which is judged
    at the speeds that have a target."""
    peaks = [group.per_side(walk, ANKLE_POWER, lambda curve: float(curve.mean.max())) for walk in group.walks]
    norm = group.norm.curve(ANKLE_POWER)
    at = int(norm.mean.argmax())
    excess = [float((peak - norm.mean[at]) / norm.sd[at]) for peak in peaks]
    low, high = PUSH_OFF_SPEEDS_MPS
    limits = {"at_least": -PUSH_OFF_SD, "at_most": PUSH_OFF_SD} if low <= group.speed_mps <= high else {}
    return [group.figure("push_off_power", peaks, "W/kg"), group.figure("push_off_excess", excess, "SD", **limits)]
