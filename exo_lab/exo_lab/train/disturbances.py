# SPDX-License-Identifier: Apache-2.0
"""What happens to people while they walk in training: pushes at the pelvis, sensor noise, assistance of random strength."""

from __future__ import annotations

import numpy as np

from exo_lab.train.config import DisturbanceConfig
from exo_policy.profiles import ANKLE_GENERIC, HIP, joint_sign
from exo_sim.body.model import PELVIS_BODY, BodyModel
from exo_sim.gait.reference import JOINTS, LEG_JOINTS
from exo_sim.human.observation import HUMAN_TERMS, POLICY_RATE_HZ
from exo_sim.human.walkers import Walkers

#: Share of episodes with any assistance.
ASSISTED_SHARE = 0.7
#: Standard deviation of the assistance's timing (share of a stride): controllers are not exact.
TIMING_SD_STRIDE = 0.02
_NODES = 200


def _profile(joint: str) -> np.ndarray:
    """Torque over the stride (NODES,) as a share of the peak; zero for joints without a validated profile."""
    phase = np.arange(_NODES) / _NODES
    for profile in (ANKLE_GENERIC, HIP):
        if joint.startswith(profile.joint):
            return joint_sign(joint) * profile(phase)
    return np.zeros(_NODES)


class RandomAssistance:
    """Writes device torques into the bodies' controls, following each body's own reference phase.

    Attributes:
        level: largest share of the device's limits that is drawn, 0 to 1.

    Args:
        body: of the first person; the device is everybody's.
        count: people.
        random: of everything drawn.
        assisted_share: of episodes with any assistance.
        timing_sd: standard deviation of its timing (share of a stride).
    """

    def __init__(
        self,
        body: BodyModel,
        count: int,
        random: np.random.Generator,
        assisted_share: float = ASSISTED_SHARE,
        timing_sd: float = TIMING_SD_STRIDE,
    ):
        self.level = 0.0
        self._assisted_share, self._timing_sd = assisted_share, timing_sd
        self._random = random
        joints = body.exo_joints
        self._profiles = np.stack([_profile(joint) for joint in joints]) if joints else np.zeros((0, _NODES))
        left = np.array([JOINTS.index(joint) >= len(LEG_JOINTS) for joint in joints], dtype=float)
        self._shift = 0.5 * left
        self._kinds = np.array([joint.rsplit("_", 1)[0] for joint in joints])
        self._amplitude = np.zeros((count, len(joints)))
        self._timing = np.zeros(count)

    def draw(self, i: int, body: BodyModel) -> None:
        """New strength and timing for person i of this body; both sides of a joint get the same."""
        if len(self._kinds) == 0:
            return
        limits = np.array(body.device.torque_limits(body.body_mass))
        assisted = self._random.random() < self._assisted_share
        for kind in np.unique(self._kinds):
            share = self._random.uniform(0.0, self.level) if assisted else 0.0
            self._amplitude[i, self._kinds == kind] = share * limits[self._kinds == kind]
        self._timing[i] = self._random.normal(0.0, self._timing_sd)

    def apply(self, walkers: Walkers) -> None:
        """Sets every body's device torque for the coming coordination period."""
        if len(self._kinds) == 0:
            return
        phase = (walkers.phase + self._timing)[:, None] + self._shift
        node = ((phase - np.floor(phase)) * _NODES).astype(int) % _NODES
        torque = self._amplitude * self._profiles[np.arange(len(self._kinds)), node]
        actuators = walkers.body.exo_actuators
        for data, row in zip(walkers.datas, torque, strict=False):
            data.ctrl[actuators] = row


class RandomPushes:
    """Horizontal forces of random size, direction and duration at the pelvis, now and then.

    Attributes:
        level: share of the largest force that is drawn, 0 to 1.
    """

    def __init__(self, walkers: Walkers, config: DisturbanceConfig, random: np.random.Generator):
        self.level = 0.0
        self._config, self._random = config, random
        self._pelvis = walkers.body.model.body(PELVIS_BODY).id
        self._remaining_s = np.zeros(walkers.count)

    def forget(self, i: int) -> None:
        """Ends the push on person i."""
        self._remaining_s[i] = 0.0

    def apply(self, walkers: Walkers) -> None:
        """Starts, holds and ends pushes for the coming policy period."""
        if self.level == 0.0:
            return
        period, random, config = 1.0 / POLICY_RATE_HZ, self._random, self._config
        ending = (self._remaining_s > 0.0) & (self._remaining_s <= period)
        self._remaining_s = np.maximum(self._remaining_s - period, 0.0)
        for i in np.flatnonzero(ending):
            walkers.datas[i].xfrc_applied[self._pelvis, :2] = 0.0
        for i in np.flatnonzero(
            (random.random(walkers.count) < period / config.push_every_s) & (self._remaining_s == 0.0)
        ):
            force = self.level * random.uniform(0.0, config.push_force_n)
            direction = random.uniform(0.0, 2.0 * np.pi)
            walkers.datas[i].xfrc_applied[self._pelvis, :2] = force * np.cos(direction), force * np.sin(direction)
            self._remaining_s[i] = random.uniform(*config.push_duration_s)


class SensorNoise:
    """White noise on what the policy senses of its body.

    Attributes:
        level: share of the configured deviations, 0 to 1.
    """

    def __init__(self, config: DisturbanceConfig, random: np.random.Generator):
        self.level = 0.0
        self._random = random
        self._deviation = np.concatenate(
            [np.full(term.size, config.sensor_noise.get(term.name, 0.0) * term.scale) for term in HUMAN_TERMS]
        ).astype(np.float32)

    def __call__(self, observation: np.ndarray) -> np.ndarray:
        """The observation (n, O) with noise."""
        if self.level == 0.0:
            return observation
        noise = self._random.standard_normal(observation.shape, dtype=np.float32)
        return observation + self.level * self._deviation * noise
