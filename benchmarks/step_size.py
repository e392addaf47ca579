# SPDX-License-Identifier: Apache-2.0
"""What the physics' step size changes in the gait: python -m benchmarks.step_size

The same walker walks with the same seeds at several physics rates. Every figure is told as its difference from the
finest rate; how far two seeds lie apart at that rate tells what difference means nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from exo_core.joints import SIDES
from exo_lab.pool import run_all
from exo_policy.checkpoint import CheckpointError
from exo_sim.body.subject import Subject
from exo_sim.errors import SimError
from exo_sim.world.meters import FORCES
from exo_sim.world.walk import SETTLE_S, WalkResult, WalkTask, walk

#: Training, judging and the finest rate (Hz); all must be multiples of the coordination rate.
RATES_HZ = (300.0, 500.0, 1000.0)
ANGLES = ("hip_flexion", "knee_flexion", "ankle_dorsiflexion")


@dataclass(frozen=True)
class GaitFigures:
    """Of the walks at one physics rate, means over seeds and both legs.

    Attributes:
        falls: of how many walks it was one.
        speed: m/s.
        angles: (3, 101) degrees over the stride: hip, knee, ankle.
        force_peak: vertical, highest of each stride, body weights.
        metabolic_power: gross, Bhargava 2004, W/kg.
        seed_spread: (3,) degrees, RMS difference of the angles of single seeds from their mean.
    """

    walks: int
    falls: int
    speed: float
    angles: np.ndarray
    force_peak: float
    metabolic_power: float
    seed_spread: np.ndarray


def gait_figures(walks: Sequence[WalkResult]) -> GaitFigures:
    """Figures of walks at one rate; not a number where no walk lasted long enough to be measured."""
    measured = [result for result in walks if result.strides()]
    falls = sum(result.fell for result in walks)
    if not measured:
        nothing = float("nan")
        return GaitFigures(
            len(walks),
            falls,
            nothing,
            np.full((len(ANGLES), 1), nothing),
            nothing,
            nothing,
            np.full(len(ANGLES), nothing),
        )
    each = np.array(
        [
            [
                np.mean([result.curves.get(result.task.key, angle, side).mean for side in SIDES], axis=0)
                for angle in ANGLES
            ]
            for result in measured
        ]
    )
    mean = each.mean(axis=0)
    return GaitFigures(
        len(walks),
        falls,
        float(np.mean([result.speed for result in measured])),
        mean,
        float(np.mean([np.mean(result.force_peaks_bw) for result in measured])),
        float(np.mean([result.scalar("metabolic_power_per_mass") for result in measured])),
        np.sqrt(((each - mean) ** 2).mean(axis=(0, 2))),
    )


def compare(
    human: str | None, rates_hz: Sequence[float], seeds: int, duration_s: float, speed_mps: float, workers: int
) -> dict[float, GaitFigures]:
    """Figures by physics rate (Hz)."""
    tasks = [
        WalkTask("walking", Subject(), speed_mps, seed, duration_s, human=human, physics_rate_hz=rate, meters=(FORCES,))
        for rate in rates_hz
        for seed in range(1, seeds + 1)
    ]
    results = run_all(walk, tasks, workers, "walking", show=sys.stderr.isatty())
    return {
        rate: gait_figures([result for result in results if result.task.physics_rate_hz == rate]) for rate in rates_hz
    }


def table(figures: dict[float, GaitFigures]) -> list[str]:
    """Lines of a Markdown table, finest rate last."""
    finest = figures[max(figures)]
    lines = [
        "| physics (Hz) | falls | speed (m/s) | hip, knee, ankle: RMS from the finest (degrees) | "
        "highest vertical force (BW) | metabolic power (W/kg) |",
        "|---|---|---|---|---|---|",
    ]
    for rate in sorted(figures):
        at = figures[rate]
        apart = np.sqrt(((at.angles - finest.angles) ** 2).mean(axis=1))
        angles = (
            "seeds spread by " + ", ".join(f"{x:.2f}" for x in at.seed_spread)
            if at is finest
            else ", ".join(f"{x:.2f}" for x in apart)
        )
        lines.append(
            f"| {rate:g} | {at.falls} of {at.walks} | {at.speed:.3f} ({at.speed - finest.speed:+.3f}) | "
            f"{angles} | {at.force_peak:.3f} ({at.force_peak - finest.force_peak:+.3f}) | "
            f"{at.metabolic_power:.3f} ({100 * (at.metabolic_power / finest.metabolic_power - 1):+.1f} %) |"
        )
    return lines


def main(argv: list[str] | None = None) -> int:
    """Prints the table; returns the exit code."""
    parser = argparse.ArgumentParser(prog="step_size", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--rates", type=float, nargs="+", default=RATES_HZ, metavar="HZ", help="physics rates (default: %(default)s)"
    )
    parser.add_argument("--seeds", type=int, default=4, help="walks per rate (default: %(default)s)")
    parser.add_argument("--duration", type=float, default=20.0, help="of a walk (s, default: %(default)s)")
    parser.add_argument("--speed", type=float, default=1.25, help="m/s (default: %(default)s)")
    parser.add_argument("--human", help="checkpoint of the walker (default: the one that comes with the project)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    options = parser.parse_args(argv)
    if options.duration <= SETTLE_S:
        parser.error(f"--duration must be longer than the {SETTLE_S:g} s in which a walk settles")
    try:
        figures = compare(options.human, options.rates, options.seeds, options.duration, options.speed, options.workers)
    except (SimError, CheckpointError, OSError) as error:
        print(f"step_size: {error}", file=sys.stderr)
        return 2
    print("\n".join(table(figures)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
