# SPDX-License-Identifier: Apache-2.0
"""What a device does for a patient: cost, symmetry and torque by side, against the same device without power.

As in `exo evaluate exo`: the unit of an interval is the training where there are three or more, else the evaluation
seed; changes are paired by seed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from exo_lab.conditions import LEARNED, PERSONALISED, PRACTISED, UNPOWERED
from exo_lab.evaluate.exo.figures import LEAST_POLICIES, Walks, at
from exo_lab.evaluate.impaired.clinical import COST
from exo_lab.evaluate.impaired.measure import ASYMMETRIES, OTHER, asymmetry, cost_of_transport
from exo_lab.evaluate.impaired.patients import HEALTHY, Patient
from exo_sim.measurement import Figure, mean_interval
from exo_sim.world.walk import WalkResult, strides_key

#: By so much of the unpowered asymmetry assistance is to reduce it (%). The best published figure in simulation that is
#: known here is 28 % for the ankle: symmetry index 25.8 to 18.5 (Yuan, Androwis and Zhou, arXiv:2602.18862).
SMALLEST_REDUCTION = 30.0
#: An asymmetry below this (symmetry index, %) is what healthy people show too (Herzog et al. 1989, Med Sci Sports
#: Exerc 21:110, vertical force): there is nothing to reduce, and a share of it would mean nothing.
LEAST_ASYMMETRY = 4.0
#: Difference of torque between the legs of a healthy wearer (%); a patient's must exceed it.
LARGEST_DIFFERENCE = 5.0
#: A joint that gets less mean torque than this (Nm/kg) is not assisted: sides cannot be compared.
LEAST_TORQUE = 0.003
#: Kind of joint, and sign of the torque there, that weakness of a muscle group calls for; the first one is judged that
#: the policy can give. Without active dorsiflexion the leg of a drop foot can still be lifted at the hip.
CALLS_FOR = {
    "plantarflexors": (("ankle_angle", -1.0),),
    "dorsiflexors": (("ankle_angle", 1.0), ("hip_flexion", 1.0)),
    "hip_flexors": (("hip_flexion", 1.0),),
    "hip_extensors": (("hip_flexion", -1.0),),
}
ASSISTED = (LEARNED, PERSONALISED)
#: What is compared with the device unpowered: practice alone, and assistance.
COMPARED = (PRACTISED, *ASSISTED)


def torque_difference(walk: WalkResult, kind: str, side: str) -> float:
    """Mean absolute torque of the affected side over the other: 200 (a - o) / (a + o), percent; NaN without torque."""
    ours, theirs = (walk.torque.get(f"{kind}_{each}", math.nan) for each in (side, OTHER[side]))
    total = ours + theirs
    return 200.0 * (ours - theirs) / total if total > 2.0 * LEAST_TORQUE else math.nan


def called_for(patient: Patient, can_give: Sequence[tuple[str, float]]) -> str:
    """Kind of joint at which this patient's side should get more torque than the other; empty where unknown.

    Args:
        can_give: kinds of joint with the signs of torque that the policy can give there.
    """
    weak = {
        name[:-2]: strength
        for name, strength in patient.subject.strengths.items()
        if name.endswith(f"_{patient.side}") and name[:-2] in CALLS_FOR and strength < 1.0
    }
    both = {
        name[:-2]
        for name, strength in patient.subject.strengths.items()
        if name.endswith(f"_{OTHER[patient.side]}") and strength < 1.0
    }
    weak = {group: strength for group, strength in weak.items() if group not in both}
    for group in sorted(weak, key=weak.get):
        for kind, sign in CALLS_FOR[group]:
            if (kind, sign) in can_give:
                return kind
    return ""


def assistance_figures(
    results: Sequence[WalkResult], patients: Sequence[Patient], can_give: Sequence[tuple[str, float]], speed: float
) -> list[Figure]:
    """All figures of walks in a device at one speed.

    Args:
        patients: with their healthy selves, in the order of the figures.
        can_give: kinds of joint with the signs of torque that the policy can give there.
    """
    walks, figures = Walks(results), []
    for patient in patients:
        for worn in (UNPOWERED, *COMPARED):
            if walks.all(strides_key(patient.name, worn), speed):
                figures += _of_condition(walks, patient, worn, speed)
        for worn in COMPARED:
            key = strides_key(patient.name, worn)
            if not walks.all(key, speed):
                continue
            figures += _changes(walks, patient, worn, speed)
            if worn in ASSISTED:
                figures += _torques(walks, patient, worn, called_for(patient, can_give), speed)
    return figures


def _of_condition(walks: Walks, patient: Patient, worn: str, speed: float) -> list[Figure]:
    key = strides_key(patient.name, worn)
    own = walks.all(key, speed)
    falls = sum(walk.fell for walk in own)
    figures = [
        Figure(at("walks", key, speed), len(own), "1"),
        Figure(at("falls", key, speed), falls, "1")
        if worn not in ASSISTED
        else Figure.against(at("falls", key, speed), falls, "1", at_most=0),
        Figure.against(at("device_faults", key, speed), sum(bool(w.faults) for w in own), "1", at_most=0),
        walks.figure(at("speed", key, speed), "m/s", key, speed, lambda w: w.scalar("speed")),
        walks.figure(
            at("metabolic_power", key, speed), "W/kg", key, speed, lambda w: w.scalar("metabolic_power_per_mass")
        ),
        walks.figure(at(COST, key, speed), "J/kg/m", key, speed, cost_of_transport),
    ]
    return figures + [
        walks.figure(at(f"asymmetry_{name}", key, speed), "%", key, speed, lambda w, n=name: asymmetry(w, n))
        for name in ASYMMETRIES
    ]


def _changes(walks: Walks, patient: Patient, worn: str, speed: float) -> list[Figure]:
    key, baseline = strides_key(patient.name, worn), strides_key(patient.name, UNPOWERED)
    if not walks.all(baseline, speed):
        return []
    aim = {"at_most": 0.0} if worn in ASSISTED else {}
    figures = [_cost_change(walks, at(f"{COST}_change", key, speed), key, baseline, speed, aim)]
    practised = strides_key(patient.name, PRACTISED)
    if worn == PERSONALISED and walks.all(practised, speed):
        figures.append(_cost_change(walks, at(f"{COST}_change_from_practised", key, speed), key, practised, speed, aim))
    for name in ASYMMETRIES:
        before = walks.figure("before", "%", baseline, speed, lambda w, n=name: asymmetry(w, n)).value
        judged = worn in ASSISTED and not patient.name.startswith(HEALTHY) and before >= LEAST_ASYMMETRY
        figures.append(
            _reduction(walks, name, key, baseline, speed, {"at_least": SMALLEST_REDUCTION} if judged else {})
        )
    return figures


def _cost_change(walks: Walks, name: str, key: str, baseline: str, speed: float, aim: dict[str, float]) -> Figure:
    return walks.change(
        name, "%", key, baseline, speed, lambda a, b: 100.0 * (cost_of_transport(a) / cost_of_transport(b) - 1.0), **aim
    )


def _reduction(walks: Walks, name: str, key: str, baseline: str, speed: float, target: dict[str, float]) -> Figure:
    """Reduction of an asymmetry relative to the mean unpowered one (%). One walk's own share would mean little: it is
    of a small number where a walk happens to be even."""
    after, before = walks.by_policy(key, speed), walks.by_policy(baseline, speed)
    samples, left_out = [], 0
    for policy, seeds in after.items():
        partners = before.get(policy) or before.get("") or {}
        pairs = [
            (asymmetry(partners[seed], name), asymmetry(walk, name)) for seed, walk in seeds.items() if seed in partners
        ]
        count = len(pairs)
        pairs = [pair for pair in pairs if all(map(math.isfinite, pair))]
        left_out += count - len(pairs)
        mean = float(np.mean([b for b, _ in pairs])) if pairs else 0.0
        if mean > 0.0:
            samples.append([100.0 * (b - a) / mean for b, a in pairs])
    means = [float(np.mean(sample)) for sample in samples]
    pooled = means if len(means) >= LEAST_POLICIES else [value for sample in samples for value in sample]
    value = float(np.mean(means)) if means else math.nan
    interval = mean_interval(pooled)[1] if len(pooled) > 1 else None
    label = at(f"asymmetry_{name}_reduction", key, speed)
    return Figure.judged(label, value, "%", interval=interval, left_out=left_out, **target)


def _torques(walks: Walks, patient: Patient, worn: str, called: str, speed: float) -> list[Figure]:
    key = strides_key(patient.name, worn)
    joints = sorted({joint for walk in walks.all(key, speed) for joint in walk.torque})
    figures = [
        walks.figure(
            at(f"torque_{joint}", key, speed), "Nm/kg", key, speed, lambda w, j=joint: w.torque.get(j, math.nan)
        )
        for joint in joints
    ]
    figures += [
        walks.figure(at(f"power_{joint}", key, speed), "W/kg", key, speed, lambda w, j=joint: w.power.get(j, math.nan))
        for joint in joints
    ]
    for kind in sorted({joint[:-2] for joint in joints}):
        if not {f"{kind}_r", f"{kind}_l"} <= set(joints):
            continue
        name = at(f"torque_difference_{kind}", key, speed)
        if patient.name.startswith(HEALTHY):
            # of each walk without its sign: walks that favour one leg or the other must not cancel out
            figures.append(
                walks.figure(
                    name,
                    "%",
                    key,
                    speed,
                    lambda w, k=kind: abs(torque_difference(w, k, "r")),
                    at_most=LARGEST_DIFFERENCE,
                )
            )
        else:
            target = {"at_least": LARGEST_DIFFERENCE} if kind == called else {}
            figures.append(
                walks.figure(name, "%", key, speed, lambda w, k=kind: torque_difference(w, k, patient.side), **target)
            )
    return figures
