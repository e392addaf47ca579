# SPDX-License-Identifier: Apache-2.0
"""When muscles work, against electromyography."""

from __future__ import annotations

import numpy as np

from exo_core.joints import SIDES
from exo_lab.evaluate.realism.group import SpeedGroup
from exo_lab.evaluate.realism.targets import SMALLEST_EMG_AGREEMENT
from exo_sim.errors import GaitError
from exo_sim.gait.scores import on_off_agreement
from exo_sim.gait.variables import EMG_MUSCLES
from exo_sim.measurement import Figure
from exo_sim.world.walk import WalkResult


def muscle_timing(group: SpeedGroup) -> list[Figure]:
    """Share of the stride on which activation and EMG of a muscle agree on being on or off.

    The heads under one electrode are averaged. On means above 30 % of the curve's own range: neither amplitude is
    calibrated.
    """
    return [
        group.figure(
            f"{emg}_agreement",
            [_agreement(group, walk, emg) for walk in group.walks],
            "1",
            at_least=SMALLEST_EMG_AGREEMENT,
        )
        for emg in EMG_MUSCLES
    ]


def _agreement(group: SpeedGroup, walk: WalkResult, emg: str) -> float:
    norm = group.norm.curve(emg)
    try:
        return float(np.mean([on_off_agreement(_activation(walk, emg, side), norm.mean) for side in SIDES]))
    except GaitError:
        return float("nan")


def _activation(walk: WalkResult, emg: str, side: str) -> np.ndarray:
    return np.mean(
        [walk.curves.get(walk.task.key, f"activation_{head}", side).mean for head in EMG_MUSCLES[emg]],
        axis=0,
    )
