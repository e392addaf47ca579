# SPDX-License-Identifier: Apache-2.0
"""Which walks an evaluation of patients consists of."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from exo_device.devices import NO_DEVICE as WORN_BY_NOBODY
from exo_lab.conditions import CONTROLLERS, LEARNED, NO_DEVICE, PERSONALISED, PRACTISED, UNPOWERED
from exo_lab.evaluate.impaired.deficits import Deficit
from exo_lab.evaluate.impaired.patients import HEALTHY, Patient, healthy, healthy_selves, severity_series
from exo_lab.evaluate.impaired.policies import WornPolicy
from exo_lab.evaluate.store import weights_digest
from exo_sim.body.subject import Subject
from exo_sim.errors import SimError
from exo_sim.world.meters import JOINT_TORQUE
from exo_sim.world.walk import SETTLE_IN_DEVICE_S, SETTLE_S, WalkTask

SEEDS, DURATION_S = 5, 30.0
QUICK_SEEDS, QUICK_DURATION_S = 2, 15.0


def walk_size(options: argparse.Namespace) -> tuple[int, float]:
    """Walks a person and condition, and how long each is (s)."""
    seeds, duration = (QUICK_SEEDS, QUICK_DURATION_S) if options.quick else (SEEDS, DURATION_S)
    seeds = 1 if options.cohort else seeds
    return (
        seeds if options.seeds is None else options.seeds,
        duration if options.duration is None else options.duration,
    )


def patient_tasks(
    options: argparse.Namespace,
    subject: Subject,
    patients: Sequence[Patient],
    deficits: Sequence[Deficit],
    policies: Sequence[WornPolicy],
    own: Sequence[WornPolicy],
) -> list[WalkTask]:
    """Every walk, each once: without a device everybody, in a device the patients and their healthy selves."""
    selves = healthy_selves(patients, subject)
    people: dict[str, Patient] = {HEALTHY: healthy(subject)} if deficits else {}
    people |= {healed.name: healed for healed in selves.values()}
    tasks: dict[str, WalkTask] = {}
    series = [weak for deficit in deficits for weak in severity_series(deficit, subject, options.side)]
    for patient in (*people.values(), *series, *patients):
        _add(tasks, options, patient, NO_DEVICE, None)
    for worn in policies:
        for patient in (*{healed.name: healed for healed in selves.values()}.values(), *patients):
            for condition in (UNPOWERED, LEARNED):
                _add(tasks, options, patient, condition, worn)
    for worn in own:
        for patient in patients:
            if worn.is_for(patient.subject):
                for condition in (UNPOWERED, PERSONALISED):
                    _add(tasks, options, patient, condition, worn)
                    _add(tasks, options, selves[patient.name], condition, worn)
                if PRACTISED in dict(worn.policy.humans) and not options.same_human:
                    _add(tasks, options, patient, PRACTISED, worn)
    unmatched = [worn.policy.label for worn in own if not any(worn.is_for(p.subject) for p in patients)]
    if unmatched:
        raise SimError(f"{', '.join(unmatched)}: personalised to somebody who is not among --patients; name the wearer")
    return list(tasks.values())


def _add(
    tasks: dict[str, WalkTask], options: argparse.Namespace, patient: Patient, worn: str, policy: WornPolicy | None
) -> None:
    seeds, duration = walk_size(options)
    for i in range(seeds):
        task = make_task(options, patient.name, patient.subject, worn, policy, options.seed + i, duration)
        tasks[repr(task)] = task  # a subject holds dictionaries, which have no hash


def make_task(
    options: argparse.Namespace,
    name: str,
    subject: Subject,
    worn: str,
    policy: WornPolicy | None,
    seed: int,
    duration: float,
) -> WalkTask:
    """The walk of somebody in a condition; `policy` is None without a device."""
    human, checkpoint, label, device = options.human, "", "", WORN_BY_NOBODY
    if policy is not None:
        chosen = policy.policy
        device = chosen.device
        if not options.same_human:
            human = policy.human(subject, LEARNED if worn == PERSONALISED else worn, options.human)
        checkpoint = chosen.checkpoint if worn in (LEARNED, PERSONALISED) else ""
        # two policies with the same walker share the conditions that they do not enter
        label = chosen.label if checkpoint or (chosen.humans and not options.same_human) else ""
    return WalkTask(
        worn,
        subject,
        options.speed,
        seed,
        duration,
        person=name,
        device=device,
        controller=CONTROLLERS[worn],
        checkpoint=checkpoint,
        policy=label,
        human=human,
        digest=weights_digest(checkpoint, human),
        physics_rate_hz=options.physics_rate,
        settle_s=SETTLE_S if worn == NO_DEVICE else SETTLE_IN_DEVICE_S,
        meters=(JOINT_TORQUE,),
    )
