# SPDX-License-Identifier: Apache-2.0
"""Does it walk, how fast and in what steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from exo_lab.evaluate.realism.group import SpeedGroup, at_speed
from exo_lab.evaluate.realism.targets import LARGEST_SPEED_ERROR_MPS, SMALLEST_SHARE_WITHOUT_FALL
from exo_sim.measurement import Figure, share_interval
from exo_sim.world.walk import WalkResult

#: Stride figures by name and unit; the norm of some is in NormativeGait.
STEPS = (("step_length", "m"), ("cadence", "steps/min"), ("stance_percent", "%"), ("step_width", "m"))


def share_without_fall(groups: Sequence[SpeedGroup]) -> Figure:
    """Over all speeds."""
    return _share("walks_without_fall", [walk for group in groups for walk in group.walks])


def walking(group: SpeedGroup) -> list[Figure]:
    """Falls, speed along the direction of travel, steps and drift of the heading."""
    figures = [
        _share(at_speed("walks_without_fall", group.speed_mps), group.walks),
        group.figure("speed", [walk.speed for walk in group.walks], "m/s"),
        group.figure(
            "speed_error",
            [abs(walk.speed - group.speed_mps) for walk in group.walks],
            "m/s",
            at_most=LARGEST_SPEED_ERROR_MPS,
        ),
        group.figure("walked", [walk.walked_s for walk in group.walks], "s"),
    ]
    figures += [group.figure(name, [walk.scalar(name) for walk in group.walks], unit) for name, unit in STEPS]
    drift = [float(np.rad2deg(abs(walk.drift_rad))) for walk in group.walks]
    crab = [abs(_pelvis_rotation(group, walk)) for walk in group.walks]
    return [*figures, group.figure("drift_of_heading", drift, "deg"), group.figure("crab_angle", crab, "deg")]


def _pelvis_rotation(group: SpeedGroup, walk: WalkResult) -> float:
    """Mean angle (deg) between where the pelvis points and where the walk goes; people walk straight ahead."""
    return group.per_side(
        walk, "pelvis_rotation", lambda curve: float(curve.mean.mean()) * (1.0 if curve.side == "r" else -1.0)
    )


def _share(name: str, walks) -> Figure:
    share, interval = share_interval(sum(not walk.fell for walk in walks), len(walks))
    return Figure.against(name, share, "1", at_least=SMALLEST_SHARE_WITHOUT_FALL, interval=interval)
