# SPDX-License-Identifier: Apache-2.0
"""Sound walking for an hour of simulated time: does the device stop for nothing, or stay shut?

Eight people at five speeds each: unpowered, with the spline, with the learned policy; in lockstep, and with driver,
control loop and emulated motors in made time, whose bus loses replies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pytest

from endurance.made_walk import EmulatedMotors, MadeWalk
from exo_device.devices import find_device
from exo_device.emulator import Fault, FaultPlan
from exo_device.safety import Mode
from exo_policy.controllers.learned import PATIENTS, shipped_checkpoint
from exo_sim.body.subject import Subject, make_subject
from exo_sim.measurement import Figure
from exo_sim.plant.offline import OfflineLoop
from exo_sim.plant.simulation import Simulation

DEVICE = "hip_ankle"
WEARERS = {
    "average": {},
    "light": {"height_m": 1.62, "mass_kg": 58.0, "preferred_speed_mps": 1.2},
    "heavy": {"height_m": 1.82, "mass_kg": 92.0, "preferred_speed_mps": 1.3},
    "small": {"height_m": 1.52, "mass_kg": 48.0, "preferred_speed_mps": 1.15},
    "large": {"height_m": 1.93, "mass_kg": 108.0, "preferred_speed_mps": 1.3},
}
#: Who walks in this device without having practised in it.
PATIENTS_WORN = ("plantarflexor_weakness_50_right", "hemiparesis_mild_left", "age_related_weakness")
PEOPLE = (*WEARERS, *PATIENTS_WORN)
#: Shares of the speed that each of them prefers.
SPEED_SHARES = (0.7, 0.85, 1.0, 1.15, 1.3)
SPEED_LIMITS_MPS = (0.55, 1.8)
CONTROLLERS = ("zero", "spline", "learned")
#: Replies of the motors that get lost.
LOSS = "dropped,value=0.01"
#: Armed this long (s) after the start, as somebody who walks already presses the button. A full stride and two more
#: later the assistance is all there.
ARM_S, OPEN_BY_S = 0.5, 8.0
#: A person who falls within this time (s) after a stop was falling already.
FALLING_S = 1.5
#: Time constant (s) of the specific force that the IMU's orientation is held against.
FORCE_LOW_PASS_S = 1.0
#: The supervisor takes over 25 degrees for a broken IMU: sound walking stays far below (deg).
LARGEST_DISAGREEMENT_DEG = 15.0


@dataclass
class Tally:
    """What one person's walks came to."""

    walked_s: float = 0.0
    falls: int = 0
    #: Stops of people who did not fall, with cause and place.
    alarms: list[str] = field(default_factory=list)
    #: Falls that the device stopped at before or within 0.3 s.
    noticed_falls: int = 0
    #: Seconds after OPEN_BY_S, and those of them with the whole assistance.
    open_s: float = 0.0
    could_be_open_s: float = 0.0
    #: Largest angle (rad) between the orientation's up and the low-passed specific force.
    disagreement_rad: float = 0.0


def person(name: str) -> Subject:
    return make_subject({"name": name, **WEARERS[name]} if name in WEARERS else {"preset": name})


class Lockstep:
    """Person, policy and supervisor step by step."""

    def __init__(self, simulation: Simulation, controller: str, **params) -> None:
        self._loop = OfflineLoop(simulation, controller, **params)
        self.supervisor, self.step = self._loop._supervisor, self._loop.step

    def arm(self) -> None:
        pass  # it has armed by itself

    def snapshot(self):
        return self.supervisor.snapshot(self._loop._now())


class MadeTime:
    """The same with the control loop, the driver `cubemars_can` and emulated motors on a bus that loses replies."""

    def __init__(self, simulation: Simulation, controller: str, **params) -> None:
        plan = FaultPlan([Fault.parse(LOSS)], seed=1)
        self._walk = MadeWalk(
            simulation, lambda person, clock: EmulatedMotors(person, clock, plan), controller, **params
        ).__enter__()
        self.supervisor, self.step = self._walk.supervisor, self._walk.step

    def arm(self) -> None:
        answer = self._walk.loop.arm()
        assert answer.success, answer.message

    def snapshot(self):
        return self.supervisor.snapshot(self._walk.loop._now())


def walk(tally: Tally, name: str, speed_mps: float, controller: str, way: type, duration_s: float, seed: int) -> None:
    """Adds a walk to the tally; whoever falls begins anew until the time is over."""
    end_s = tally.walked_s + duration_s
    while tally.walked_s < end_s - 1e-9:
        simulation = Simulation(
            person(name), find_device(DEVICE), speed_mps=speed_mps, seed=seed, speed_range_mps=SPEED_LIMITS_MPS
        )
        params = {}
        if controller == "learned" and name in PATIENTS_WORN:
            params["checkpoint"] = str(shipped_checkpoint(simulation.body.exo_joints, PATIENTS))
        walking = way(simulation, controller, **params)
        where = f"{name} at {speed_mps:.2f} m/s, {controller}, {way.__name__}, seed {seed}"
        _one(tally, simulation, walking, where, min(duration_s, end_s - tally.walked_s))
        seed += 1


def _one(tally: Tally, simulation: Simulation, walking: Lockstep | MadeTime, where: str, duration_s: float) -> None:
    force, stopped, armed = np.zeros(3), None, False
    while simulation.t < duration_s - 1e-9:
        if not armed and simulation.t >= ARM_S:
            walking.arm()
            armed = True
        sample = walking.step()
        tally.walked_s += simulation.period_s
        share = simulation.period_s / FORCE_LOW_PASS_S
        force += share * (sample.motors.linear_acceleration - force)
        if walking.supervisor.mode in (Mode.STOPPING, Mode.FAULT) and stopped is None:
            stopped = (simulation.t, walking.snapshot().cause)
        if sample.fallen:
            tally.falls += 1
            # a stop long before was no consequence of this fall
            fell_s = simulation.t
            while stopped is None and simulation.t < fell_s + 0.3:
                walking.step()
                if walking.supervisor.mode in (Mode.STOPPING, Mode.FAULT):
                    stopped = (simulation.t, "")
            if stopped and stopped[0] >= fell_s - FALLING_S:
                tally.noticed_falls += 1
            elif stopped:
                tally.alarms.append(f"{where}: {stopped[0]:.2f} s: {stopped[1]}; fell at {fell_s:.2f} s")
            return
        if stopped is not None and simulation.t > stopped[0] + FALLING_S:
            tally.alarms.append(f"{where}: {stopped[0]:.2f} s: {stopped[1]}")
            return
        if simulation.t > 4.0 * FORCE_LOW_PASS_S:
            tally.disagreement_rad = max(
                tally.disagreement_rad, angle_rad(up_of(sample.motors.orientation_xyzw), force)
            )
        if simulation.t > OPEN_BY_S and stopped is None:
            gain = walking.snapshot().assistance_gain
            tally.could_be_open_s += simulation.period_s
            tally.open_s += simulation.period_s * (gain >= 1.0)
    if stopped is not None:
        tally.alarms.append(f"{where}: {stopped[0]:.2f} s: {stopped[1]}")


def up_of(orientation_xyzw: np.ndarray) -> np.ndarray:
    """The world's up in the IMU's frame."""
    x, y, z, w = orientation_xyzw
    return np.array([2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)])


def angle_rad(a: np.ndarray, b: np.ndarray) -> float:
    return math.atan2(float(np.linalg.norm(np.cross(a, b))), float(a @ b))


@pytest.mark.endurance
@pytest.mark.parametrize("name", PEOPLE)
def test_sound_walking_raises_no_fault_and_opens_the_gate(results, request, name):
    seconds, seed = request.config.getoption("--walk-seconds"), request.config.getoption("--trial-seed")
    tally, preferred = Tally(), person(name).preferred_speed_mps
    for index, share in enumerate(SPEED_SHARES):
        speed = float(np.clip(share * preferred, *SPEED_LIMITS_MPS))
        turn = index + PEOPLE.index(name)
        way = (Lockstep, MadeTime)[turn % 2]
        walk(tally, name, speed, CONTROLLERS[turn % len(CONTROLLERS)], way, seconds, seed + 100 * index)
        results.keep(f"false alarms {name} {speed:.2f} m/s", vars(tally))
    results.judge(
        [
            Figure.against(f"{name}_walked", tally.walked_s, "s", at_least=seconds * len(SPEED_SHARES) - 1.0),
            Figure.against(f"{name}_false_alarms", len(tally.alarms), "1", at_most=0),
            Figure.against(f"{name}_gate_open", tally.open_s / max(tally.could_be_open_s, 1e-9), "1", at_least=0.95),
            Figure(f"{name}_falls", tally.falls, "1"),
            Figure.against(f"{name}_falls_not_noticed", tally.falls - tally.noticed_falls, "1", at_most=0),
            Figure.against(
                f"{name}_imu_disagreement",
                math.degrees(tally.disagreement_rad),
                "deg",
                at_most=LARGEST_DISAGREEMENT_DEG,
            ),
        ],
        **{f"{name}_alarms": tally.alarms},
    )
