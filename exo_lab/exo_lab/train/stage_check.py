# SPDX-License-Identifier: Apache-2.0
"""A short walk after each stage, the same for all: did it leave a person who walks, and at what cost?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from exo_device.description import DeviceDescription
from exo_device.devices import NO_DEVICE
from exo_sim.body.subject import Subject
from exo_sim.plant.offline import NO_CONTROLLER
from exo_sim.plant.simulation import SPEED_RANGE_MPS
from exo_sim.world.meters import MEANS
from exo_sim.world.walk import SETTLE_IN_DEVICE_S, WalkTask, walk

SPEED_MPS = 1.25
DURATION_S, SETTLE_S = 17.0, SETTLE_IN_DEVICE_S
#: Walking is checked by this many walks from different phases of the stride.
WALKS = 2


def check_walk(
    device: DeviceDescription | None, human: Path, checkpoint: Path | None, seed: int, wearer: Subject | None = None
) -> dict[str, float]:
    """Walks offline with the device (unpowered without a checkpoint) or without any.

    The wearer walks at the own preferred speed; without one it is the unscaled body at 1.25 m/s.

    Returns:
        falls, and the means of metabolic power (W/kg, Bhargava 2004 and Umberger 2010) and speed (m/s) after settling.
    """
    asked = SPEED_MPS if wearer is None else wearer.preferred_speed_mps
    task = WalkTask(
        "check",
        wearer or Subject(),
        asked,
        seed,
        DURATION_S,
        device=device or NO_DEVICE,
        controller=NO_CONTROLLER if device is None else "zero" if checkpoint is None else "learned",
        checkpoint="" if checkpoint is None else str(checkpoint),
        human=str(human),
        speed_range_mps=(min(asked, SPEED_RANGE_MPS[0]), max(asked, SPEED_RANGE_MPS[1])),
        settle_s=SETTLE_S,
        meters=(MEANS,),
    )
    walks = [walk(replace(task, seed=seed + i)) for i in range(WALKS)]
    means = {}
    for name in walks[0].means:
        known = [one.means[name] for one in walks if np.isfinite(one.means[name])]
        means[name] = float(np.mean(known)) if known else float("nan")
    return {"falls": sum(one.fell for one in walks), **means}
