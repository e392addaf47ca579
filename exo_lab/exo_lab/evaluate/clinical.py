# SPDX-License-Identifier: Apache-2.0
"""Does a weak body walk as clinicians know it: signs against the healthy run, severity against them, and the cost.

Every change is paired by seed, which starts both walks in the same phase of the stride; intervals are over seeds.
"""

from __future__ import annotations

import csv
import io
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from exo_lab.conditions import NO_DEVICE
from exo_lab.evaluate.deficits import Deficit, Finding, Sign, sign_value
from exo_lab.evaluate.figures import Measure, Walks, at, cost_of_transport
from exo_lab.evaluate.patient_measures import COST, FALLS, WALKING, WALKS
from exo_lab.evaluate.patients import HEALTHY, SEVERITY_SERIES, WALKED_STRENGTHS, Patient, series_name
from exo_sim.measurement import Figure
from exo_sim.world.walk import WalkResult, strides_key

#: Signs are judged where this share of the strength is left, or less.
JUDGED_FROM = 0.5
#: Of the five deficits, at least so many must look like the clinic.
FEWEST_SHOWN = 4
#: Share of a deficit's findings that must show, the leading one among them.
SMALLEST_SHARE_SHOWN = 0.5
#: With fewer walks a person an interval is so wide (Student's t is 12.7 for two) that a sign that does not show may be
#: there all the same: nothing can be said.
FEWEST_WALKS = 3
MONOTONY, SHOWN = "monotony", "shown"
AS_IN_THE_CLINIC, NOT_AS_IN_THE_CLINIC = "as in the clinic", "not as in the clinic"
#: Strengths of the table's columns.
LEVELS = WALKED_STRENGTHS[1:]
DIGITS = {"deg": 1, "deg/s": 0, "BW/s": 1, "m": 3, "J/kg": 3, "W/kg": 2, "Nm/kg": 3, "%": 1, "J/kg/m": 2}
COST_TITLE = "metabolic cost per distance"
#: Asked for at the same speed. At a speed of their own, patients may spend less: a foot drop with little push-off walked
#: slowly and cheaply, an isolated one dearly (Don et al. 2007).
COST_SOURCE = "Waters and Mulroy 1999, Gait Posture 9:207, at the same speed (not in general: Don et al. 2007)"
HEALTHY_KEY = strides_key(HEALTHY, NO_DEVICE)


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
    if not (math.isfinite(change.low) and math.isfinite(change.high)):
        return False
    certain = min(sign.towards * change.low, sign.towards * change.high) > 0.0
    return certain and sign.towards * change.value >= sign.least


def finding_name(place: int) -> str:
    """Name of the figure that says whether a deficit's finding is shown."""
    return f"finding_{place + 1}_shown"


def series_key(deficit: Deficit, strength: float) -> str:
    """Name of the strides of a member of a severity series."""
    return strides_key(series_name(deficit, strength), NO_DEVICE)


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
    people = [HEALTHY, *selves.values(), *(series_name(d, s) for d in deficits for s in LEVELS)]
    people += [patient.name for patient in patients]
    walked = Measure("walked", "s", lambda walk: walk.walked_s)
    figures = [
        walks.figure(measure, strides_key(name, NO_DEVICE), speed)
        for name in dict.fromkeys(people)
        for measure in (WALKS, FALLS, walked, *WALKING)
    ]
    shown = []
    for deficit in deficits:
        own = _of_deficit(walks, deficit, speed, side)
        figures += own
        shown += [figure.value for figure in own if figure.name == at(SHOWN, deficit.name, speed)]
    known = {deficit.name: deficit for deficit in deficits}
    for patient in patients:
        for sign in known[patient.deficit].signs if patient.deficit in known else ():
            figures += _of_sign(walks, sign, patient.name, selves[patient.name], speed, patient.side)
    if deficits:
        target = {"at_least": float(min(FEWEST_SHOWN, len(deficits)))}
        figures.append(Figure.judged("deficits_shown", float(sum(shown)), "1", **target))
    return figures


def _of_sign(walks: Walks, sign: Sign, name: str, healthy: str, speed: float, side: str) -> list[Figure]:
    """Value of a sign in a person, and its change against the healthy self."""
    value = Measure(sign.name, sign.unit, lambda walk: sign_value(walk, sign, side))
    change = Measure(
        f"{sign.name}_change", sign.unit, lambda a, b: sign_value(a, sign, side) - sign_value(b, sign, side)
    )
    key = strides_key(name, NO_DEVICE)
    return [walks.figure(value, key, speed), walks.figure(change, key, speed, strides_key(healthy, NO_DEVICE))]


def _of_deficit(walks: Walks, deficit: Deficit, speed: float, side: str) -> list[Figure]:
    figures: list[Figure] = []
    seen: dict[str, bool] = {}
    tau: dict[str, float] = {}
    for sign in deficit.signs:
        value = Measure(sign.name, sign.unit, lambda walk, s=sign: sign_value(walk, s, side))
        series = [walks.figure(value, series_key(deficit, strength), speed).value for strength in SEVERITY_SERIES]
        tau[sign.name] = monotony([sign.towards * each for each in series])
        name = at(f"{sign.name}_in_{deficit.name}", HEALTHY_KEY, speed)
        figures.append(walks.figure(value, HEALTHY_KEY, speed, name=name))
        seen[sign.name] = False
        for strength in LEVELS:
            own = _of_sign(walks, sign, series_name(deficit, strength), HEALTHY, speed, side)
            figures += own
            seen[sign.name] |= strength <= JUDGED_FROM and shows(own[1], sign)
        figures.append(Figure(at(f"{sign.name}_{MONOTONY}", deficit.name, speed), tau[sign.name], "1"))
    judgements = {}
    shown = [any(seen[sign.name] for sign in finding.signs) for finding in deficit.findings]
    for place, each in enumerate(shown):
        judgements[finding_name(place)] = float(each)
    judgements[MONOTONY] = _best(tau, deficit.findings[0], seen)
    judgements[SHOWN] = float(shown[0] and sum(shown) >= SMALLEST_SHARE_SHOWN * len(shown))
    rise = Measure(f"{COST}_rise", "J/kg/m", lambda a, b: cost_of_transport(a) - cost_of_transport(b))
    figures += [walks.figure(rise, series_key(deficit, strength), speed, HEALTHY_KEY) for strength in LEVELS]
    cost = Measure("cost", "J/kg/m", cost_of_transport)
    costs = [walks.figure(cost, series_key(deficit, strength), speed).value for strength in SEVERITY_SERIES]
    judgements[f"{COST}_{MONOTONY}"] = monotony(costs)
    whole = {"at_least": 1.0}
    return figures + [
        Figure.judged(at(name, deficit.name, speed), value, "1", **whole) for name, value in judgements.items()
    ]


def _best(tau: Mapping[str, float], finding: Finding, seen: Mapping[str, bool]) -> float:
    """Monotony of the sign that shows, or of the one that comes closest to it."""
    shown = [sign for sign in finding.signs if seen[sign.name]] or finding.signs
    return max((tau[sign.name] for sign in shown if math.isfinite(tau[sign.name])), default=math.nan)


# --- verdicts and the clinical table


def is_shown(figures: Mapping[str, Figure], deficit: Deficit, speed: float) -> bool:
    """Whether a deficit looks like the clinic."""
    return bool(figures[at(SHOWN, deficit.name, speed)].value)


def can_tell(figures: Mapping[str, Figure], deficit: Deficit, speed: float) -> bool:
    """Whether enough was walked to say that a deficit does not look like the clinic."""
    keys = [HEALTHY_KEY, *(series_key(deficit, level) for level in LEVELS)]
    return min(figures[at("walks", key, speed)].value for key in keys) >= FEWEST_WALKS


def verdict(figures: Mapping[str, Figure], deficit: Deficit, speed: float) -> str:
    """As in the clinic, not as in the clinic, or how many walks are too few to tell."""
    if is_shown(figures, deficit, speed):
        return AS_IN_THE_CLINIC
    if can_tell(figures, deficit, speed):
        return NOT_AS_IN_THE_CLINIC
    count = figures[at("walks", HEALTHY_KEY, speed)].value
    return f"{count:.0f} {'walk is' if count == 1 else 'walks are'} too few to tell"


def falls_words(figures: Mapping[str, Figure], deficit: Deficit, speed: float) -> str:
    """How many walks of the series ended by a fall: "falls at 75, 50, 25 %: 0, 0, 2 of 5 walks"."""
    keys = [series_key(deficit, level) for level in LEVELS]
    falls = ", ".join(f"{figures[at('falls', key, speed)].value:.0f}" for key in keys)
    walks = figures[at("walks", keys[0], speed)].value
    return f"falls at {', '.join(f'{100 * level:g}' for level in LEVELS)} %: {falls} of {walks:.0f} walks"


@dataclass(frozen=True)
class Row:
    """A sign of a deficit.

    Attributes:
        expected: "up" or "down".
        healthy: its value in the healthy run.
        changes: against it, by strength left, rising severity.
        shown: whether it shows at each of these strengths.
        monotony: Kendall's correlation with severity, 1 where it grows at every step.
    """

    deficit: str
    finding: str
    sign: str
    unit: str
    expected: str
    source: str
    healthy: float
    changes: tuple[float, ...]
    shown: tuple[bool, ...]
    monotony: float

    @property
    def cells(self) -> list[str]:
        """Changes as text with their sign."""
        return [number(value, self.unit, sign=True) for value in self.changes]


def clinical_rows(figures: Mapping[str, Figure], deficits: Sequence[Deficit], speed: float) -> list[Row]:
    """Rows of all deficits, with a row of the cost at the end of each."""
    rows = []
    for deficit in deficits:
        keys = [series_key(deficit, level) for level in LEVELS]
        for finding in deficit.findings:
            for sign in finding.signs:
                changes = [figures[at(f"{sign.name}_change", key, speed)] for key in keys]
                healthy = figures[at(f"{sign.name}_in_{deficit.name}", HEALTHY_KEY, speed)].value
                tau = figures[at(f"{sign.name}_{MONOTONY}", deficit.name, speed)].value
                values, seen = tuple(c.value for c in changes), tuple(shows(c, sign) for c in changes)
                rows.append(Row(deficit.title, finding.title, sign.title, sign.unit, sign.direction, finding.source,
                                healthy, values, seen, tau))  # fmt: skip
        costs = [figures[at(f"{COST}_rise", key, speed)] for key in keys]
        healthy = figures[at(COST, HEALTHY_KEY, speed)].value
        tau = figures[at(f"{COST}_{MONOTONY}", deficit.name, speed)].value
        values, seen = tuple(c.value for c in costs), tuple(c.low > 0.0 for c in costs)
        rows.append(Row(deficit.title, COST_TITLE, COST_TITLE, "J/kg/m", "up", COST_SOURCE, healthy, values, seen, tau))
    return rows


def as_csv(rows: Sequence[Row]) -> str:
    """One line a sign; numbers as they are."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    at_level = [f"at_{100 * level:g}_percent" for level in LEVELS]
    head = ["deficit", "finding", "sign", "unit", "expected", "healthy", *(f"change_{a}" for a in at_level)]
    writer.writerow([*head, *(f"shown_{a}" for a in at_level), "monotony", "source"])
    for row in rows:
        values = [f"{v:.6g}" if math.isfinite(v) else "" for v in (row.healthy, *row.changes, row.monotony)]
        words = [row.deficit, row.finding, row.sign, row.unit, row.expected]
        writer.writerow([*words, *values[:-1], *map(int, row.shown), values[-1], row.source])
    return stream.getvalue()


def as_markdown(rows: Sequence[Row]) -> str:
    """The same for people; bold: in the expected direction, large enough and beyond chance."""
    head = ["deficit", "sign", "expected", "healthy", *(f"{100 * level:g} %" for level in LEVELS), "monotony", "source"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        changes = [f"**{words}**" if seen else words for words, seen in zip(row.cells, row.shown, strict=True)]
        cells = [row.deficit, f"{row.sign} ({row.unit})", row.expected, number(row.healthy, row.unit), *changes]
        lines.append("| " + " | ".join([*cells, number(row.monotony, "1"), row.source]) + " |")
    return "\n".join(lines) + "\n"


def number(value: float, unit: str, sign: bool = False) -> str:
    """A number with the decimals of its unit, a dash where it is not known."""
    return f"{value:{'+' if sign else ''}.{DIGITS.get(unit, 2)}f}" if math.isfinite(value) else "-"
