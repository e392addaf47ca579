# SPDX-License-Identifier: Apache-2.0
"""`exo evaluate exo`: what a trained policy saves, how it does it, and whether it may be believed."""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from exo_core.errors import warn
from exo_device.description import DeviceError
from exo_device.devices import NO_DEVICE as WORN_BY_NOBODY
from exo_device.devices import find_device
from exo_lab.conditions import CONDITIONS, CONTROLLERS, LEARNED, NO_DEVICE, UNPOWERED, Policy, find_policy
from exo_lab.evaluate.exo.figures import at, evaluation_figures
from exo_lab.evaluate.exo.population import PopulationWalk, population_figures, population_tasks, walk_population
from exo_lab.evaluate.exo.tables import limits_table, overview, population_table
from exo_lab.evaluate.store import ResultStore, weights_digest
from exo_lab.pool import run_all
from exo_policy.checkpoint import CheckpointError, load_checkpoint
from exo_policy.controllers import make_controller
from exo_policy.controllers.learned import shipped_checkpoint
from exo_sim.body.subject import load_subject
from exo_sim.errors import SimError
from exo_sim.gait.strides import StrideRecorder
from exo_sim.human.checkpoint import load_any_human
from exo_sim.measurement import Figure, missed, write_run_record, write_summary
from exo_sim.plant.simulation import SPEED_RANGE_MPS
from exo_sim.world.meters import MOTORS, MUSCLES
from exo_sim.world.walk import LONGEST_WALK_S, SETTLE_IN_DEVICE_S, SPEED_LIMITS_MPS, WalkResult, WalkTask, walk

COMMAND = "exo evaluate exo"
SPEEDS_MPS = (0.75, 1.0, 1.25, 1.5, 1.75)
SEEDS, DURATION_S = 5, 60.0
QUICK_SEEDS, QUICK_DURATION_S = 1, 20.0
CURVES_FILE, SUMMARY_FILE, FINISHED, TOPICS_FOLDER = "curves.csv", "summary.json", "finished", "topics"
COST = "metabolic_power_per_mass"
#: A policy over topics must keep this share of what it saves offline.
SMALLEST_SHARE_OVER_TOPICS = 0.9
REAL_TIME, LOCKSTEP = "realtime", "lockstep"
#: A walk over topics, half of it unpowered (s, simulated).
OVER_TOPICS_S = 60.0
PLAIN_WIDTH = 150
#: Where these walks are decided beside the simulation itself.
DECISIVE_OF_A_POPULATION = ("exo_lab/evaluate/exo/population.py",)
#: Most person-minutes that may be asked for: an hour on two cores.
MOST_MINUTES = 500.0


def parser() -> argparse.ArgumentParser:
    """Command line of `exo evaluate exo`."""
    p = argparse.ArgumentParser(
        prog=COMMAND,
        description="Measure an exoskeleton policy: walks without a device, "
        "unpowered, under the published profiles and under the policy, offline and in "
        "lockstep with the supervisor. An evaluation that was interrupted goes on.",
    )
    p.add_argument(
        "policies",
        nargs="*",
        metavar="RUN",
        help="folders that `exo train exo` wrote, or checkpoints; one "
        "for each training seed (default: the checkpoint that comes with the project for --device)",
    )
    p.add_argument("--device", default=None, help="name or YAML (default: the one that the policy was trained for)")
    p.add_argument("--human", default=None, help="walker where a policy's folder names none (default: the project's)")
    p.add_argument(
        "--same-human",
        action="store_true",
        help="the same walker in every condition, also where a policy's folder has one that is used to it",
    )
    p.add_argument(
        "--speeds", type=float, nargs="+", default=list(SPEEDS_MPS), metavar="V", help="m/s (default: %(default)s)"
    )
    p.add_argument("--seeds", type=int, help=f"walks per condition, speed and policy (default: {SEEDS})")
    p.add_argument("--duration", type=float, metavar="S", help=f"of a walk (s, default: {DURATION_S:g})")
    p.add_argument("--quick", action="store_true", help=f"a first look: {QUICK_SEEDS} walk of {QUICK_DURATION_S:g} s")
    p.add_argument("--seed", type=int, default=200, help="seed of the first walk (default: %(default)s)")
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
        help="further conditions: the device is told a mass that is wrong by this share, up and down",
    )
    p.add_argument(
        "--population",
        type=float,
        metavar="MIN",
        help="let people drawn as in the policy's "
        "training walk as well, so many person-minutes for each condition and policy, and count falls",
    )
    p.add_argument("--subject", default="", metavar="YAML", help="subject, or preset:NAME (default: the unscaled body)")
    p.add_argument("--physics-rate", type=float, default=500.0, help="Hz (default: %(default)s)")
    p.add_argument(
        "--deployment",
        nargs="?",
        const=REAL_TIME,
        choices=(REAL_TIME, LOCKSTEP),
        help="walk over topics as well, with policy_node and device_node, and compare (default where given: %(const)s)",
    )
    p.add_argument("--output", default="runs/evaluate_exo", metavar="DIR", help="folder (default: %(default)s)")
    p.add_argument("--workers", type=int, default=os.cpu_count(), help="processes (default: one per core)")
    p.add_argument("--strict", action="store_true", help="exit 1 when a figure misses its target")
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
    argv: Sequence[str] | None = None, deploy: Deploy | None = None, report: Callable[[Path], list[Path]] | None = None
) -> int:
    """Runs the evaluation; returns the exit code.

    Args:
        argv: without the command's name.
        deploy: walks over topics for --deployment; None where there is no graph to start.
        report: draws the folder's report and returns what it wrote.
    """
    options = parser().parse_args(argv)
    try:
        figures = evaluate(options, deploy)
        written = [options.output] + [str(path) for path in (report(Path(options.output)) if report else [])]
    except (SimError, DeviceError, CheckpointError, ValueError) as error:
        print(f"{COMMAND}: {error}", file=sys.stderr)
        return 2
    console = Console() if sys.stdout.isatty() else Console(width=PLAIN_WIDTH)
    for table in (*overview(figures), *limits_table(figures), *population_table(figures)):
        console.print(table)
    print(
        f"{sum(bool(f.met) for f in figures)} of {sum(f.met is not None for f in figures)} targets met; written: "
        f"{', '.join(written)}"
    )
    return 1 if options.strict and missed(figures) else 0


def evaluate(options: argparse.Namespace, deploy: Deploy | None) -> list[Figure]:
    """Walks, writes summary.json, curves.csv and run.json; returns the figures.

    Raises:
        SimError and the errors of device, checkpoint and controller, before anything walks where possible.
    """
    started = time.monotonic()
    _check(options, deploy)
    policies = _policies(options)
    tasks = walk_tasks(options, policies)
    folder = Path(options.output)
    crowd = population_tasks(policies, options.human, options.same_human, options.population or 0.0, options.seed)
    store = ResultStore(folder / FINISHED, options.human, options.subject)
    results = run_all(walk, tasks, options.workers, "walking", store)
    figures = evaluation_figures(results)
    if crowd:
        crowds = ResultStore(
            folder / FINISHED, options.human, options.subject, DECISIVE_OF_A_POPULATION, PopulationWalk
        )
        figures += population_figures(run_all(walk_population, crowd, options.workers, "drawn people", crowds))
    if options.deployment:
        figures += _deployment(options, policies[0], results, deploy, folder, store)
    warn(merged(results).write(folder / CURVES_FILE))
    # where it was written and on how many cores does not decide the result
    config = {k: v for k, v in vars(options).items() if k not in ("output", "workers", "strict", "quick", "policies")}
    seeds, duration = _size(options)
    config |= {
        "seeds": seeds,
        "duration": duration,
        "device": policies[0].device,
        "device_description": find_device(policies[0].device),
        "policies": [_describe(policy) for policy in policies],
    }
    write_summary(folder / SUMMARY_FILE, figures, config, options.seed, {"command": COMMAND})
    write_run_record(folder / "run.json", time.monotonic() - started)
    return figures


def walk_tasks(options: argparse.Namespace, policies: Sequence[Policy]) -> list[WalkTask]:
    """Every seed at every speed in every condition; those that no policy enters are walked once."""
    seeds, duration = _size(options)
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
        for policy, own in zip(policies, walkers):
            human = walkers[0] if shared else own
            checkpoint = policy.checkpoint if kind == LEARNED else ""
            label = "" if shared else policy.label
            for speed in options.speeds:
                for i in range(seeds):
                    task = WalkTask(
                        condition,
                        subject,
                        speed,
                        options.seed + i,
                        duration,
                        device=WORN_BY_NOBODY if kind == NO_DEVICE else policy.device,
                        controller=CONTROLLERS[kind],
                        checkpoint=checkpoint,
                        policy=label,
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


def merged(results: Sequence[WalkResult]) -> StrideRecorder:
    """Strides of all walks, by condition and speed."""
    recorder = StrideRecorder(results[0].recorder.body_mass)
    for result in results:
        recorder.merge(result.recorder)
    return recorder


def _check(options: argparse.Namespace, deploy: Deploy | None) -> None:
    low, high = SPEED_LIMITS_MPS
    for speed in options.speeds:
        if not low <= speed <= high:
            raise SimError(f"--speeds must be between {low} and {high} m/s, got {speed}")
    if len(set(options.speeds)) != len(options.speeds):
        raise SimError("--speeds names a speed twice")
    seeds, duration = _size(options)
    if seeds < 1 or not 2.0 * SETTLE_IN_DEVICE_S < duration <= LONGEST_WALK_S:
        raise SimError(
            f"--seeds must be at least 1 and --duration {2.0 * SETTLE_IN_DEVICE_S:g} to {LONGEST_WALK_S:g} s"
        )
    if any(not 0.0 <= ms <= 100.0 for ms in options.delay_ms):
        raise SimError("--delay-ms must be between 0 and 100 ms")
    if any(not 0.0 < share < 0.5 for share in options.mass_error):
        raise SimError("--mass-error must be a share between 0 and 0.5, for example 0.2")
    if options.population is not None and not 0.0 < options.population <= MOST_MINUTES:
        raise SimError(f"--population must be above 0 and at most {MOST_MINUTES:g} person-minutes")
    if options.deployment is not None and deploy is None:
        raise SimError("--deployment needs the graph; run it as `exo evaluate exo --deployment`")
    load_any_human(options.human)


def _policies(options: argparse.Namespace) -> list[Policy]:
    paths = list(options.policies)
    if not paths:
        device = find_device(options.device or "hip_ankle")
        if device is None:
            raise SimError("--device none has no policy to measure; name a device")
        shipped = shipped_checkpoint(device.joint_names)
        if shipped is None:
            raise SimError(f"no checkpoint comes with the project for {device.name}; name one")
        policies = [Policy("shipped", str(shipped), options.device or "hip_ankle")]
    else:
        policies = [find_policy(path, options.device) for path in paths]
    labels = [policy.label for policy in policies]
    if len(set(labels)) != len(labels):  # folders of the same name in different places
        policies = [dataclasses.replace(policy, label=f"{policy.label}_{i}") for i, policy in enumerate(policies, 1)]
    devices = sorted({policy.device for policy in policies})
    if len(devices) > 1:
        raise SimError(f"the policies were trained for different devices ({', '.join(devices)}); measure them apart")
    device = find_device(devices[0])
    for policy in policies:
        # refused now, not after half an hour of walking
        make_controller(
            "learned",
            joint_names=device.joint_names,
            wearer_mass=75.0,
            torque_limit=device.torque_limits(75.0),
            checkpoint=policy.checkpoint,
        )
        for _, human in policy.humans:
            load_any_human(human)
    return policies


def _size(options: argparse.Namespace) -> tuple[int, float]:
    seeds, duration = (QUICK_SEEDS, QUICK_DURATION_S) if options.quick else (SEEDS, DURATION_S)
    return (
        seeds if options.seeds is None else options.seeds,
        duration if options.duration is None else options.duration,
    )


def _describe(policy: Policy) -> dict:
    _, manifest = load_checkpoint(policy.checkpoint, kind="exo")
    return {
        "label": policy.label,
        "checkpoint": policy.checkpoint,
        "humans": dict(policy.humans),
        "sha256": manifest.sha256,
        "samples": manifest.training.samples,
        "training_seed": manifest.training.seed,
        "git_revision": manifest.training.git_revision,
    }


def _deployment(
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
    assisted = [
        r
        for r in results
        if (r.task.condition, r.task.policy) == (LEARNED, policy.label) and r.task.speed_mps in speeds
    ]
    baseline = [
        dataclasses.replace(
            r.task,
            condition=UNPOWERED,
            controller=CONTROLLERS[UNPOWERED],
            checkpoint="",
            digest=weights_digest("", human),
        )
        for r in assisted
    ]
    unpowered = run_all(walk, baseline, options.workers, "walking unpowered", store)
    found = []
    for speed in speeds:
        pairs = [(a, u) for a, u in zip(assisted, unpowered) if a.task.speed_mps == speed]
        offline = [100.0 * (u.scalar(COST) - a.scalar(COST)) / u.scalar(COST) for a, u in pairs]
        known = [saved for saved in offline if math.isfinite(saved)]
        saved = sum(known) / len(known) if known else math.nan
        over_topics = -deploy(
            TopicWalk(
                policy,
                human,
                options.subject,
                speed,
                OVER_TOPICS_S,
                options.seed,
                options.deployment,
                folder / TOPICS_FOLDER,
            )
        )
        found += [
            Figure(at("saving_over_topics", LEARNED, speed), over_topics, "%"),
            Figure(at("saving_offline_same_walker", LEARNED, speed), saved, "%"),
            Figure.against(
                at("saving_over_topics_share_of_offline", LEARNED, speed),
                over_topics / saved if saved > 0.0 else math.nan,
                "1",
                at_least=SMALLEST_SHARE_OVER_TOPICS,
            ),
        ]
    return found


if __name__ == "__main__":
    sys.exit(main())
