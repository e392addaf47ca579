# SPDX-License-Identifier: Apache-2.0
"""A short walk after each stage, the same for all: did it leave a person who walks, and at what cost?"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from exo_device.description import DeviceDescription
from exo_sim.body.subject import Subject
from exo_sim.plant.offline import NO_CONTROLLER, OfflineLoop
from exo_sim.plant.simulation import SPEED_RANGE_MPS, Simulation

SPEED_MPS = 1.25
DURATION_S, SETTLE_S = 15.0, 5.0
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
    controller = NO_CONTROLLER if device is None else "zero" if checkpoint is None else "learned"
    params = {} if checkpoint is None else {"checkpoint": str(checkpoint)}
    falls, power, umberger, speed = 0, [], [], []
    asked = SPEED_MPS if wearer is None else wearer.preferred_speed_mps
    for walk in range(WALKS):
        simulation = Simulation(
            wearer or Subject(),
            device,
            human=str(human),
            speed_mps=asked,
            seed=seed + walk,
            speed_range_mps=(min(asked, SPEED_RANGE_MPS[0]), max(asked, SPEED_RANGE_MPS[1])),
        )
        loop = OfflineLoop(simulation, controller, **params)
        while simulation.t < DURATION_S and not simulation.falls:
            sample = loop.step()
            if simulation.t >= SETTLE_S:
                power.append(sample.metabolic_power / simulation.body.body_mass)
                umberger.append(sample.metabolic_power_umberger / simulation.body.body_mass)
                speed.append(sample.speed)
        falls += simulation.falls

    def mean(values: list[float]) -> float:
        return float(np.mean(values)) if values else float("nan")

    return {
        "falls": falls,
        "metabolic_w_kg": mean(power),
        "metabolic_umberger_w_kg": mean(umberger),
        "speed_mps": mean(speed),
    }
