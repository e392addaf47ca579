# SPDX-License-Identifier: Apache-2.0
"""A made-up evaluation of an exoskeleton policy: every walk is a formula, so that reports need no simulation."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from exo_device.devices import find_device
from exo_lab.conditions import CONDITIONS, LEARNED, NO_DEVICE, SPLINE, UNPOWERED
from exo_lab.evaluate import population
from exo_lab.evaluate.command import CURVES_FILE, SUMMARY_FILE, write_curves
from exo_lab.evaluate.exo import COMMAND
from exo_lab.evaluate.exo_measures import exo_figures
from exo_policy.profiles import ANKLE_GENERIC, HIP
from exo_sim.body.subject import Subject
from exo_sim.gait.sample import GaitSample
from exo_sim.gait.strides import StrideRecorder
from exo_sim.measurement import Figure, write_summary
from exo_sim.world.meters import MotorMeter
from exo_sim.world.walk import WalkResult, WalkTask

MASS, WEIGHT = 75.0, 75.0 * 9.80665
STRIDE_S, DT_S, STRIDES = 1.1, 0.01, 5
COST = {NO_DEVICE: 6.6, UNPOWERED: 7.0, SPLINE: 6.2, LEARNED: 5.6}
JOINTS = ("hip_flexion_r", "ankle_angle_r", "hip_flexion_l", "ankle_angle_l")
MUSCLES = ("soleus", "gasmed", "tibant", "vaslat", "recfem", "bflh", "glmax2", "psoas")


def torque(joint: str, phase: float, late: float) -> float:
    """Made-up assistance, Nm: the published profile, late by a share of the stride."""
    kind, side = joint.rsplit("_", 1)
    own = phase + (0.5 if side == "l" else 0.0) - late
    return MASS * (0.2 * float(HIP(own)) if kind == "hip_flexion" else -0.35 * float(ANKLE_GENERIC(own)))


def made_up_walk(condition: str, policy: str, speed: float, seed: int, fell: bool = False) -> WalkResult:
    """One walk of five strides; assistance is late by 2 % of the stride, and by more for a later seed."""
    device = "none" if condition == NO_DEVICE else "hip_ankle"
    task = WalkTask(condition, Subject(), speed, seed, 60.0, device=device, policy=policy)
    recorder = StrideRecorder(MASS)
    recorder.begin(condition, speed)
    kind = condition.split(":")[0]
    worn = JOINTS if kind != NO_DEVICE else ()
    meter = MotorMeter(worn, np.array([22.5, 37.5] * 2)[: len(worn)], MASS, DT_S)
    cost = COST[kind] * (0.7 + 0.24 * speed) + 0.02 * (seed % 7)
    assisted, late = kind in (SPLINE, LEARNED), 0.0 if kind == SPLINE else 0.02 + 0.002 * (seed % 3)
    for k in range(round(STRIDE_S * (STRIDES + 1) / DT_S)):
        phase = (k * DT_S / STRIDE_S) % 1.0
        grf = {
            s: np.array([0.0, 0.0, WEIGHT * max(0.0, np.sin(np.pi * p / 0.6)) if p < 0.6 else 0.0])
            for s, p in (("r", phase), ("l", (phase + 0.5) % 1.0))
        }
        angle = {
            f"{j}_{s}": 0.3 * np.sin(2 * np.pi * (phase + shift + 0.5 * (s == "l")))
            for j, shift in (("hip_flexion", 0.25), ("knee_angle", 0.0), ("ankle_angle", 0.4))
            for s in "rl"
        }
        rate = {j: 0.3 * 2 * np.pi / STRIDE_S * np.cos(2 * np.pi * phase) for j in angle}
        given = {j: torque(j, phase, late) if assisted else 0.0 for j in worn}
        level = 0.7 if assisted else 1.0
        activation = {
            f"{m}_{s}": level * (0.05 + 0.4 * max(0.0, np.sin(2 * np.pi * (phase + 0.1 * i + 0.5 * (s == "l")))))
            for i, m in enumerate(MUSCLES)
            for s in "rl"
        }
        recorder.feed(
            GaitSample(
                t=k * DT_S,
                grf=grf,
                foot_position={s: np.array([speed * k * DT_S, 0.0, 0.0]) for s in "rl"},
                joint_angle=angle,
                joint_velocity=rate,
                joint_moment=dict.fromkeys(angle, 0.0),
                exo_torque=given,
                activation=activation,
                metabolic_power=cost * MASS,
                metabolic_power_umberger=0.9 * cost * MASS,
            )
        )
        meter.add(np.array(list(given.values())), np.array([rate[j] for j in worn]))
    groups = {"plantarflexors": 0.3 * cost, "hip_flexors": 0.2 * cost, "knee_extensors": 0.15 * COST[NO_DEVICE]}
    return WalkResult(task, 60.0, fell, "", recorder, 0.9, resting_w_kg=1.4, group_power=groups, motors=meter.motors())


def made_up_results(policies=("a", "b", "c"), speeds=(1.0, 1.25), seeds=(200, 201)) -> list[WalkResult]:
    """All four conditions and one with a longer delay."""
    results = []
    for condition in (*CONDITIONS, f"{LEARNED}:delay 50 ms"):
        for policy in policies if condition.startswith(LEARNED) else ("",):
            results += [made_up_walk(condition, policy, speed, seed) for speed in speeds for seed in seeds]
    return results


def write_evaluation(folder: Path, checkpoint: str, results: list[WalkResult]) -> None:
    """summary.json and curves.csv as `exo evaluate exo` writes them."""
    write_curves(folder / CURVES_FILE, results)
    speeds = sorted({result.task.speed_mps for result in results})
    policies = [
        {
            "label": label,
            "checkpoint": checkpoint,
            "humans": {},
            "sha256": "0" * 64,
            "samples": 3000000,
            "training_seed": 1,
            "git_revision": "unknown",
        }
        for label in ("a", "b", "c")
    ]
    crowd = [
        Figure(population.falls_name(condition), 0.1, "1/min", interval=(0.0, 0.7))
        for condition in population.CONDITIONS
    ]
    write_summary(
        folder / SUMMARY_FILE,
        exo_figures(results) + crowd,
        {
            "speeds": speeds,
            "seeds": 2,
            "duration": 60.0,
            "device": "hip_ankle",
            "seed": 200,
            "policies": policies,
            "device_description": find_device("hip_ankle"),
            "same_human": False,
            "delay_ms": [50.0],
            "population": 8.0,
        },
        200,
        {"command": COMMAND},
    )
