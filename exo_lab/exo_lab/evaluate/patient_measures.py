# SPDX-License-Identifier: Apache-2.0
"""How evenly and how dearly somebody walks, and what a device changes of it against the same device without power."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from exo_lab.conditions import LEARNED, PERSONALISED, PRACTISED, UNPOWERED
from exo_lab.evaluate.deficits import OTHER_SIDE
from exo_lab.evaluate.figures import POWER, Measure, Walks, at, cost_of_transport, mean, scalar, total
from exo_lab.evaluate.patients import HEALTHY, Patient
from exo_sim.gait.stride_metrics import symmetry_index
from exo_sim.measurement import Figure
from exo_sim.world.walk import WalkResult, strides_key

COST = "cost_of_transport"
#: Asymmetries that assistance is to reduce, by the stride figure that they are of.
ASYMMETRIES = {"step_length": "step_length", "stance_time": "stance_time", "ankle_range": "ankle_angle_range"}
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


def asymmetry(walk: WalkResult, name: str) -> float:
    """Symmetry index 200 |r - l| / (r + l) of the means of a walk, percent; one of ASYMMETRIES."""
    return symmetry_index(*(walk.scalar(ASYMMETRIES[name], side) for side in "rl"))


def torque_difference(walk: WalkResult, kind: str, side: str) -> float:
    """Mean absolute torque of the affected side over the other: 200 (a - o) / (a + o), percent; NaN without torque."""
    ours, theirs = (walk.torque.get(f"{kind}_{each}", math.nan) for each in (side, OTHER_SIDE[side]))
    both = ours + theirs
    return 200.0 * (ours - theirs) / both if both > 2.0 * LEAST_TORQUE else math.nan


WALKS = Measure("walks", "1", lambda walk: 1.0, over=total)
FALLS = Measure("falls", "1", lambda walk: walk.fell, over=total)
#: How fast, dearly and evenly somebody walks.
WALKING: tuple[Measure, ...] = (
    Measure("speed", "m/s", scalar("speed")),
    Measure(COST, "J/kg/m", cost_of_transport),
    *(Measure(f"asymmetry_{name}", "%", lambda walk, n=name: asymmetry(walk, n)) for name in ASYMMETRIES),
)


def called_for(patient: Patient, can_give: Sequence[tuple[str, float]]) -> str:
    """Kind of joint at which this patient's side should get more torque than the other; empty where unknown.

    Args:
        can_give: kinds of joint with the signs of torque that the policy can give there.
    """
    weak = {name: strength for name, strength in patient.subject.strengths.items() if strength < 1.0}
    one_sided = {
        name[:-2]: strength
        for name, strength in weak.items()
        if name[-1] == patient.side and name[:-2] in CALLS_FOR and f"{name[:-2]}_{OTHER_SIDE[patient.side]}" not in weak
    }
    for group in sorted(one_sided, key=lambda group: one_sided[group]):
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
    power = Measure("metabolic_power", "W/kg", scalar(POWER["bhargava"]))
    faults = Measure("device_faults", "1", lambda walk: bool(walk.faults), {"at_most": 0.0}, over=total)
    for patient in patients:
        for worn in (UNPOWERED, *COMPARED):
            key = strides_key(patient.name, worn)
            own = walks.all(key, speed)
            if own:
                falls = Measure("falls", "1", FALLS.value, {"at_most": 0.0} if worn in ASSISTED else {}, over=total)
                figures += [walks.figure(m, key, speed) for m in (WALKS, falls, faults, power, *WALKING)]
            if own and worn in COMPARED:
                figures += _changes(walks, patient, worn, speed)
            if own and worn in ASSISTED:
                torques = _torques(own, patient, called_for(patient, can_give))
                figures += [walks.figure(measure, key, speed) for measure in torques]
    return figures


def _changes(walks: Walks, patient: Patient, worn: str, speed: float) -> list[Figure]:
    key, baseline = strides_key(patient.name, worn), strides_key(patient.name, UNPOWERED)
    if not walks.all(baseline, speed):
        return []
    aim = {"at_most": 0.0} if worn in ASSISTED else {}

    def change(a: WalkResult, b: WalkResult) -> float:
        return 100.0 * (cost_of_transport(a) / cost_of_transport(b) - 1.0)

    figures = [walks.figure(Measure(f"{COST}_change", "%", change, aim), key, speed, baseline)]
    practised = strides_key(patient.name, PRACTISED)
    if worn == PERSONALISED and walks.all(practised, speed):
        from_practised = Measure(f"{COST}_change_from_practised", "%", change, aim)
        figures.append(walks.figure(from_practised, key, speed, practised))
    for name in ASYMMETRIES:
        before = walks.figure(Measure("before", "%", lambda w, n=name: asymmetry(w, n)), baseline, speed).value
        judged = worn in ASSISTED and not patient.name.startswith(HEALTHY) and before >= LEAST_ASYMMETRY
        target = {"at_least": SMALLEST_REDUCTION} if judged else {}
        figures.append(_reduction(walks, name, key, baseline, speed, target))
    return figures


def _reduction(walks: Walks, name: str, key: str, baseline: str, speed: float, target: dict[str, float]) -> Figure:
    """Reduction of an asymmetry relative to the mean unpowered one (%). One walk's own share would mean little: it is
    of a small number where a walk happens to be even."""
    samples: dict[str, list[float]] = {}
    left_out = 0
    for policy, pairs in walks.pairs(key, baseline, speed).items():
        both = [(asymmetry(before, name), asymmetry(after, name)) for after, before in pairs]
        both = [pair for pair in both if all(map(math.isfinite, pair))]
        left_out += len(pairs) - len(both)
        unpowered = float(np.mean([before for before, _ in both])) if both else 0.0
        if unpowered > 0.0:
            samples[policy] = [100.0 * (before - after) / unpowered for before, after in both]
    value, interval = mean(samples)
    label = at(f"asymmetry_{name}_reduction", key, speed)
    return Figure.judged(label, value, "%", interval=interval, left_out=left_out, **target)


def _torques(walks: Sequence[WalkResult], patient: Patient, called: str) -> list[Measure]:
    joints = sorted({joint for walk in walks for joint in walk.torque})
    measures = [
        *(Measure(f"torque_{joint}", "Nm/kg", lambda w, j=joint: w.torque.get(j, math.nan)) for joint in joints),
        *(Measure(f"power_{joint}", "W/kg", lambda w, j=joint: w.power.get(j, math.nan)) for joint in joints),
    ]
    for kind in sorted({joint[:-2] for joint in joints}):
        if not {f"{kind}_r", f"{kind}_l"} <= set(joints):
            continue
        name = f"torque_difference_{kind}"
        if patient.name.startswith(HEALTHY):
            # of each walk without its sign: walks that favour one leg or the other must not cancel out
            target = {"at_most": LARGEST_DIFFERENCE}
            measures.append(Measure(name, "%", lambda w, k=kind: abs(torque_difference(w, k, "r")), target))
        else:
            target = {"at_least": LARGEST_DIFFERENCE} if kind == called else {}
            measures.append(Measure(name, "%", lambda w, k=kind: torque_difference(w, k, patient.side), target))
    return measures
