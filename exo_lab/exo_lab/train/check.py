# SPDX-License-Identifier: Apache-2.0
"""How well a policy walks without exploration: a short look during training, and a short walk after each stage.

`exo evaluate` measures the same at length, by strides cut at heel strike; the checks here only rank checkpoints, and tell
whether a stage left a person who walks, and at what cost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from exo_device.description import DeviceDescription
from exo_device.devices import NO_DEVICE
from exo_lab.csv_log import CsvLog
from exo_sim.body.model import build_body
from exo_sim.body.subject import Subject, load_subject
from exo_sim.gait.reference import JOINTS
from exo_sim.human.control import GoalControl, HumanControl
from exo_sim.human.observation import POLICY_RATE_HZ
from exo_sim.human.walkers import Walkers
from exo_sim.plant.energetics import CrowdEnergetics
from exo_sim.plant.offline import NO_CONTROLLER
from exo_sim.plant.simulation import SPEED_RANGE_MPS
from exo_sim.subjects import PRESET_PREFIX
from exo_sim.world.crowd import walk_together
from exo_sim.world.meters import MEANS
from exo_sim.world.walk import SETTLE_IN_DEVICE_S, WalkTask, walk

#: Who walks how fast: the unscaled body over the range of speeds and standing, and the extremes of size.
SPEEDS_MPS = (0.0, 0.6, 0.75, 1.0, 1.25, 1.5, 1.75)
EXTREMES = (Subject(name="small", height_m=1.50, mass_kg=45.0), Subject(name="large", height_m=1.95, mass_kg=110.0))
#: Patients who walk too where impaired people are trained on; how far they are from the healthy gait does not count.
PATIENTS = (
    "plantarflexor_weakness_50_right",
    "drop_foot_left",
    "hip_abductor_weakness_right",
    "knee_extensor_weakness_left",
    "hemiparesis_mild_right",
    "hemiparesis_severe_left",
)
#: One more unscaled body sets out from standing and comes to a stop again at half time.
DURATION_S, SETTLING_S = 16.0, 4.0
_JUDGED = [JOINTS.index(f"{joint}_{side}") for joint in ("hip_flexion", "knee_angle", "ankle_angle") for side in "rl"]
#: A degree of joint error, and a centimetre a second of speed error, weigh as this share of falling in every trial.
_DEGREE_WEIGHT, _SPEED_WEIGHT = 0.02, 0.02


@dataclass
class Check:
    """Figures of n trials: did not fall (bool), error of the mean speed (m/s), joint angle error (deg, offset off), gross
    metabolic power (W/kg, Bhargava 2004)."""

    upright: np.ndarray
    speed_error: np.ndarray
    angle_error: np.ndarray
    power: np.ndarray

    @property
    def score(self) -> float:
        """Higher is better; 1 is perfect."""
        return float(
            self.upright.mean()
            - _DEGREE_WEIGHT * self.angle_error.mean()
            - _SPEED_WEIGHT * 100.0 * self.speed_error.mean()
        )

    @classmethod
    def joined(cls, parts: list[Check]) -> Check:
        """All trials of several checks."""
        return cls(
            *(
                np.concatenate([getattr(part, name) for part in parts])
                for name in ("upright", "speed_error", "angle_error", "power")
            )
        )


class Checker:
    """The trials for one device; bodies are built once.

    Args:
        device: worn, or None.
        physics_rate_hz: of the bodies.
        duration_s: of every trial; the first SETTLING_S do not count.
        patients: presets that walk too, each at their preferred speed.
    """

    def __init__(
        self,
        device: DeviceDescription | None,
        physics_rate_hz: float,
        duration_s: float = DURATION_S,
        patients: tuple[str, ...] = (),
    ):
        self._steps = round(duration_s * POLICY_RATE_HZ)
        model = build_body(Subject(), device, physics_rate_hz, accelerometer=False)
        impaired = [load_subject(PRESET_PREFIX + name) for name in patients]
        others = [
            build_body(subject, device, physics_rate_hz, accelerometer=False) for subject in (*EXTREMES, *impaired)
        ]
        self._walkers = Walkers([model] * (len(SPEEDS_MPS) + 1) + others)
        self._target = np.array([*SPEEDS_MPS, 1.25, 1.25, 1.25, *(subject.preferred_speed_mps for subject in impaired)])
        self._healthy = self._walkers.count - len(impaired)
        self._traveller = len(SPEEDS_MPS)
        self._energetics = CrowdEnergetics(model, self._walkers.coordinators[0])
        self._mass = np.array([body.body_mass for body in self._walkers.bodies])

    def __call__(
        self,
        policy: Callable[[np.ndarray], np.ndarray],
        control: Callable[[Walkers, Callable[[np.ndarray], np.ndarray]], HumanControl] = GoalControl,
    ) -> Check:
        """Lets everybody walk with policy(observation (n, O)) -> action (n, A), which `control` puts into force."""
        walkers, target = self._walkers, self._target.copy()
        for i, speed in enumerate(target):
            walkers.place(i, 0.1 * i % 1.0, 0.0 if i == self._traveller else speed)
        steps, settled = self._steps, round(SETTLING_S * POLICY_RATE_HZ)
        speeds, errors, powers = [], [], []

        def commanded(step: int) -> np.ndarray:
            if step == steps // 2:
                target[self._traveller] = 0.0
            return target

        for period in walk_together(walkers, control(walkers, policy), steps, commanded):
            upright, state = period.upright, period.state
            if period.step >= settled:
                speeds.append(state.velocity[:, 0] - walkers.speed_command)
                goal = walkers.reference.angles(walkers.speed_command, walkers.phase)
                errors.append((state.joint_angle - goal)[:, _JUDGED])
                powers.append(self._energetics.power_per_mass(walkers.datas, walkers.coordinators, self._mass))
        error = np.stack(errors)
        spread = np.rad2deg((error - error.mean(axis=0)).std(axis=0)).mean(axis=1)
        drift, power = np.abs(np.mean(speeds, axis=0)), np.mean(powers, axis=0)
        # a fallen trial counts through `upright`; its other figures are those of the worst that still walks
        for figure in (spread, drift, power):
            figure[~upright] = figure[upright].max() if upright.any() else 0.0
        spread[self._healthy :] = spread[: self._healthy].mean()
        return Check(upright, drift, spread, power)


class CheckLog:
    """Checks of a training as a CSV file, which a resumed training goes on with.

    Args:
        file: of the run folder.
    """

    def __init__(self, file: Path):
        self._log = CsvLog(file)

    @property
    def newest(self) -> dict[str, float]:
        """Figures of the last check."""
        return self._log.rows[-1]

    @property
    def best(self) -> str:
        """The best check so far, in words."""
        if not self._log.rows:
            return "none yet: no check was due"
        best = max(self._log.rows, key=lambda row: row["score"])
        return f"score {best['score']:.3f} at {best['samples']:.0f} samples"

    def due(self, samples: float, period: int) -> bool:
        """Whether the last check is at least `period` samples ago."""
        return not self._log.rows or samples - self.newest["samples"] >= period

    def add(self, samples: float, check: Check, keep: Callable[[dict[str, float]], object] = lambda row: None) -> bool:
        """Writes a check down; returns whether it is the best so far.

        keep: called with its figures where it is, before they are written: what is called the best has to be there.
        """
        best = all(check.score > earlier["score"] for earlier in self._log.rows)
        row = {
            "samples": float(samples),
            "score": check.score,
            "upright_share": float(check.upright.mean()),
            "speed_error_mps": float(check.speed_error.mean()),
            "angle_error_deg": float(check.angle_error.mean()),
            "power_w_kg": float(check.power.mean()),
        }
        if best:
            keep(row)
        self._log.add(row)
        return best


STAGE_SPEED_MPS = 1.25
STAGE_DURATION_S, STAGE_SETTLE_S = 17.0, SETTLE_IN_DEVICE_S
#: Walking is checked by this many walks from different phases of the stride.
STAGE_WALKS = 2


def check_walk(
    device: DeviceDescription | None, human: Path, checkpoint: Path | None, seed: int, wearer: Subject | None = None
) -> dict[str, float]:
    """Walks offline with the device (unpowered without a checkpoint) or without any.

    The wearer walks at the own preferred speed; without one it is the unscaled body at 1.25 m/s.

    Returns:
        falls, and the means of metabolic power (W/kg, Bhargava 2004 and Umberger 2010) and speed (m/s) after settling.
    """
    asked = STAGE_SPEED_MPS if wearer is None else wearer.preferred_speed_mps
    task = WalkTask(
        "check",
        wearer or Subject(),
        asked,
        seed,
        STAGE_DURATION_S,
        device=device or NO_DEVICE,
        controller=NO_CONTROLLER if device is None else "zero" if checkpoint is None else "learned",
        checkpoint="" if checkpoint is None else str(checkpoint),
        human=str(human),
        speed_range_mps=(min(asked, SPEED_RANGE_MPS[0]), max(asked, SPEED_RANGE_MPS[1])),
        settle_s=STAGE_SETTLE_S,
        meters=(MEANS,),
    )
    walks = [walk(replace(task, seed=seed + i)) for i in range(STAGE_WALKS)]
    means = {}
    for name in walks[0].means:
        known = [one.means[name] for one in walks if np.isfinite(one.means[name])]
        means[name] = float(np.mean(known)) if known else float("nan")
    return {"falls": sum(one.fell for one in walks), **means}
