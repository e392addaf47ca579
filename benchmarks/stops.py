# SPDX-License-Identifier: Apache-2.0
"""How often the walker falls in coming to a stop, by speed: python -m benchmarks.stops

What a stop ends in depends on where in the stride it is asked for, so it is asked for at phases all over it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import numpy as np

from exo_device.devices import find_device
from exo_sim.body.model import build_body
from exo_sim.body.subject import Subject
from exo_sim.errors import SimError
from exo_sim.human.checkpoint import load_human
from exo_sim.human.control import GoalControl
from exo_sim.human.observation import POLICY_RATE_HZ
from exo_sim.human.walkers import Walkers
from exo_sim.world.crowd import walk_together

SPEEDS_MPS, PHASES = (0.6, 0.8, 1.0, 1.25), 16
#: Walking before a stop is asked for, and watching from then on (s).
WALKING_S, WATCHING_S = 4.0, 9.5
PHYSICS_RATE_HZ = 300.0


def stop(device: str, speeds_mps: Sequence[float], phases: int) -> tuple[np.ndarray, np.ndarray]:
    """Unscaled bodies in a device without power walk, and are asked to stop.

    Args:
        device: worn, by name or file, or "none".
        speeds_mps: walked before (m/s), S of them.
        phases: P, at each speed; evenly over the stride.

    Returns:
        Who did not fall (S, P), and how fast each moves at the end (S, P) in m/s.
    """
    walked = np.repeat(np.asarray(speeds_mps, dtype=float), phases)
    body = build_body(Subject(), find_device(device), PHYSICS_RATE_HZ, accelerometer=False)
    walkers, policy = Walkers([body] * len(walked)), load_human()
    for i, speed in enumerate(walked):
        walkers.place(i, i % phases / phases, speed)

    def commanded(step: int) -> np.ndarray:
        return walked if step < WALKING_S * POLICY_RATE_HZ else np.zeros_like(walked)

    steps = round((WALKING_S + WATCHING_S) * POLICY_RATE_HZ)
    for period in walk_together(walkers, GoalControl(walkers, policy), steps, commanded):
        upright, velocity = period.upright, period.state.velocity
        walked[~upright] = 0.0
    speed = np.linalg.norm(velocity[:, :2], axis=1)
    return upright.reshape(-1, phases), speed.reshape(-1, phases)


def main(argv: list[str] | None = None) -> int:
    """Prints falls by speed; returns the exit code."""
    parser = argparse.ArgumentParser(prog="stops", description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="none", help="worn without power: name or file (default: %(default)s)")
    options = parser.parse_args(argv)
    try:
        upright, _ = stop(options.device, SPEEDS_MPS, PHASES)
    except (SimError, ValueError, OSError) as error:
        print(f"stops: {error}", file=sys.stderr)
        return 2
    for speed, row in zip(SPEEDS_MPS, upright, strict=True):
        print(f"from {speed:g} m/s: falls in {(~row).sum()} of {row.size}")
    print(f"in all {(~upright).sum()} of {upright.size}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
