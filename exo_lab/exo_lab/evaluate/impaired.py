# SPDX-License-Identifier: Apache-2.0
"""`exo evaluate impaired`: how patients walk, what a device does for them, and for whom it does how much."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.table import Table
from rich.text import Text

from exo_device.devices import NO_DEVICE as WORN_BY_NOBODY
from exo_device.devices import find_device
from exo_lab.conditions import CONTROLLERS, LEARNED, NO_DEVICE, PERSONALISED, PRACTISED, UNPOWERED
from exo_lab.evaluate.clinical import (
    LEVELS,
    Row,
    as_csv,
    as_markdown,
    clinical_figures,
    clinical_rows,
    falls_words,
    number,
    verdict,
)
from exo_lab.evaluate.cohort import COHORT_FILE, CohortRow, cohort_figures, cohort_tasks, walk_cohort, write_cohort
from exo_lab.evaluate.command import (
    CURVES_FILE,
    FINISHED,
    NOT_DECISIVE,
    STYLES,
    Size,
    Study,
    cell,
    check_size,
    check_speeds,
    chosen_size,
    interval_words,
    run_study,
    study_parser,
    table,
    write_curves,
)
from exo_lab.evaluate.deficits import Deficit, known_deficit, load_deficits
from exo_lab.evaluate.figures import at, by_name
from exo_lab.evaluate.patient_measures import ASYMMETRIES, COMPARED, COST, assistance_figures
from exo_lab.evaluate.patients import HEALTHY, Patient, healthy, healthy_selves, named_patients, severity_series
from exo_lab.evaluate.policies import WornPolicy, can_give, describe, find_personalised, find_policies
from exo_lab.evaluate.store import ResultStore, weights_digest
from exo_lab.pool import run_all
from exo_sim.body.subject import Subject, load_subject
from exo_sim.errors import SimError
from exo_sim.human.checkpoint import load_any_human, shipped_human
from exo_sim.measurement import Figure
from exo_sim.subjects import PRESET_PREFIX, presets
from exo_sim.world.meters import JOINT_TORQUE
from exo_sim.world.walk import SETTLE_IN_DEVICE_S, SETTLE_S, WalkTask, strides_key, walk

COMMAND = "exo evaluate impaired"
FULL, QUICK = Size(5, 30.0), Size(2, 15.0)
SPEED_MPS = 1.0
TABLE_STEM, PATIENTS_FOLDER = "clinical", "patients"
ALL, NONE = "all", "none"
#: Numbers before and after of the table of assistance: figure, head, digits.
BEFORE_AFTER = (
    (COST, "cost (J/kg/m)", 2),
    *((f"asymmetry_{name}", f"{name.replace('_', ' ')} (%)", 1) for name in ASYMMETRIES),
)


def parser() -> argparse.ArgumentParser:
    """Command line of `exo evaluate impaired`."""
    p = study_parser(
        COMMAND,
        "Measure how impaired people walk. Without --exo: deficits of growing severity and named patients, each beside "
        "the healthy run of the same person. With --exo: named patients in the device, without power and under the "
        "policy. With --cohort: random patients.",
        FULL,
        QUICK,
        300,
    )
    p.add_argument(
        "--patients",
        nargs="+",
        default=[ALL],
        metavar="WHO",
        help="presets, subject files, or a weak group as plantarflexors_r=0.5; 'all' for every preset "
        "(one-sided ones on the right), 'none' (default: %(default)s)",
    )
    p.add_argument(
        "--deficits",
        nargs="+",
        default=None,
        metavar="NAME",
        help="severity series to walk: "
        f"{', '.join(d.name for d in load_deficits())}; 'all' or 'none' (default: all, with --exo none)",
    )
    p.add_argument("--side", choices=("r", "l"), default="r", help="affected leg of the series (default: %(default)s)")
    p.add_argument(
        "--exo",
        nargs="+",
        default=[],
        metavar="RUN",
        help="policies for everybody: folders that `exo train exo` wrote, or checkpoints; one for each training seed",
    )
    p.add_argument(
        "--personalised",
        nargs="+",
        default=[],
        metavar="RUN",
        help="folders that `exo personalise` wrote; each walks with its own wearer and the healthy self",
    )
    p.add_argument("--device", default=None, help="name or YAML (default: the one that the policy was trained for)")
    p.add_argument(
        "--same-human",
        action="store_true",
        help="the walker of --human in every condition, also where a policy's folder has one that is used to it",
    )
    p.add_argument(
        "--cohort",
        type=int,
        default=0,
        metavar="N",
        help=f"this many random patients in the devices of --exo instead, each walking once; {COHORT_FILE} gets a row "
        "each",
    )
    p.add_argument(
        "--speed",
        type=float,
        default=SPEED_MPS,
        metavar="V",
        help="commanded to everybody, so that what is slow is not taken for what is weak (m/s, default: %(default)g)",
    )
    return p


def main(argv: Sequence[str] | None = None, report: Callable[[Path], Path] | None = None) -> int:
    """Runs the evaluation; returns the exit code. `report` draws the folder's report and returns its path."""
    return run_study(COMMAND, parser().parse_args(argv), _study, report)


def _study(options: argparse.Namespace, folder: Path) -> Study:
    size = _checked_size(options)
    options.human = options.human or str(shipped_human(impaired=True))
    load_any_human(options.human)
    policies = [WornPolicy(policy) for policy in find_policies(options.exo, options.device)]
    own = find_personalised(options.personalised, options.device)
    if options.cohort:
        found = _cohort(options, folder, size, policies)
    else:
        found = _patients(options, folder, size, policies, own)
    described = [{**describe(worn.policy), "wearer": worn.wearer and worn.wearer.name} for worn in (*policies, *own)]
    more = {"seeds": size.seeds, "duration": size.duration_s, "policies": described}
    return Study(found.figures, found.tables, {**found.configuration, **more})


def _checked_size(options: argparse.Namespace) -> Size:
    """How much is walked. Raises SimError for an option that cannot be used."""
    size = chosen_size(options, FULL, QUICK)
    if options.cohort and options.seeds is None:
        size = Size(1, size.duration_s)
    check_speeds("--speed", [options.speed])
    check_size(size, SETTLE_IN_DEVICE_S if options.exo or options.personalised else SETTLE_S)
    if options.device is not None:
        find_device(options.device)
    if options.cohort < 0:
        raise SimError(f"--cohort must be the number of patients, got {options.cohort}")
    if options.cohort and not options.exo:
        raise SimError("--cohort needs policies: name them with --exo")
    if options.cohort and (options.personalised or size.seeds != 1):
        raise SimError(
            "--cohort walks every patient once under the policies of --exo; leave out --personalised and --seeds"
        )
    return size


# --- deficits and named patients


def _patients(
    options: argparse.Namespace, folder: Path, size: Size, policies: list[WornPolicy], own: list[WornPolicy]
) -> Study:
    """Walks; writes the patients as files, curves.csv and the clinical table."""
    subject, patients, deficits = load_subject(options.subject), chosen_patients(options), _chosen_deficits(options)
    if not patients and not deficits:
        raise SimError("nobody is to walk; name --patients or --deficits")
    devices = sorted({worn.policy.device for worn in (*policies, *own)})
    if len(devices) > 1:
        raise SimError(f"the policies are for different devices ({', '.join(devices)}); measure them apart")
    selves = healthy_selves(patients, subject)
    tasks = patient_tasks(options, size, subject, patients, deficits, policies, own)
    write_patients(folder / PATIENTS_FOLDER, patients)
    store = ResultStore(folder / FINISHED, options.human, options.subject)
    results = run_all(walk, tasks, options.workers, "walking", store)
    write_curves(folder / CURVES_FILE, results)
    nobody = [walk for walk in results if walk.task.condition == NO_DEVICE]
    names = {name: healed.name for name, healed in selves.items()}
    figures = clinical_figures(nobody, deficits, patients, names, options.speed, options.side)
    known = by_name(figures)
    rows = clinical_rows(known, deficits, options.speed)
    if rows:
        (folder / f"{TABLE_STEM}.csv").write_text(as_csv(rows), encoding="utf-8")
        (folder / f"{TABLE_STEM}.md").write_text(as_markdown(rows), encoding="utf-8")
    tables = clinical_tables(rows, known, deficits, options.speed)
    if policies or own:
        everybody = list({patient.name: patient for patient in (*selves.values(), *patients)}.values())
        worn = [walk for walk in results if walk.task.condition != NO_DEVICE]
        give = can_give([worn.policy for worn in (*policies, *own)])
        figures += assistance_figures(worn, everybody, give, options.speed)
        tables.append(assistance_table(figures, everybody, options.speed))
    described = {p.name: described_patient(p, names[p.name]) for p in patients}
    return Study(figures, tables, {"patients": described, "deficits": [deficit.name for deficit in deficits]})


def described_patient(patient: Patient, healthy: str) -> dict[str, Any]:
    """For the configuration in summary.json."""
    return {"subject": patient.subject, "side": patient.side, "deficit": patient.deficit, "healthy": healthy}


def chosen_patients(options: argparse.Namespace) -> list[Patient]:
    """Who was named with --patients."""
    words = options.patients
    if words == [NONE]:
        return []
    if words == [ALL]:
        words = [name for name, one in presets().items() if one.side in ("r", None)]
    return named_patients(words, lambda word: load_subject(f"{PRESET_PREFIX}{word}" if word in presets() else word))


def _chosen_deficits(options: argparse.Namespace) -> list[Deficit]:
    words = options.deficits or ([NONE] if options.exo or options.personalised else [ALL])
    if words == [NONE]:
        return []
    return list(load_deficits()) if words == [ALL] else [known_deficit(word) for word in dict.fromkeys(words)]


def write_patients(folder: Path, patients: Sequence[Patient]) -> None:
    """The named patients as subject files, for `exo sim --subject` and for whoever repeats the evaluation."""
    folder.mkdir(parents=True, exist_ok=True)
    for patient in patients:
        fields = patient.subject.model_dump(mode="json", exclude_defaults=True) | {"name": patient.subject.name}
        (folder / f"{patient.name}.yaml").write_text(yaml.safe_dump(fields, sort_keys=False), encoding="utf-8")


def patient_tasks(
    options: argparse.Namespace,
    size: Size,
    subject: Subject,
    patients: Sequence[Patient],
    deficits: Sequence[Deficit],
    policies: Sequence[WornPolicy],
    own: Sequence[WornPolicy],
) -> list[WalkTask]:
    """Every walk, each once: without a device everybody, in a device the patients and their healthy selves."""
    selves = healthy_selves(patients, subject)
    healed = {each.name: each for each in selves.values()}
    people = ({HEALTHY: healthy(subject)} if deficits else {}) | healed
    series = [weak for deficit in deficits for weak in severity_series(deficit, subject, options.side)]
    tasks: dict[str, WalkTask] = {}

    def add(patient: Patient, condition: str, worn: WornPolicy | None) -> None:
        for i in range(size.seeds):
            task = _task(options, patient.name, patient.subject, condition, worn, options.seed + i, size.duration_s)
            tasks[repr(task)] = task  # a subject holds dictionaries, which have no hash

    for patient in (*people.values(), *series, *patients):
        add(patient, NO_DEVICE, None)
    for worn in policies:
        for patient in (*healed.values(), *patients):
            for condition in (UNPOWERED, LEARNED):
                add(patient, condition, worn)
    for worn in own:
        wearers = [patient for patient in patients if worn.is_for(patient.subject)]
        if not wearers:
            label = worn.policy.label
            raise SimError(f"{label}: personalised to somebody who is not among --patients; name the wearer")
        for patient in wearers:
            for condition in (UNPOWERED, PERSONALISED):
                add(patient, condition, worn)
                add(selves[patient.name], condition, worn)
            if PRACTISED in dict(worn.policy.humans) and not options.same_human:
                add(patient, PRACTISED, worn)
    return list(tasks.values())


def _task(
    options: argparse.Namespace,
    name: str,
    subject: Subject,
    condition: str,
    worn: WornPolicy | None,
    seed: int,
    duration_s: float,
) -> WalkTask:
    """The walk of somebody in a condition; `worn` is None without a device."""
    human, checkpoint, label, device = options.human, "", "", WORN_BY_NOBODY
    if worn is not None:
        policy = worn.policy
        device = policy.device
        if not options.same_human:
            human = worn.human(subject, LEARNED if condition == PERSONALISED else condition, options.human)
        checkpoint = policy.checkpoint if condition in (LEARNED, PERSONALISED) else ""
        # two policies with the same walker share the conditions that they do not enter
        label = policy.label if checkpoint or (policy.humans and not options.same_human) else ""
    return WalkTask(
        condition,
        subject,
        options.speed,
        seed,
        duration_s,
        person=name,
        device=device,
        controller=CONTROLLERS[condition],
        checkpoint=checkpoint,
        policy=label,
        human=human,
        digest=weights_digest(checkpoint, human),
        physics_rate_hz=options.physics_rate,
        settle_s=SETTLE_S if condition == NO_DEVICE else SETTLE_IN_DEVICE_S,
        meters=(JOINT_TORQUE,),
    )


# --- a cohort


def _cohort(options: argparse.Namespace, folder: Path, size: Size, policies: list[WornPolicy]) -> Study:
    """Walks random patients; writes their rows."""
    template = [_task(options, HEALTHY, Subject(), LEARNED, worn, options.seed, size.duration_s) for worn in policies]
    tasks = cohort_tasks(template, options.cohort, options.seed)
    decisive = ("exo_lab/evaluate/cohort.py",)
    store = ResultStore(folder / FINISHED, options.human, options.subject, decisive, CohortRow)
    rows = [one.row for one in run_all(walk_cohort, tasks, options.workers, "walking patients", store)]
    settings = {name: value for name, value in vars(options).items() if name not in NOT_DECISIVE}
    try:
        write_cohort(folder / COHORT_FILE, rows, {"command": COMMAND, "configuration": settings})
    except OSError as error:
        raise SimError(f"cannot write {folder / COHORT_FILE}: {error.strerror}") from error
    figures = cohort_figures(rows)
    return Study(figures, [cohort_table(figures)], {"patients": {}, "deficits": []})


# --- tables


def clinical_tables(
    rows: Sequence[Row], figures: Mapping[str, Figure], deficits: Sequence[Deficit], speed: float
) -> list[Table]:
    """A table for each deficit; green: in the expected direction, large enough and beyond chance."""
    heads = ["sign", "expected", "healthy", *(f"{100 * level:g} %" for level in LEVELS), "monotony"]
    tables = []
    for deficit in deficits:
        title = f"{deficit.title}: {verdict(figures, deficit, speed)}; {falls_words(figures, deficit, speed)}"
        body = []
        for row in (row for row in rows if row.deficit == deficit.title):
            changes = [
                Text(words, style=STYLES[True] if seen else "")
                for words, seen in zip(row.cells, row.shown, strict=True)
            ]
            first = [f"{row.sign} ({row.unit})", row.expected, number(row.healthy, row.unit)]
            body.append([*first, *changes, number(row.monotony, "1")])
        tables.append(table(title, heads, body, words=2))
    return tables


def assistance_table(figures: Sequence[Figure], patients: Sequence[Patient], speed: float) -> Table:
    """Unpowered to assisted, one row a patient and policy."""
    known, rows = by_name(figures), []
    for patient in patients:
        before = strides_key(patient.name, UNPOWERED)
        for worn in COMPARED:
            after = strides_key(patient.name, worn)
            if at("falls", after, speed) in known:
                numbers = [_before_after(known, name, before, after, speed, d) for name, _, d in BEFORE_AFTER]
                rest = ("torque_difference_hip_flexion", "torque_difference_ankle_angle", "falls")
                numbers += [cell(known.get(at(name, after, speed)), ".0f") for name in rest]
                rows.append([patient.name, worn, *numbers])
    title = (
        "in the device, unpowered to assisted, or to unpowered and practised; torque: affected side over the other (%)"
    )
    heads = ["patient", "policy", *(head for _, head, _ in BEFORE_AFTER), "hip torque", "ankle torque", "falls"]
    return table(title, heads, rows, words=2)


def _before_after(known: Mapping[str, Figure], name: str, before: str, after: str, speed: float, digits: int) -> Text:
    values = [cell(known.get(at(name, key, speed)), f".{digits}f").plain for key in (before, after)]
    judged = known.get(at(f"{name}_change" if name == COST else f"{name}_reduction", after, speed))
    return Text(" > ".join(values), style=STYLES[judged.met if judged else None])


def cohort_table(figures: Sequence[Figure]) -> Table:
    """Every figure of a cohort."""
    rows = [
        [f.name, number(f.value, f.unit), interval_words(f, ".2f"), "" if f.unit == "1" else f.unit] for f in figures
    ]
    return table("cohort; intervals over patients", ["figure", "value", "95 % interval", "unit"], rows)
