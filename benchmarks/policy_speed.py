# SPDX-License-Identifier: Apache-2.0
"""How long a controller takes to answer, on one core: python -m benchmarks.policy_speed

One answer is what policy_node computes for each pair of exo/joint_states and exo/imu: observation, network, low-pass,
torque. Messages are not part of it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from exo_policy.checkpoint import CheckpointError
from exo_policy.controllers import ControllerError, make_controller
from exo_policy.observation import DEFAULT_RATE_HZ, DeviceObservation

DEFAULT_JOINTS = ("hip_flexion_r", "ankle_angle_r", "hip_flexion_l", "ankle_angle_l")
#: Answers before the clock starts: caches, and what is imported at first use.
WARM_UP = 200
TARGET_P99_S = 1e-3
#: Size of the made-up signals: angles and rates of walking.
ANGLE_RAD, RATE_RAD_S, TURN_RAD_S, GRAVITY_M_S2 = 0.3, 2.0, 0.5, 9.81


def answer_times(controller, joints: tuple[str, ...], answers: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Wall and processor time (answers,) in s of each answer to made-up samples at the contract's rate.

    On a busy machine the wall time holds waiting for a core; the processor time is what the answer itself takes.
    """
    random, times = np.random.default_rng(seed), np.empty((2, answers + WARM_UP))
    for i in range(answers + WARM_UP):
        sample = DeviceObservation(
            i / DEFAULT_RATE_HZ,
            joints,
            ANGLE_RAD * random.standard_normal(len(joints)),
            RATE_RAD_S * random.standard_normal(len(joints)),
            np.zeros(len(joints)),
            np.array([0.0, 0.0, 0.0, 1.0]),
            TURN_RAD_S * random.standard_normal(3),
            np.array([0.0, 0.0, GRAVITY_M_S2]),
        )
        began = time.perf_counter(), time.thread_time()
        controller.update(sample)
        times[:, i] = time.perf_counter() - began[0], time.thread_time() - began[1]
    return times[0, WARM_UP:], times[1, WARM_UP:]


@contextmanager
def _one_core() -> Iterator[None]:
    """Keeps this process on one core, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def main(argv: list[str] | None = None) -> int:
    """Prints median, p99 and longest answer; exit code 1 under --strict if p99 is 1 ms or more."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.policy_speed", description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default=None, help="of the learned controller (default: the shipped one)")
    parser.add_argument("--controller", default="learned", help="(default: %(default)s)")
    parser.add_argument("--joints", nargs="+", default=list(DEFAULT_JOINTS), help="of the device")
    parser.add_argument("--answers", type=int, default=20000, help="(default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="one line of JSON instead of words")
    parser.add_argument("--strict", action="store_true", help="exit 1 when p99 misses its target of 1 ms")
    options = parser.parse_args(argv)
    joints = tuple(options.joints)
    params = {"checkpoint": options.checkpoint} if options.checkpoint else {}
    try:
        if options.answers < 100:
            raise ControllerError(f"--answers must be at least 100 for a p99, got {options.answers}")
        controller = make_controller(
            options.controller, joint_names=joints, wearer_mass=75.0, torque_limit=[30.0] * len(joints), **params
        )
    except (CheckpointError, ControllerError, ValueError) as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return 2
    with _one_core():
        times, processor = answer_times(controller, joints, options.answers)
    figures = {
        "median_s": float(np.median(times)),
        "p99_s": float(np.quantile(times, 0.99)),
        "longest_s": float(times.max()),
        "processor_p99_s": float(np.quantile(processor, 0.99)),
        "answers": len(times),
        "controller": options.controller,
    }
    if options.json:
        print(json.dumps(figures))
    else:
        print(
            f"{options.controller}: median {1e6 * figures['median_s']:.0f} us, p99 {1e6 * figures['p99_s']:.0f} us, "
            f"longest {1e6 * figures['longest_s']:.0f} us of {len(times)} answers on one core; "
            f"processor time p99 {1e6 * figures['processor_p99_s']:.0f} us"
        )
    return 1 if options.strict and figures["p99_s"] >= TARGET_P99_S else 0


if __name__ == "__main__":
    sys.exit(main())
