# SPDX-License-Identifier: Apache-2.0
"""How often people of a drawn population fall: every size and strength, on floors, in fits of the device, with sensor
errors and at changing speeds as the policy's training draws them.

The walks of an evaluation are of one body on a good floor at a constant speed, where nobody falls; whether a device
makes people fall shows where walking is hard.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import ValidationError

from exo_device.devices import find_device, without_weight
from exo_device.safety.limits import LIMITS
from exo_lab.conditions import LEARNED, NO_DEVICE, UNPOWERED, Policy
from exo_lab.evaluate.store import weights_digest
from exo_policy.checkpoint import load_checkpoint
from exo_policy.networks import MlpPolicy
from exo_sim.errors import SimError
from exo_sim.human.observation import COORDINATION_RATE_HZ
from exo_sim.measurement import Figure, rate_interval
from exo_sim.world.crowd import Crowd, CrowdConfig, LimitsConfig

#: Person-minutes of one task: few enough that all cores have work.
TASK_MINUTES = 4.0
CONDITIONS = (NO_DEVICE, UNPOWERED, LEARNED)
SECONDS_PER_MINUTE = 60.0


@dataclass(frozen=True)
class PopulationTask:
    """Everything that decides a population's walks; picklable.

    Attributes:
        condition: no_device, unpowered or learned.
        policy: label of the training whose policy or walker this is.
        checkpoint: of the policy, also where it does not act: its manifest tells whom the training drew.
        digest: of checkpoint and walker.
    """

    condition: str
    policy: str
    device: str
    human: str | None
    checkpoint: str
    digest: str
    seed: int


@dataclass(frozen=True)
class PopulationWalk:
    """What came of it: falls, person-minutes walked, and the share of time in which each limit took torque."""

    task: PopulationTask
    falls: int
    minutes: float
    limited: dict[str, float]

    def pack(self) -> tuple[dict, dict[str, np.ndarray]]:
        """All but the task as a JSON document and arrays, for a file."""
        return {"falls": self.falls, "minutes": self.minutes, "limited": self.limited}, {}

    @classmethod
    def unpack(cls, task: PopulationTask, document: dict, arrays: Mapping[str, np.ndarray]) -> PopulationWalk:
        """The reverse of `pack`."""
        return cls(task, **document)


def population_tasks(
    policies: Sequence[Policy], human: str | None, same_human: bool, minutes: float, seed: int
) -> list[PopulationTask]:
    """Tasks of so many person-minutes for each condition and policy.

    Raises:
        SimError: a checkpoint whose manifest does not hold its training's configuration.
    """
    tasks = []
    for policy in policies:
        training_config(policy.checkpoint)
        for condition in CONDITIONS:
            walker = human if same_human else policy.human(condition, human)
            tasks += [
                PopulationTask(
                    condition,
                    policy.label,
                    policy.device,
                    walker,
                    policy.checkpoint,
                    weights_digest(policy.checkpoint, walker),
                    seed + i,
                )
                for i in range(math.ceil(minutes / TASK_MINUTES))
            ]
    return tasks


def training_config(checkpoint: str) -> CrowdConfig:
    """Whom a policy's training drew, from its manifest; they walk with assistance from the beginning.

    Raises:
        SimError: there is none in it.
        CheckpointError: a checkpoint that cannot be used.
    """
    _, manifest = load_checkpoint(checkpoint, kind="exo")
    fields = manifest.training.config.get("config", manifest.training.config)
    known = {name: value for name, value in fields.items() if name in CrowdConfig.model_fields}
    try:
        return CrowdConfig.model_validate(known | {"limits": LimitsConfig(already_walking=1.0)})
    except ValidationError as error:
        raise SimError(
            f"{checkpoint}: its manifest does not hold the configuration of its training, so nobody knows "
            "whom to draw; leave out --population"
        ) from error


def walk_population(task: PopulationTask) -> PopulationWalk:
    """Lets drawn people walk, somebody else after every fall or episode.

    Raises:
        SimError, DeviceError, CheckpointError: as their parts do.
    """
    config, device = training_config(task.checkpoint), find_device(task.device)
    if task.condition == NO_DEVICE:
        device = without_weight(device)
    tensors, manifest = load_checkpoint(task.checkpoint, kind="exo")
    policy = MlpPolicy(manifest.network, tensors)
    crowd, falls = Crowd(device, config, task.human, np.random.default_rng(task.seed)), 0
    nothing = np.zeros_like(crowd.share, dtype=np.float32)
    crowd.begin()
    limited = dict.fromkeys(LIMITS, 0.0)
    steps = math.ceil(TASK_MINUTES * SECONDS_PER_MINUTE * COORDINATION_RATE_HZ / crowd.count)
    for _ in range(steps):
        crowd.act(policy(crowd.observation) if task.condition == LEARNED else nothing)
        crowd.advance()
        limited = {limit: limited[limit] + float(bites.mean()) / steps for limit, bites in crowd.limiter.bites.items()}
        fallen = crowd.walkers.fallen(crowd.walkers.state())
        falls += int(fallen.sum())
        crowd.renew(np.flatnonzero(fallen | crowd.out_of_time))
    return PopulationWalk(task, falls, steps * crowd.count / COORDINATION_RATE_HZ / SECONDS_PER_MINUTE, limited)


def population_figures(walks: Sequence[PopulationWalk]) -> list[Figure]:
    """Falls per person-minute by condition, over all policies, with the interval of a Poisson rate."""
    figures = []
    for condition in CONDITIONS:
        own = [walk for walk in walks if walk.task.condition == condition]
        if own:
            minutes = sum(walk.minutes for walk in own)
            rate, interval = rate_interval(sum(walk.falls for walk in own), minutes)
            figures += [
                Figure(falls_name(condition), rate, "1/min", interval=interval),
                Figure(minutes_name(condition), minutes, "min"),
            ]
        if own and condition == LEARNED:
            figures += [
                Figure(limited_name(limit), float(np.mean([walk.limited[limit] for walk in own])), "1")
                for limit in LIMITS
            ]
    return figures


def falls_name(condition: str) -> str:
    """Name of the figure of how often people fell in a condition."""
    return f"population_falls_per_minute.{condition}"


def limited_name(limit: str) -> str:
    """Name of the figure of how often, over all joints, a limit of the device took torque from the policy's."""
    return f"population_limited_by_{limit}.{LEARNED}"


def minutes_name(condition: str) -> str:
    """Name of the figure of how long people walked in a condition."""
    return f"population_minutes.{condition}"
