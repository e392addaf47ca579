# SPDX-License-Identifier: Apache-2.0
"""Simulation and device are interchangeable: the same policy and supervisor on the driver `simulated`, and on
`cubemars_can` with emulated motors, whose CAN frames lie between.

One process, in simulated time, so that a slow machine does not count.
"""

import numpy as np
import pytest

from endurance.made_walk import EmulatedMotors, MadeWalk, MemoryMotors
from exo_device.devices import find_device
from exo_device.safety import Mode, SafetyConfig
from exo_sim.body.subject import Subject
from exo_sim.plant.simulation import Simulation

SPEED_MPS = 1.25
ARM_S, COMPARE_FROM_S, DURATION_S = 1.0, 4.5, 8.0
#: Steps of the position, velocity and torque fields move the torque by less than this (Nm, RMS); a minute of
#: walking showed 0.10 to 0.23 Nm.
LARGEST_RMS_NM = 0.5


def walk(motors_of) -> np.ndarray:
    """Walks with the spline controller. Torque of each control period (Nm); shape (periods, joints)."""
    device = find_device("hip_ankle")
    simulation = Simulation(Subject(), device, speed_mps=SPEED_MPS, seed=1)
    history = []
    with MadeWalk(simulation, motors_of, "spline", SafetyConfig(fade_in_strides=1.0)) as walking:
        while simulation.t < DURATION_S:
            if simulation.t >= ARM_S and walking.supervisor.mode is Mode.DISARMED:
                assert walking.loop.arm().success
            history.append([walking.torque.get(name, 0.0) for name in device.joint_names])
            walking.step()
        assert walking.supervisor.mode is Mode.ACTIVE and not simulation.falls
    return np.array(history)


@pytest.fixture(scope="module")
def walks():
    return {kind.__name__: walk(kind) for kind in (MemoryMotors, EmulatedMotors)}


def test_torque_over_can_is_that_of_the_simulation_within_its_steps_and_one_period(walks):
    start = round(100 * COMPARE_FROM_S)
    simulated, emulated = walks["MemoryMotors"][start:-1], walks["EmulatedMotors"]
    assert np.abs(simulated).max(axis=0).min() > 10.0  # there is torque to compare
    rms = {
        lag: np.sqrt(np.mean((simulated - emulated[start + lag :][: len(simulated)]) ** 2, axis=0)).max()
        for lag in (0, 1)
    }
    assert min(rms.values()) < LARGEST_RMS_NM, rms
