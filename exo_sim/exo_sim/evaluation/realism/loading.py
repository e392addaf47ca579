# SPDX-License-Identifier: Apache-2.0
"""Peaks: two humps of the vertical force, no impact spike, push-off power of the ankle."""
from __future__ import annotations

import math

from exo_sim.evaluation.realism.group import SpeedGroup
from exo_sim.evaluation.realism.targets import (IMPACT_SPEED_MPS, LARGEST_IMPACT_BW, PUSH_OFF_SD,
                                                PUSH_OFF_SPEEDS_MPS)
from exo_sim.evaluation.realism.waveforms import VERTICAL
from exo_sim.gait.curves import Curve
from exo_sim.gait.scores import vertical_force_peaks
from exo_sim.measurement import Figure

ANKLE_POWER = "ankle_power_W_kg"
#: The dip between two humps is at least so deep (body weights), else it is a ripple on one hump. The norm dips by
#: 0.04 at 0.75 m/s and by 0.29 at 1.25 m/s.
SMALLEST_DIP_BW = 0.02


def humps(curve: Curve) -> float:
    """How many humps a vertical force has: 2 or 1."""
    first, valley, second = vertical_force_peaks(curve.mean)
    return 2.0 if not math.isnan(second) and min(first, second) - valley >= SMALLEST_DIP_BW else 1.0


def loading(group: SpeedGroup) -> list[Figure]:
    """Humps of the vertical force (2 in every walk), and its largest value in any stride of any walk."""
    largest = max((peak for walk in group.walks for peak in walk.force_peaks_bw), default=math.nan)
    name = f"grf_vertical_largest_at_{group.speed_mps:g}"
    figures = [group.figure("grf_vertical_humps", [group.per_side(walk, VERTICAL, humps) for walk in group.walks],
                            "1", at_least=2.0)]
    if group.speed_mps == IMPACT_SPEED_MPS:
        figures.append(Figure.against(name, largest, "BW", at_most=LARGEST_IMPACT_BW))
    else:
        figures.append(Figure(name, largest, "BW"))
    for place, which in ((0, "first"), (2, "second")):
        peaks = [group.per_side(walk, VERTICAL, lambda curve: vertical_force_peaks(curve.mean)[place])
                 for walk in group.walks]
        figures.append(group.figure(f"grf_vertical_{which}_peak", peaks, "BW"))
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
