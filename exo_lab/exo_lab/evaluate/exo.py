# SPDX-License-Identifier: Apache-2.0
"""`exo evaluate exo`: what a trained policy saves, how it does it, and whether it may be believed."""

from __future__ import annotations

import argparse
import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.table import Table

from exo_device.devices import NO_DEVICE as WORN_BY_NOBODY
from exo_device.devices import find_device
from exo_device.safety.limits import LIMITS
from exo_lab.conditions import CONDITIONS, CONTROLLERS, LEARNED, NO_DEVICE, UNPOWERED, Policy
from exo_lab.evaluate import population
from exo_lab.evaluate.command import (
    CURVES_FILE,
    FINISHED,
    Size,
    Study,
    add_speeds,
    cell,
    check_size,
    check_speeds,
    chosen_size,
    run_study,
    study_parser,
    table,
    write_curves,
)
from exo_lab.evaluate.exo_measures import exo_figures, limited_by
from exo_lab.evaluate.figures import POWER, at, by_name
from exo_lab.evaluate.policies import check_policy, describe, find_policies
from exo_lab.evaluate.store import ResultStore, weights_digest
from exo_lab.pool import run_all
from exo_policy.controllers.learned import shipped_checkpoint
from exo_sim.body.subject import load_subject
from exo_sim.errors import SimError
from exo_sim.human.checkpoint import load_any_human
from exo_sim.measurement import Figure
from exo_sim.plant.simulation import SPEED_RANGE_MPS
from exo_sim.world.meters import MOTORS, MUSCLES
from exo_sim.world.walk import SETTLE_IN_DEVICE_S, WalkResult, WalkTask, walk

COMMAND = "exo evaluate exo"
FULL, QUICK = Size(5, 60.0), Size(1, 20.0)
DEVICE = "hip_ankle"
TOPICS_FOLDER = "topics"
#: A policy over topics must keep this share of what it saves offline.
SMALLEST_SHARE_OVER_TOPICS = 0.9
REAL_TIME, LOCKSTEP = "realtime", "lockstep"
#: A walk over topics, half of it unpowered (s, simulated).
OVER_TOPICS_S = 60.0
#: Most person-minutes that may be asked for: an hour on two cores.
MOST_MINUTES = 500.0
#: Rows of the table by speed: beginning of the figure's name, title, decimals.
ROWS = (
    ("gross_bhargava", "gross cost, Bhargava 2004 (W/kg)", 2),
    ("gross_umberger", "gross cost, Umberger 2010 (W/kg)", 2),
    ("gross_change_bhargava_from_unpowered", "change from unpowered (%)", 1),
    ("gross_change_bhargava_from_no_device", "change from no device (%)", 1),
    ("gross_change_umberger_from_unpowered", "change from unpowered, Umberger 2010 (%)", 1),
    ("hip_profile_r", "hip torque, r with the validated profile", 3),
    ("hip_profile_cosine_r", "  best-fitting cosine", 3),
    ("hip_profile_positive_peak_error", "  time of flexion peak (% of stride)", 1),
    ("ankle_profile_r", "ankle torque, r with the validated profile", 3),
    ("ankle_profile_cosine_r", "  best-fitting cosine", 3),
    ("ankle_profile_positive_peak_error", "  time of push-off peak (% of stride)", 1),
    ("positive_power", "mechanical power given (W/kg)", 3),
    ("negative_power", "mechanical power taken (W/kg)", 3),
    ("hip_flexion_time_at_limit", "hip, share of time at the limit", 3),
    ("ankle_angle_time_at_limit", "ankle, share of time at the limit", 3),
    ("falls", "falls", 0),
    ("saving_over_topics", "saved over topics (%)", 1),
)


def parser() -> argparse.ArgumentParser:
    """Command line of `exo evaluate exo`."""
    p = study_parser(
        COMMAND,
        "Measure an exoskeleton policy: walks without a device, unpowered, under the published profiles and under the "
        "policy, offline and in lockstep with the supervisor.",
        FULL,
        QUICK,
        200,
    )
    add_speeds(p)
    p.add_argument(
        "policies",
        nargs="*",
        metavar="RUN",
        help="folders that `exo train exo` wrote, or checkpoints; one for each training seed (default: the checkpoint "
        "that comes with the project for --device)",
    )
    p.add_argument("--device", default=None, help="name or YAML (default: the one that the policy was trained for)")
    p.add_argument(
        "--same-human",
        action="store_true",
        help="the same walker in every condition, also where a policy's folder has one that is used to it",
    )
    p.add_argument(
        "--delay-ms",
        type=float,
        nargs="*",
        default=[],
        metavar="MS",
        help="further conditions: the policy with motors of this delay",
    )
    p.add_argument(
        "--mass-error",
        type=float,
        nargs="*",
        default=[],
        metavar="SHARE",
        help="further conditions: the device assumes a mass that is wrong by this share, up and down",
    )
    p.add_argument(
        "--population",
        type=float,
        metavar="MIN",
        help="let people drawn as in the policy's training walk as well, so many person-minutes for each condition and "
        "policy, and count falls",
    )
    p.add_argument(
        "--deployment",
        nargs="?",
        const=REAL_TIME,
        choices=(REAL_TIME, LOCKSTEP),
        help="walk over topics as well, with policy_node and device_node, and compare (default where given: %(const)s)",
    )
    return p


@dataclasses.dataclass(frozen=True)
class TopicWalk:
    """A walk over topics that --deployment asks for: half of it unpowered, half under the policy, the same walker."""

    policy: Policy
    human: str | None
    subject: str
    speed_mps: float
    duration_s: float
    seed: int
    mode: str  #: REAL_TIME or LOCKSTEP
    folder: Path


#: Walks over topics; returns the change of metabolic power from unpowered (%).
Deploy = Callable[[TopicWalk], float]


def main(
    argv: Sequence[str] | None = None, report: Callable[[Path], Path] | None = None, deploy: Deploy | None = None
) -> int:
    """Runs the evaluation; returns the exit code.

    Args:
        argv: without the command's name.
        report: draws the folder's report and returns its path.
        deploy: walks over topics for --deployment; None where there is no graph to start.
    """
    return run_study(COMMAND, parser().parse_args(argv), lambda o, folder: _study(o, folder, deploy), report)


def _study(options: argparse.Namespace, folder: Path, deploy: Deploy | None) -> Study:
    """Walks in every condition, and with drawn people and over topics where asked for; writes curves.csv."""
    size = _checked_size(options, deploy)
    policies = _policies(options)
    tasks = walk_tasks(options, policies)
    minutes = options.population or 0.0
    crowd = population.population_tasks(policies, options.human, options.same_human, minutes, options.seed)
    store = ResultStore(folder / FINISHED, options.human, options.subject)
    results = run_all(walk, tasks, options.workers, "walking", store)
    figures = exo_figures(results)
    if crowd:
        decisive = ("exo_lab/evaluate/population.py",)
        crowds = ResultStore(folder / FINISHED, options.human, options.subject, decisive, population.PopulationWalk)
        walked = run_all(population.walk_population, crowd, options.workers, "drawn people", crowds)
        figures += population.population_figures(walked)
    if deploy and options.deployment:
        figures += _over_topics(options, policies[0], results, deploy, folder, store)
    write_curves(folder / CURVES_FILE, results)
    more = {
        "seeds": size.seeds,
        "duration": size.duration_s,
        "device": policies[0].device,
        "device_description": find_device(policies[0].device),
        "policies": [describe(policy) for policy in policies],
    }
    return Study(figures, [*overview(figures), *limits_table(figures), *population_table(figures)], more)


def walk_tasks(options: argparse.Namespace, policies: Sequence[Policy]) -> list[WalkTask]:
    """Every seed at every speed in every condition; those that no policy enters are walked once."""
    size = chosen_size(options, FULL, QUICK)
    variants = [(condition, None, 1.0) for condition in CONDITIONS]
    variants += [(f"{LEARNED}:delay {ms:g} ms", 1e-3 * ms, 1.0) for ms in options.delay_ms]
    variants += [
        (f"{LEARNED}:mass {sign * 100.0 * share:+g} %", None, 1.0 + sign * share)
        for share in options.mass_error
        for sign in (1.0, -1.0)
    ]
    tasks: dict[str, WalkTask] = {}
    subject = load_subject(options.subject)
    for condition, delay_s, mass_factor in variants:
        kind = condition.split(":")[0]
        walkers = [options.human if options.same_human else policy.human(kind, options.human) for policy in policies]
        # policies with the same walker, if in files of their own, share the conditions that they do not enter
        shared = kind != LEARNED and len({weights_digest("", walker) for walker in walkers}) == 1
        for policy, own in zip(policies, walkers, strict=True):
            human = walkers[0] if shared else own
            checkpoint = policy.checkpoint if kind == LEARNED else ""
            for speed in options.speeds:
                for i in range(size.seeds):
                    task = WalkTask(
                        condition,
                        subject,
                        speed,
                        options.seed + i,
                        size.duration_s,
                        device=WORN_BY_NOBODY if kind == NO_DEVICE else policy.device,
                        controller=CONTROLLERS[kind],
                        checkpoint=checkpoint,
                        policy="" if shared else policy.label,
                        human=human,
                        digest=weights_digest(checkpoint, human),
                        physics_rate_hz=options.physics_rate,
                        # the same for all conditions, which are compared walk by walk
                        settle_s=SETTLE_IN_DEVICE_S,
                        delay_s=delay_s,
                        mass_factor=mass_factor,
                        meters=(MUSCLES, MOTORS),
                    )
                    tasks[repr(task)] = task  # a subject holds dictionaries, which have no hash
    return list(tasks.values())


def _checked_size(options: argparse.Namespace, deploy: Deploy | None) -> Size:
    """How much is walked. Raises SimError for an option that cannot be used."""
    size = chosen_size(options, FULL, QUICK)
    check_speeds("--speeds", options.speeds)
    check_size(size, SETTLE_IN_DEVICE_S)
    if any(not 0.0 <= ms <= 100.0 for ms in options.delay_ms):
        raise SimError("--delay-ms must be between 0 and 100 ms")
    if any(not 0.0 < share < 0.5 for share in options.mass_error):
        raise SimError("--mass-error must be a share between 0 and 0.5, for example 0.2")
    if options.population is not None and not 0.0 < options.population <= MOST_MINUTES:
        raise SimError(f"--population must be above 0 and at most {MOST_MINUTES:g} person-minutes")
    if options.deployment is not None and deploy is None:
        raise SimError("--deployment needs the graph; run it as `exo evaluate exo --deployment`")
    load_any_human(options.human)
    return size


def _policies(options: argparse.Namespace) -> list[Policy]:
    """The policies that were named, or the shipped one."""
    if options.policies:
        policies = find_policies(options.policies, options.device)
    else:
        device = find_device(options.device or DEVICE)
        if device is None:
            raise SimError("--device none has no policy to measure; name a device")
        shipped = shipped_checkpoint(device.joint_names)
        if shipped is None:
            raise SimError(f"no checkpoint comes with the project for {device.name}; name one")
        policies = [Policy("shipped", str(shipped), options.device or DEVICE)]
        check_policy(policies[0])
    devices = sorted({policy.device for policy in policies})
    if len(devices) > 1:
        raise SimError(f"the policies were trained for different devices ({', '.join(devices)}); measure them apart")
    return policies


def _over_topics(
    options: argparse.Namespace,
    policy: Policy,
    results: Sequence[WalkResult],
    deploy: Deploy,
    folder: Path,
    store: ResultStore,
) -> list[Figure]:
    """What the first policy saves over topics, beside what it saves offline, with the same walker in both halves."""
    human = options.human if options.same_human else policy.human(LEARNED, options.human)
    low, high = SPEED_RANGE_MPS  # the simulator's; offline any speed may be asked for
    speeds = [speed for speed in options.speeds if low <= speed <= high]
    own = [r for r in results if (r.task.condition, r.task.policy) == (LEARNED, policy.label)]
    assisted = [r for r in own if r.task.speed_mps in speeds]
    off = {"condition": UNPOWERED, "controller": CONTROLLERS[UNPOWERED], "checkpoint": ""}
    baseline = [dataclasses.replace(r.task, digest=weights_digest("", human), **off) for r in assisted]
    unpowered = run_all(walk, baseline, options.workers, "walking unpowered", store)
    cost, found = POWER["bhargava"], []
    for speed in speeds:
        pairs = [(a, u) for a, u in zip(assisted, unpowered, strict=True) if a.task.speed_mps == speed]
        offline = [100.0 * (u.scalar(cost) - a.scalar(cost)) / u.scalar(cost) for a, u in pairs]
        known = [saved for saved in offline if math.isfinite(saved)]
        saved = sum(known) / len(known) if known else math.nan
        topics = TopicWalk(policy, human, options.subject, speed, OVER_TOPICS_S, options.seed, options.deployment,
                           folder / TOPICS_FOLDER)  # fmt: skip
        over_topics = -deploy(topics)
        kept, target = over_topics / saved if saved > 0.0 else math.nan, {"at_least": SMALLEST_SHARE_OVER_TOPICS}
        found += [
            Figure(at("saving_over_topics", LEARNED, speed), over_topics, "%"),
            Figure(at("saving_offline_same_walker", LEARNED, speed), saved, "%"),
            Figure.judged(at("saving_over_topics_share_of_offline", LEARNED, speed), kept, "1", **target),
        ]
    return found


# --- tables


def overview(figures: Sequence[Figure]) -> list[Table]:
    """A table for each condition: speeds in columns."""
    known = by_name(figures)
    keys = [figure.name.split(".", 2)[1:] for figure in figures if figure.name.count(".") >= 2]
    speeds = sorted({speed for _, speed in keys}, key=float)
    tables = []
    for condition in dict.fromkeys(condition for condition, _ in keys):
        rows = []
        for beginning, title, digits in ROWS:
            row = [known.get(f"{beginning}.{condition}.{speed}") for speed in speeds]
            if any(figure is not None for figure in row):
                rows.append([title, *(cell(figure, f".{digits}f", interval=True) for figure in row)])
        tables.append(table(condition.replace("_", " "), ["figure", *(f"{speed} m/s" for speed in speeds)], rows))
    return tables


def limits_table(figures: Sequence[Figure]) -> list[Table]:
    """How often each limit of the device takes torque from the policy, by speed; nothing where no policy walked."""
    known = by_name(figures)
    endings = [name.split(".", 1)[1] for name in known if name.startswith("falls.learned.")]
    kinds = sorted({name.split("_limited_by_")[0] for name in known if "_limited_by_" in name})
    rows = []
    for limit in LIMITS:
        for kind in kinds:
            row = [known.get(f"{limited_by(kind, limit)}.{ending}") for ending in endings]
            if all(figure is not None for figure in row):
                rows.append([f"{limit}, {kind}", *(f"{100.0 * figure.value:.1f}" for figure in row)])
    heads = ["percent of time in which torque is limited by", *(f"{e.split('.', 1)[1]} m/s" for e in endings)]
    return [table("device limits", heads, rows)] if rows else []


def population_table(figures: Sequence[Figure]) -> list[Table]:
    """How often drawn people fell in each condition, and limits took torque; nothing where none were drawn."""
    known = by_name(figures)
    falls = [
        [
            condition.replace("_", " "),
            cell(known[population.falls_name(condition)], ".2f", interval=True),
            cell(known.get(population.minutes_name(condition)), ".0f"),
        ]
        for condition in population.CONDITIONS
        if population.falls_name(condition) in known
    ]
    limits = [
        [limit, f"{100.0 * known[population.limited_name(limit)].value:.2f}"]
        for limit in LIMITS
        if population.limited_name(limit) in known
    ]
    found = [("drawn people", ["condition", "falls per minute of walking", "person-minutes"], falls)]
    found.append(("device limits, drawn people", ["percent of time in which torque is limited by", "learned"], limits))
    return [table(*one) for one in found if one[2]]
