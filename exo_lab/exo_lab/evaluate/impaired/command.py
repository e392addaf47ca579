# SPDX-License-Identifier: Apache-2.0
"""`exo evaluate impaired`: how patients walk, and what a device does for them."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml
from rich.console import Console

from exo_core.errors import warn
from exo_device.description import DeviceError
from exo_device.devices import find_device
from exo_lab.conditions import LEARNED, NO_DEVICE
from exo_lab.evaluate.impaired.assistance import assistance_figures
from exo_lab.evaluate.impaired.clinical import clinical_figures
from exo_lab.evaluate.impaired.clinical_table import as_csv, as_markdown, clinical_rows
from exo_lab.evaluate.impaired.cohort import (
    COHORT_FILE,
    CohortRow,
    CohortTask,
    cohort_figures,
    cohort_tasks,
    walk_cohort,
    write_cohort,
)
from exo_lab.evaluate.impaired.deficits import Deficit, load_deficits
from exo_lab.evaluate.impaired.patients import HEALTHY, Patient, healthy_selves, known_deficit, named_patients
from exo_lab.evaluate.impaired.policies import WornPolicy, can_give, describe, find_policies
from exo_lab.evaluate.impaired.tables import assistance_table, clinical_tables, cohort_table
from exo_lab.evaluate.impaired.tasks import (
    DURATION_S,
    QUICK_DURATION_S,
    QUICK_SEEDS,
    SEEDS,
    make_task,
    patient_tasks,
    walk_size,
)
from exo_lab.evaluate.store import ResultStore
from exo_lab.pool import run_all
from exo_policy.checkpoint import CheckpointError
from exo_sim.body.subject import Subject, load_subject
from exo_sim.errors import SimError
from exo_sim.gait.strides import StrideRecorder
from exo_sim.human.checkpoint import load_any_human, shipped_human
from exo_sim.measurement import Figure, missed, write_run_record, write_summary
from exo_sim.subjects import PRESET_PREFIX, presets
from exo_sim.world.walk import LONGEST_WALK_S, SETTLE_IN_DEVICE_S, SETTLE_S, SPEED_LIMITS_MPS, WalkResult, walk

COMMAND = "exo evaluate impaired"
SPEED_MPS = 1.0
SUMMARY_FILE, CURVES_FILE, TABLE_STEM = "summary.json", "curves.csv", "clinical"
FINISHED, PATIENTS_FOLDER = "finished", "patients"
ALL, NONE = "all", "none"
#: Where rows of a cohort are decided beside the walks.
DECISIVE_OF_A_COHORT = ("exo_lab/evaluate/impaired/cohort.py",)
PLAIN_WIDTH = 160


def parser() -> argparse.ArgumentParser:
    """Command line of `exo evaluate impaired`."""
    p = argparse.ArgumentParser(
        prog=COMMAND,
        description="Measure how impaired people walk. Without --exo: deficits of growing severity and "
        "named patients, each beside the healthy run of the same person. With --exo: named patients in the device, "
        "without power and under the policy. With --cohort: random patients. An evaluation that was interrupted goes "
        "on.",
    )
    p.add_argument(
        "--human",
        "--checkpoint",
        dest="human",
        metavar="FILE",
        default=None,
        help="the walker (default: the one for impaired people that comes with the project)",
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
    p.add_argument("--subject", default="", metavar="YAML", help="who has these deficits (default: the unscaled body)")
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
        help=f"this many random patients in the devices of --exo instead; {COHORT_FILE} gets a row each",
    )
    p.add_argument(
        "--speed",
        type=float,
        default=SPEED_MPS,
        metavar="V",
        help="commanded to everybody, so that what is slow is not taken for what is weak (m/s, default: %(default)g)",
    )
    p.add_argument(
        "--seeds", type=int, help=f"walks per person, condition and policy (default: {SEEDS}; with --cohort 1)"
    )
    p.add_argument("--duration", type=float, metavar="S", help=f"of a walk (s, default: {DURATION_S:g})")
    p.add_argument("--quick", action="store_true", help=f"a first look: {QUICK_SEEDS} walks of {QUICK_DURATION_S:g} s")
    p.add_argument("--seed", type=int, default=300, help="seed of the first walk (default: %(default)s)")
    p.add_argument("--physics-rate", type=float, default=500.0, help="Hz (default: %(default)s)")
    p.add_argument("--output", default="runs/evaluate_impaired", metavar="DIR", help="folder (default: %(default)s)")
    p.add_argument("--workers", type=int, default=os.cpu_count(), help="processes (default: one per core)")
    p.add_argument("--strict", action="store_true", help="exit 1 when a figure misses its target")
    return p


def main(argv: Sequence[str] | None = None, report: Callable[[Path], Path] | None = None) -> int:
    """Runs the evaluation; returns the exit code. `report` draws the folder's report and returns its path."""
    options = parser().parse_args(argv)
    console = Console() if sys.stdout.isatty() else Console(width=PLAIN_WIDTH)
    try:
        figures, tables = evaluate(options)
        written = [options.output] + ([str(report(Path(options.output)))] if report else [])
    except (SimError, DeviceError, CheckpointError, ValueError) as error:
        print(f"{COMMAND}: {error}", file=sys.stderr)
        return 2
    for table in tables:
        console.print(table)
    print(
        f"{sum(bool(f.met) for f in figures)} of {sum(f.met is not None for f in figures)} targets met; written: "
        f"{', '.join(written)}"
    )
    return 1 if options.strict and missed(figures) else 0


def evaluate(options: argparse.Namespace) -> tuple[list[Figure], list]:
    """Walks and writes; returns the figures, and tables for the terminal.

    Raises:
        SimError and the errors of device, checkpoint and controller, before anything walks where possible.
    """
    started = time.monotonic()
    _check(options)
    options.human = options.human or str(shipped_human(impaired=True))
    load_any_human(options.human)
    policies = find_policies(options.exo, options.device, personalised=False)
    own = find_policies(options.personalised, options.device, personalised=True)
    kind = CohortRow if options.cohort else WalkResult
    store = ResultStore(Path(options.output) / FINISHED, options.human, options.subject, DECISIVE_OF_A_COHORT, kind)
    if options.cohort:
        figures, tables, config = _cohort(options, policies, store)
    else:
        figures, tables, config = _patients(options, policies, own, store)
    seeds, duration = walk_size(options)
    config = {
        **_settings(options),
        **config,
        "seeds": seeds,
        "duration": duration,
        "policies": [describe(worn) for worn in (*policies, *own)],
    }
    write_summary(Path(options.output) / SUMMARY_FILE, figures, config, options.seed, {"command": COMMAND})
    write_run_record(Path(options.output) / "run.json", time.monotonic() - started)
    return figures, tables


def _settings(options: argparse.Namespace) -> dict:
    # where it was written and on how many cores does not decide the result
    return {k: v for k, v in vars(options).items() if k not in ("output", "workers", "strict", "quick")}


def _patients(
    options: argparse.Namespace, policies: list[WornPolicy], own: list[WornPolicy], store: ResultStore
) -> tuple[list[Figure], list, dict]:
    subject = load_subject(options.subject)
    patients, deficits = _chosen_patients(options), _chosen_deficits(options)
    if not patients and not deficits:
        raise SimError("nobody is to walk; name --patients or --deficits")
    devices = sorted({worn.policy.device for worn in (*policies, *own)})
    if len(devices) > 1:
        raise SimError(f"the policies are for different devices ({', '.join(devices)}); measure them apart")
    selves = healthy_selves(patients, subject)
    _write_patients(Path(options.output) / PATIENTS_FOLDER, patients)
    tasks = patient_tasks(options, subject, patients, deficits, policies, own)
    results = run_all(walk, tasks, options.workers, "walking", store)
    _write_curves(Path(options.output) / CURVES_FILE, results)
    figures, tables = [], []
    nobody = [walk for walk in results if walk.task.condition == NO_DEVICE]
    names = {name: healed.name for name, healed in selves.items()}
    figures += clinical_figures(nobody, deficits, patients, names, options.speed, options.side)
    by_name = {figure.name: figure for figure in figures}
    rows = clinical_rows(by_name, deficits, options.speed)
    if rows:
        (Path(options.output) / f"{TABLE_STEM}.csv").write_text(as_csv(rows), encoding="utf-8")
        (Path(options.output) / f"{TABLE_STEM}.md").write_text(as_markdown(rows), encoding="utf-8")
        tables += clinical_tables(rows, by_name, deficits, options.speed)
    if policies or own:
        everybody = list({patient.name: patient for patient in (*selves.values(), *patients)}.values())
        give = can_give([worn.policy for worn in (*policies, *own)])
        worn = [walk for walk in results if walk.task.condition != NO_DEVICE]
        figures += assistance_figures(worn, everybody, give, options.speed)
        tables.append(assistance_table(figures, everybody, options.speed))
    config = {
        "patients": {
            patient.name: {
                "subject": patient.subject,
                "side": patient.side,
                "deficit": patient.deficit,
                "healthy": names[patient.name],
            }
            for patient in patients
        },
        "deficits": [deficit.name for deficit in deficits],
    }
    return figures, tables, config


def _cohort(
    options: argparse.Namespace, policies: list[WornPolicy], store: ResultStore
) -> tuple[list[Figure], list, dict]:
    duration = walk_size(options)[1]
    template = [make_task(options, HEALTHY, Subject(), LEARNED, worn, options.seed, duration) for worn in policies]
    tasks: list[CohortTask] = cohort_tasks(template, options.cohort, options.seed)
    found = run_all(walk_cohort, tasks, options.workers, "walking patients", store)
    rows = [one.row for one in found]
    file = Path(options.output) / COHORT_FILE
    try:
        write_cohort(file, rows, {"command": COMMAND, "configuration": _settings(options)})
    except OSError as error:
        raise SimError(f"cannot write {file}: {error.strerror}") from error
    figures = cohort_figures(rows)
    return figures, [cohort_table(figures)], {"patients": {}, "deficits": []}


def _chosen_patients(options: argparse.Namespace) -> list[Patient]:
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


def _write_patients(folder: Path, patients: Sequence[Patient]) -> None:
    """The named patients as subject files, for `exo sim --subject` and for whoever repeats the evaluation."""
    folder.mkdir(parents=True, exist_ok=True)
    for patient in patients:
        fields = patient.subject.model_dump(mode="json", exclude_defaults=True) | {"name": patient.subject.name}
        (folder / f"{patient.name}.yaml").write_text(yaml.safe_dump(fields, sort_keys=False), encoding="utf-8")


def _write_curves(file: Path, results: Sequence[WalkResult]) -> None:
    recorder = StrideRecorder(results[0].recorder.body_mass)
    for result in results:
        recorder.merge(result.recorder)
    warn(recorder.write(file))


def _check(options: argparse.Namespace) -> None:
    low, high = SPEED_LIMITS_MPS
    if not low <= options.speed <= high:
        raise SimError(f"--speed must be between {low} and {high} m/s, got {options.speed}")
    seeds, duration = walk_size(options)
    longest = SETTLE_IN_DEVICE_S if options.exo or options.personalised else SETTLE_S
    if seeds < 1 or not 2.0 * longest < duration <= LONGEST_WALK_S:
        raise SimError(f"--seeds must be at least 1 and --duration {2.0 * longest:g} to {LONGEST_WALK_S:g} s")
    if options.device is not None:
        find_device(options.device)
    if options.cohort < 0:
        raise SimError(f"--cohort must be the number of patients, got {options.cohort}")
    if options.cohort and not options.exo:
        raise SimError("--cohort needs policies: name them with --exo")
    if options.cohort and (options.personalised or seeds != 1):
        raise SimError(
            "--cohort walks every patient once under the policies of --exo; leave out --personalised and --seeds"
        )


if __name__ == "__main__":
    sys.exit(main())
