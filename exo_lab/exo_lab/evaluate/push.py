# SPDX-License-Identifier: Apache-2.0
"""One push at the pelvis while walking, from a side, at a random instant of the stride: does the walker recover?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exo_lab.evaluate.walk import SETTLE_S, heading
from exo_sim.body.subject import load_subject
from exo_sim.gait.normative import NormativeGait
from exo_sim.gait.strides import StrideRecorder
from exo_sim.plant.offline import OfflineLoop
from exo_sim.plant.simulation import SPEED_RANGE_MPS, Simulation

#: Where a push comes from, as the direction it pushes in: forward and left of the walker's heading.
PUSH_DIRECTIONS = {"behind": (1.0, 0.0), "front": (-1.0, 0.0), "left": (0.0, -1.0), "right": (0.0, 1.0)}
#: Force (N) and duration (s) of a push.
PUSH_N, PUSH_S = 50.0, 0.2
#: Who walks this long (s) after a push without a fall has recovered; falls come within two or three strides.
WATCHED_S = 8.0


@dataclass(frozen=True)
class PushTask:
    """Everything that decides a trial; picklable. `origin` is a key of PUSH_DIRECTIONS."""

    origin: str
    seed: int
    speed_mps: float
    subject: str
    human: str | None
    physics_rate_hz: float
    speed_range_mps: tuple[float, float] = SPEED_RANGE_MPS
    force_n: float = PUSH_N


@dataclass(frozen=True)
class PushResult:
    """What came of a push.

    Attributes:
        recovered: walked on without a fall until the end; False as well for a fall before the push.
        phase: fraction of the right leg's stride at which the push began; NaN where no stride was seen.
        fell_after_s: from the push's begin to the fall (s); NaN without one.
    """

    task: PushTask
    recovered: bool
    phase: float
    fell_after_s: float


def push(task: PushTask) -> PushResult:
    """Walks, is pushed once and walks on.

    Raises:
        SimError, CheckpointError: as their parts do.
    """
    simulation = Simulation(
        load_subject(task.subject),
        None,
        human=task.human,
        speed_mps=task.speed_mps,
        physics_rate_hz=task.physics_rate_hz,
        seed=task.seed,
        speed_range_mps=task.speed_range_mps,
    )
    loop, recorder = OfflineLoop(simulation), StrideRecorder(simulation.body.body_mass)
    random = np.random.default_rng([task.seed, list(PUSH_DIRECTIONS).index(task.origin)])
    stride_time = NormativeGait(task.speed_mps, simulation.body.leg_length_m).stride_time_s
    begin = SETTLE_S + random.random() * stride_time
    phase, pushed = float("nan"), False
    while simulation.t < begin + PUSH_S + WATCHED_S:
        sample = loop.step()
        if sample.fallen:
            return PushResult(task, False, phase, simulation.t - begin)
        recorder.feed(sample.gait_sample())
        if not pushed and simulation.t >= begin:
            pushed, phase = True, recorder.phase("r")
            simulation.push(task.force_n * _direction(task.origin, heading(sample.root_orientation_xyzw)))
        elif simulation.t >= begin + PUSH_S:
            simulation.push(np.zeros(3))
    return PushResult(task, True, phase, float("nan"))


def _direction(origin: str, yaw: float) -> np.ndarray:
    """Unit vector (3,), world, of a push from a side of a walker who heads along yaw (rad)."""
    forward, left = PUSH_DIRECTIONS[origin]
    cos, sin = np.cos(yaw), np.sin(yaw)
    return np.array([forward * cos - left * sin, forward * sin + left * cos, 0.0])
