# SPDX-License-Identifier: Apache-2.0
"""The human policy's contract as a checkpoint's manifest states it."""

from __future__ import annotations

import numpy as np

from exo_policy.manifest import ActionTerms, Contract, ObservationTerm
from exo_sim.gait.reference import JOINTS
from exo_sim.human.observation import ACTION_CLIP, ACTION_SCALE_RAD, HUMAN_TERMS, POLICY_RATE_HZ

HUMAN_CONTRACT = Contract(
    observation=tuple(ObservationTerm(name=t.name, size=t.size, scale=t.scale, unit=t.unit) for t in HUMAN_TERMS),
    action=ActionTerms(
        names=JOINTS,
        scale=tuple(float(s) for s in np.tile(ACTION_SCALE_RAD, 2)),
        unit="rad",
        minimum=(-ACTION_CLIP,) * len(JOINTS),
        maximum=(ACTION_CLIP,) * len(JOINTS),
    ),
    rate_hz=POLICY_RATE_HZ,
)
