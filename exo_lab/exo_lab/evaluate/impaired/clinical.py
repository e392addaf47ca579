# SPDX-License-Identifier: Apache-2.0
"""Does a weak body walk as clinicians know it: signs against the healthy run, severity against them, and the cost.

Every change is paired by seed, which starts both walks in the same phase of the stride; intervals are over seeds.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from exo_lab.conditions import NO_DEVICE
from exo_lab.evaluate.exo.figures import Walks, at
from exo_lab.evaluate.impaired.deficits import Deficit, Finding, Sign
from exo_lab.evaluate.impaired.measure import ASYMMETRIES, asymmetry, cost_of_transport, sign_value
from exo_lab.evaluate.impaired.patients import HEALTHY, SEVERITY_SERIES, WALKED_STRENGTHS, Patient, series_name
from exo_sim.measurement import Figure
from exo_sim.world.walk import WalkResult, strides_key

#: Signs are judged where this share of the strength is left, or less.
JUDGED_FROM = 0.5
#: Of the five deficits, at least so many must look like the clinic.
FEWEST_SHOWN = 4
#: Share of a deficit's findings that must show, the leading one among them.
SMALLEST_SHARE_SHOWN = 0.5
COST, MONOTONY, SHOWN = "cost_of_transport", "monotony", "shown"


def monotony(values: Sequence[float]) -> float:
    """Kendall's rank correlation of values with their order: 1 where every value exceeds the one before it, -1 where
    each falls short of it; NaN where one is not known."""
    if len(values) < 2 or not np.isfinite(values).all():
        return math.nan
    pairs = list(itertools.combinations(values, 2))
    return float(sum(np.sign(later - earlier) for earlier, later in pairs)) / len(pairs)


def shows(change: Figure, sign: Sign) -> bool:
    """Whether a change is in the sign's direction, large enough, and not by chance (interval beyond zero). One walk alone
    has no interval and shows nothing."""
    if change.interval is None or not all(map(math.isfinite, change.interval)):
        return False
    certain = min(sign.towards * end for end in change.interval) > 0.0
    return certain and sign.towards * change.value >= sign.least


def clinical_figures(
    results: Sequence[WalkResult],
    deficits: Sequence[Deficit],
    patients: Sequence[Patient],
    selves: Mapping[str, str],
    speed: float,
    side: str,
) -> list[Figure]:
    """All figures of the walks without a device at one speed.

    Args:
        deficits: whose severity series was walked.
        patients: named ones.
        selves: name of the healthy self by name of the patient.
        side: affected leg of the severity series.
    """
    walks = Walks(results)
    people = dict.fromkeys([HEALTHY, *selves.values()])
    people |= dict.fromkeys(series_name(d, s) for d in deficits for s in WALKED_STRENGTHS[1:])
    people |= dict.fromkeys(patient.name for patient in patients)
    figures = []
    for name in people:
        figures += _of_person(walks, name, speed)
    verdicts = []
    for deficit in deficits:
        own = _of_deficit(walks, deficit, speed, side)
        figures += own
        verdicts += [figure.value for figure in own if figure.name == at(SHOWN, deficit.name, speed)]
    known = {deficit.name: deficit for deficit in deficits}
    for patient in patients:
        if patient.deficit in known:
            for sign in known[patient.deficit].signs:
                figures += _of_sign(walks, sign, patient.name, selves[patient.name], speed, patient.side, judged=False)
    if deficits:
        target = {"at_least": float(min(FEWEST_SHOWN, len(deficits)))}
        figures.append(Figure.against("deficits_shown", float(sum(verdicts)), "1", **target))
    return figures


def _of_person(walks: Walks, name: str, speed: float) -> list[Figure]:
    key = strides_key(name, NO_DEVICE)
    own = walks.all(key, speed)
    return [
        Figure(at("walks", key, speed), len(own), "1"),
        Figure(at("falls", key, speed), sum(walk.fell for walk in own), "1"),
        walks.figure(at("walked", key, speed), "s", key, speed, lambda walk: walk.walked_s),
        walks.figure(at("speed", key, speed), "m/s", key, speed, lambda walk: walk.scalar("speed")),
        walks.figure(at(COST, key, speed), "J/kg/m", key, speed, cost_of_transport),
        *(
            walks.figure(
                at(f"asymmetry_{measure}", key, speed), "%", key, speed, lambda walk, m=measure: asymmetry(walk, m)
            )
            for measure in ASYMMETRIES
        ),
    ]


def _of_sign(walks: Walks, sign: Sign, name: str, healthy: str, speed: float, side: str, judged: bool) -> list[Figure]:
    """Value of a sign in a person, and its change against the healthy self."""
    key, baseline = strides_key(name, NO_DEVICE), strides_key(healthy, NO_DEVICE)
    target = {"at_least": sign.least} if sign.direction == "up" else {"at_most": -sign.least}
    return [
        walks.figure(at(sign.name, key, speed), sign.unit, key, speed, lambda walk: sign_value(walk, sign, side)),
        walks.change(
            at(f"{sign.name}_change", key, speed),
            sign.unit,
            key,
            baseline,
            speed,
            lambda walk, other: sign_value(walk, sign, side) - sign_value(other, sign, side),
            **(target if judged else {}),
        ),
    ]


def _of_deficit(walks: Walks, deficit: Deficit, speed: float, side: str) -> list[Figure]:
    figures, series = [], [series_name(deficit, strength) for strength in SEVERITY_SERIES]
    walked = {strength: series_name(deficit, strength) for strength in WALKED_STRENGTHS[1:]}
    changes: dict[str, list[Figure]] = {}
    tau: dict[str, float] = {}
    healthy_key = strides_key(HEALTHY, NO_DEVICE)
    for sign in deficit.signs:
        values = [
            walks.figure(
                "value", sign.unit, strides_key(name, NO_DEVICE), speed, lambda walk: sign_value(walk, sign, side)
            ).value
            for name in series
        ]
        tau[sign.name] = monotony([sign.towards * value for value in values])
        healthy = walks.figure(
            at(f"{sign.name}_in_{deficit.name}", healthy_key, speed),
            sign.unit,
            healthy_key,
            speed,
            lambda walk: sign_value(walk, sign, side),
        )
        figures.append(healthy)
        for strength, name in walked.items():
            judged = strength <= JUDGED_FROM
            value, change = _of_sign(walks, sign, name, HEALTHY, speed, side, judged=False)
            figures += [value, change]
            if judged:
                changes.setdefault(sign.name, []).append(change)
        figures.append(Figure(at(f"{sign.name}_{MONOTONY}", deficit.name, speed), tau[sign.name], "1"))
    shown = []
    for place, finding in enumerate(deficit.findings):
        seen = [sign for sign in finding.signs if any(shows(change, sign) for change in changes[sign.name])]
        shown.append(bool(seen))
        figures.append(
            Figure.against(at(finding_name(place), deficit.name, speed), float(bool(seen)), "1", at_least=1.0)
        )
        if place == 0:
            figures.append(
                Figure.against(at(MONOTONY, deficit.name, speed), _best(tau, finding, seen), "1", at_least=1.0)
            )
    whole = shown[0] and sum(shown) >= SMALLEST_SHARE_SHOWN * len(shown)
    figures.append(Figure.against(at(SHOWN, deficit.name, speed), float(whole), "1", at_least=1.0))
    figures += [
        walks.change(
            at(f"{COST}_rise", strides_key(name, NO_DEVICE), speed),
            "J/kg/m",
            strides_key(name, NO_DEVICE),
            healthy_key,
            speed,
            lambda walk, other: cost_of_transport(walk) - cost_of_transport(other),
        )
        for name in walked.values()
    ]
    costs = [
        walks.figure("cost", "J/kg/m", strides_key(name, NO_DEVICE), speed, cost_of_transport).value for name in series
    ]
    figures.append(Figure.against(at(f"{COST}_{MONOTONY}", deficit.name, speed), monotony(costs), "1", at_least=1.0))
    return figures


def finding_name(place: int) -> str:
    """Name of the figure that says whether a deficit's finding is shown."""
    return f"finding_{place + 1}_shown"


def _best(tau: Mapping[str, float], finding: Finding, seen: Sequence[Sign]) -> float:
    """Monotony of the sign that shows, or of the one that comes closest to it."""
    known = [tau[sign.name] for sign in (seen or finding.signs) if math.isfinite(tau[sign.name])]
    return max(known, default=math.nan)
