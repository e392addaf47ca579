# SPDX-License-Identifier: Apache-2.0
"""Who walks: named patients, people with one deficit of a certain severity, and everybody's healthy self."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from exo_lab.evaluate.deficits import Deficit, load_deficits
from exo_sim.body.muscle_groups import GROUPS_BY_SIDE
from exo_sim.body.subject import Subject, make_subject
from exo_sim.errors import SimError

#: Strengths of the severity series, healthy first; the healthy one is walked once for all deficits.
SEVERITY_SERIES = (1.0, 0.75, 0.5, 0.25)
#: ... and what a nerve palsy leaves of a muscle group (presets.yaml, drop_foot). Signs are looked for there as well; what must
#: grow with severity is judged over the series.
WALKED_STRENGTHS = (*SEVERITY_SERIES, 0.1)
HEALTHY = "healthy"
SIDE_NAMES = {"r": "right", "l": "left"}
#: What somebody keeps who is made healthy.
OWN = ("height_m", "mass_kg", "preferred_speed_mps")
_INLINE = re.compile(r"^([a-z_]+_[rl])=([0-9.]+)$")


@dataclass(frozen=True)
class Patient:
    """Somebody who walks in an evaluation.

    Attributes:
        name: in conditions, figures and files: letters, digits, underscores.
        side: of the affected leg, "r" or "l"; of a patient with both legs affected "r".
        deficit: name of the deficit whose signs are looked for, empty for none.
        strength: of the deficit's groups in the severity series; None for a patient who is not of it.
    """

    name: str
    subject: Subject
    side: str = "r"
    deficit: str = ""
    strength: float | None = None


def healthy(subject: Subject, name: str = HEALTHY) -> Patient:
    """The same person without any impairment."""
    return Patient(name, Subject(name=name, **{field: getattr(subject, field) for field in OWN}), strength=1.0)


def same_body(one: Subject, other: Subject) -> bool:
    """Whether two people are as tall and as heavy as each other, so that one healthy walk serves both."""
    return (one.height_m, one.mass_kg) == (other.height_m, other.mass_kg)


def healthy_selves(patients: Sequence[Patient], subject: Subject) -> dict[str, Patient]:
    """The healthy self of each patient by the patient's name; of those with the subject's body it is the subject's."""
    return {
        patient.name: healthy(subject)
        if same_body(patient.subject, subject)
        else healthy(patient.subject, f"{HEALTHY}_{patient.name}")
        for patient in patients
    }


def severity_series(deficit: Deficit, subject: Subject, side: str) -> list[Patient]:
    """People like this one whose deficit grows; the healthy beginning is left out."""
    own = healthy(subject).subject
    series = []
    for strength in WALKED_STRENGTHS[1:]:
        name = series_name(deficit, strength)
        weak = own.model_copy(update={"name": name, "strengths": deficit.strengths(side, strength)})
        series.append(Patient(name, weak, side, deficit.name, strength))
    return series


def series_name(deficit: Deficit, strength: float) -> str:
    """Name of a member of a severity series: dorsiflexor_weakness_at_50."""
    return HEALTHY if strength == 1.0 else f"{deficit.name}_at_{100.0 * strength:g}"


def named_patients(words: Sequence[str], find) -> list[Patient]:
    """Patients from what a user named.

    Args:
        words: names of presets, subject files, or one weak group as `plantarflexors_r=0.5`.
        find: of a preset's name or a file to a Subject.

    Raises:
        SimError: unknown, or named twice.
    """
    patients = [_patient(word, find) for word in words]
    names = [patient.name for patient in patients]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SimError(f"patient(s) named twice: {', '.join(twice)}")
    if any(name.split("_")[0] == HEALTHY for name in names):
        raise SimError(f"names that begin with '{HEALTHY}' are of those who walk beside the patients; choose another")
    return patients


def _patient(word: str, find) -> Patient:
    inline = _INLINE.match(word)
    if inline:
        group, strength = inline.groups()
        if group not in GROUPS_BY_SIDE:
            raise SimError(f"unknown muscle group '{group}'; allowed: {', '.join(GROUPS_BY_SIDE)}")
        subject = make_subject(
            {"name": f"{group}_{100.0 * float(strength):g}", "strengths": {group: float(strength)}}, word
        )
    else:
        subject = find(word)
    name = re.sub(r"[^A-Za-z0-9]+", "_", subject.name).strip("_")
    return Patient(name, subject, affected_side(subject), deficit_of(subject))


def affected_side(subject: Subject) -> str:
    """The side whose muscle groups have lost more strength; "r" where both have alike."""
    lost = dict.fromkeys(SIDE_NAMES, 0.0)
    for name, strength in subject.strengths.items():
        lost[name[-1]] += 1.0 - strength
    return "l" if lost["l"] > lost["r"] else "r"


def deficit_of(subject: Subject) -> str:
    """The deficit that a subject's name belongs to, or whose groups are those weak on one side and no others."""
    base = subject.name
    for side in SIDE_NAMES.values():
        base = base.removesuffix(f"_{side}")
    weak = {name for name, strength in subject.strengths.items() if strength < 1.0}
    for deficit in load_deficits():
        if base in deficit.patients or any(weak == set(deficit.strengths(side, 0.0)) for side in SIDE_NAMES):
            return deficit.name
    return ""
