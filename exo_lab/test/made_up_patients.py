# SPDX-License-Identifier: Apache-2.0
"""Patients whom nobody simulated: people's mean curves, changed where a deficit changes them, by as much as is lost."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from exo_lab.conditions import LEARNED, NO_DEVICE, PERSONALISED, PRACTISED, UNPOWERED
from exo_lab.evaluate.deficits import load_deficits
from exo_lab.evaluate.patients import Patient, healthy, severity_series
from exo_sim.body.subject import Subject, load_subject
from exo_sim.gait.curves import Curve, CurveTable
from exo_sim.gait.reference import NormativeGait
from exo_sim.world.walk import WalkTask

SPEED_MPS, LEG_LENGTH_M = 1.0, 0.9
COST_W_KG = {NO_DEVICE: 4.0, UNPOWERED: 4.4, PRACTISED: 4.3, LEARNED: 3.7, PERSONALISED: 3.6}
#: Share of an asymmetry that is left in each condition.
LEFT = {NO_DEVICE: 1.0, UNPOWERED: 1.0, PRACTISED: 0.9, LEARNED: 0.6, PERSONALISED: 0.4}
JOINTS = ("hip_flexion_r", "ankle_angle_r", "hip_flexion_l", "ankle_angle_l")


@dataclass
class MadeUpPatientWalk:
    """Stands in for WalkResult."""

    task: WalkTask
    curves: CurveTable
    scalars: dict[tuple[str, str], float]
    torque: dict[str, float] = field(default_factory=dict)
    power: dict[str, float] = field(default_factory=dict)
    walked_s: float = 30.0
    fell: bool = False
    faults: str = ""

    def curve(self, variable, side):
        found = [c.mean for c in self.curves if (c.variable, c.side) == (variable, side)]
        return found[0] if found else None

    def scalar(self, name, side=None):
        if side is None:
            return 0.5 * (self.scalar(name, "r") + self.scalar(name, "l"))
        return self.scalars.get((name, side), math.nan)


def bump(middle: float, width: float = 8.0) -> np.ndarray:
    """A bell over the stride (101,) with height 1."""
    phase = np.arange(101.0)
    return np.exp(-0.5 * ((phase - middle) / width) ** 2)


def changed(variable: str, curve: np.ndarray, lost: dict[str, float]) -> np.ndarray:
    """A healthy curve of the affected leg after what was lost (0 to 1) of its muscle groups."""
    dorsi, plantar = lost.get("dorsiflexors", 0.0), lost.get("plantarflexors", 0.0)
    if variable == "ankle_dorsiflexion":
        return curve - 14.0 * dorsi * bump(85.0)
    if variable in ("hip_flexion", "knee_flexion"):
        return curve + 12.0 * dorsi * bump(75.0)
    if variable == "grf_vertical_BW":
        return curve + 2.0 * dorsi * bump(6.0, 2.0)
    if variable == "ankle_power_W_kg":
        return curve * (1.0 - 0.8 * plantar)
    if variable == "hip_power_W_kg":
        return curve + 0.8 * plantar * bump(60.0)
    return curve


def made_up_patient(
    patient: Patient, worn: str = NO_DEVICE, seed: int = 300, policy: str = "", **fields
) -> MadeUpPatientWalk:
    """One walk. Assistance makes it cheaper and more even; the weaker leg gets more torque at the ankle."""
    task = WalkTask(
        worn,
        patient.subject,
        SPEED_MPS,
        seed,
        30.0,
        person=patient.name,
        device="none" if worn == NO_DEVICE else "hip_ankle",
        policy=policy,
    )
    norm = NormativeGait(SPEED_MPS, LEG_LENGTH_M)
    by_side = {
        s: {name[:-2]: 1.0 - strength for name, strength in patient.subject.strengths.items() if name.endswith(f"_{s}")}
        for s in "rl"
    }
    jitter = 0.1 * (seed % 3 - 1)
    curves = []
    for side in "rl":
        for variable in NormativeGait.variables():
            curve = norm.curve(variable)
            # what a device does not do is as much of the asymmetry as is left of it
            lost = {group: share * LEFT[worn] for group, share in by_side[side].items()}
            mean = changed(variable, curve.mean, lost) + (jitter if "flexion" in variable else 0.0)
            curves.append(Curve(task.key, SPEED_MPS, side, variable, curve.phase_percent, mean, 0.05 + 0 * mean))
    lost = {side: max(by_side[side].values(), default=0.0) for side in "rl"}
    if worn in (LEARNED, PERSONALISED):
        for side in "rl":
            for kind, peak in (("hip", 0.1), ("ankle", 0.2 * (1.0 + lost[side]))):
                curves.append(
                    Curve(
                        task.key,
                        SPEED_MPS,
                        side,
                        f"exo_torque_{kind}_Nm_kg",
                        np.arange(101.0),
                        peak * bump(50.0 if kind == "ankle" else 65.0),
                        np.full(101, 0.01),
                    )
                )
    uneven = LEFT[worn] * (lost["r"] - lost["l"])
    both = max(lost.values())
    scalars = {}
    for side, sign in (("r", 1.0), ("l", -1.0)):
        scalars |= {
            ("step_length", side): 0.6 * (1.0 + 0.1 * sign * uneven),
            ("stance_percent", side): 62.0,
            ("stance_time", side): 0.7 * (1.0 - 0.1 * sign * uneven),
            ("duration", side): 1.1,
            ("ankle_angle_range", side): 0.5 * (1.0 - 0.2 * sign * uneven),
            ("speed", side): SPEED_MPS,
            ("metabolic_power_per_mass", side): COST_W_KG[worn] * (1.0 + 0.3 * both) + 0.02 * (seed % 3),
        }
    torque = (
        {}
        if worn not in (LEARNED, PERSONALISED)
        else {joint: (0.03 if joint.startswith("hip") else 0.06) * (1.0 + lost[joint[-1]]) for joint in JOINTS}
    )
    return MadeUpPatientWalk(task, CurveTable(curves), scalars, torque, dict(torque), **fields)


def made_up_clinic(deficits=None, seeds=(300, 301, 302), side="r") -> list[MadeUpPatientWalk]:
    """The healthy person and the severity series of deficits, without a device."""
    people = [healthy(Subject())]
    for deficit in load_deficits() if deficits is None else deficits:
        people += severity_series(deficit, Subject(), side)
    return [made_up_patient(patient, seed=seed) for patient in people for seed in seeds]


def made_up_named(name="plantarflexor_weakness_50_right", deficit="plantarflexor_weakness", side="r") -> Patient:
    """A preset as a patient."""
    return Patient(name, load_subject(f"preset:{name}"), side, deficit)


def made_up_assistance(
    patients, policies=("a", "b", "c"), seeds=(300, 301), kinds=(LEARNED,)
) -> list[MadeUpPatientWalk]:
    """Patients in the device, without power, before and where asked for after practice, and under policies."""
    walks = [made_up_patient(patient, UNPOWERED, seed) for patient in patients for seed in seeds]
    return walks + [
        made_up_patient(patient, kind, seed, policy)
        for patient in patients
        for kind in kinds
        for policy in policies
        for seed in seeds
    ]
