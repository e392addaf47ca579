# SPDX-License-Identifier: Apache-2.0
"""How fast the simulator is, alone and on an otherwise idle machine: python -m benchmarks.simulation_speed

The baseline of every ratio is real time: a factor of 5 simulates five seconds a second. With --training, the
training environment and its learner instead.
"""

from __future__ import annotations

import argparse
import statistics
import time

from exo_device.devices import find_device
from exo_sim.body.subject import Subject
from exo_sim.plant.gait_measurement import GaitMeasurement
from exo_sim.plant.offline import NO_CONTROLLER, OfflineLoop
from exo_sim.plant.simulation import Simulation

#: Simulated before the clock starts (s): caches, and what is compiled at first use.
WARM_UP_S = 2.0


def real_time_factor(controller: str, measured: bool, duration_s: float) -> float:
    """Simulated over wall time of one walk, with the gait measured or not."""
    simulation = Simulation(Subject(), find_device("hip_ankle"), speed_mps=1.25, seed=1)
    loop = OfflineLoop(simulation, controller)
    measurement = GaitMeasurement(simulation.body.body_mass, simulation.period_s)
    began = None
    while simulation.t < WARM_UP_S + duration_s:
        if began is None and simulation.t >= WARM_UP_S:
            began = time.perf_counter()
        sample = loop.step()
        if measured:
            measurement.feed(sample)
    return duration_s / (time.perf_counter() - began)


def main(argv: list[str] | None = None) -> int:
    """Prints median and range of the real-time factor of each variant."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="walks per variant (default: %(default)s)")
    parser.add_argument("--duration", type=float, default=5.0, help="of a walk (s, default: %(default)s)")
    parser.add_argument(
        "--training",
        type=int,
        nargs="?",
        const=12,
        metavar="ITERATIONS",
        help="instead, the human's training: steps a second with learning, and a profile",
    )
    options = parser.parse_args(argv)
    if options.training:
        from benchmarks.training_speed import report  # sets how torch's threads wait

        print("\n".join(report(options.training)))
        return 0
    for label, controller, measured in (
        ("physics at 500 Hz, muscles, metabolics", NO_CONTROLLER, False),
        ("... and gait measurement", NO_CONTROLLER, True),
        ("... and spline controller and supervisor", "spline", True),
    ):
        factors = [real_time_factor(controller, measured, options.duration) for _ in range(options.runs)]
        print(
            f"{label:<44} {statistics.median(factors):5.2f} times real time ({min(factors):.2f} to {max(factors):.2f})"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
