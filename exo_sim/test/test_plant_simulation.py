# SPDX-License-Identifier: Apache-2.0
import json

import numpy as np
import pytest

from exo_device.devices import find_device
from exo_policy.checkpoint import CheckpointError
from exo_sim.body.subject import Subject
from exo_sim.errors import SimError
from exo_sim.gait.curves import CurveTable
from exo_sim.human.checkpoint import shipped_human
from exo_sim.plant.gait_measurement import GaitMeasurement
from exo_sim.plant.offline import OfflineLoop
from exo_sim.plant.simulation import FALL_REST_S, Simulation


def simulation(**changes):
    settings = {"speed_mps": 1.25, "seed": 3}
    return Simulation(Subject(), find_device("hip_ankle"), **{**settings, **changes})


@pytest.fixture(scope="module")
def walked():
    """Samples of 4 s of walking with the device's motors off."""
    sim = simulation()
    return sim, [sim.advance({}) for _ in range(400)]


def test_walks_forward_on_its_own_feet(walked):
    sim, samples = walked
    assert sim.falls == 0
    distance = samples[-1].root_position[0] - samples[0].root_position[0]
    assert distance / (samples[-1].t - samples[0].t) == pytest.approx(1.25, abs=0.15)
    assert abs(samples[-1].root_position[1]) < 0.3 * distance  # the heading is kept, the lane is not
    weight = sim.body.total_mass * sim.body.gravity
    vertical = np.mean([s.grf["r"][2] + s.grf["l"][2] for s in samples[100:]])
    assert vertical == pytest.approx(weight, rel=0.05)  # the floor alone carries the body


def test_time_is_exact_and_signals_are_finite(walked):
    _, samples = walked
    assert [s.t for s in samples[:3]] == [0.01, 0.02, 0.03]
    for sample in samples:
        for value in (
            sample.joint_angle,
            sample.joint_moment,
            sample.activation,
            sample.motors.position,
            sample.motors.linear_acceleration,
            sample.metabolic_power,
        ):
            assert np.isfinite(value).all()
        assert 0.0 <= sample.activation.min() and sample.activation.max() <= 1.0


def test_imu_tells_gravity_and_yaw_like_the_pelvis(walked):
    _, samples = walked
    mean = np.mean([s.motors.linear_acceleration for s in samples[100:]], axis=0)
    assert mean[2] == pytest.approx(9.81, abs=0.8)
    pelvis, imu = samples[-1].root_orientation_xyzw, samples[-1].motors.orientation_xyzw
    assert abs(pelvis @ imu) > 0.999


def test_metabolic_power_is_that_of_a_walking_person(walked):
    sim, samples = walked
    for name in ("metabolic_power", "metabolic_power_umberger"):
        power = np.mean([getattr(s, name) for s in samples[100:]]) / sim.body.body_mass
        assert 2.5 < power < 12.0  # people: 4.2 W/kg; models differ by tens of percent and more


def test_motor_torque_arrives_at_the_joint_and_only_there():
    sim = simulation()
    for _ in range(10):
        sample = sim.advance({"ankle_angle_r": -20.0})
    torque = dict(zip(sample.motors.names, sample.exo_torque, strict=False))
    assert torque["ankle_angle_r"] == pytest.approx(-20.0, abs=0.5)
    assert torque["ankle_angle_l"] == torque["hip_flexion_r"] == 0.0
    index = sample.motors.names.index("ankle_angle_r")
    assert sample.motors.torque[index] == pytest.approx(-20.0, abs=2.0)


def test_same_seed_same_walk_and_another_seed_another_one():
    def positions(seed):
        sim = simulation(seed=seed)
        return np.array([sim.advance({}).motors.position for _ in range(50)])

    assert (positions(1) == positions(1)).all()
    assert (positions(1) != positions(2)).any()


def test_speed_is_approached_gradually_and_checked():
    sim = simulation()
    sim.set_speed(1.35)
    assert sim.advance({}).commanded_speed == pytest.approx(1.252)
    for wrong in (0.1, 5.0, float("nan")):
        with pytest.raises(SimError, match="between"):
            sim.set_speed(wrong)


def test_weakness_and_another_person_under_way():
    sim = simulation()
    for _ in range(20):
        sim.advance({})
    sim.set_strengths({"plantarflexors_r": 0.5})
    soleus = sim.body.muscles.index("soleus_r")
    assert sim.body.model.actuator_gainprm[soleus, 2] == pytest.approx(0.5 * sim.body.default_force[soleus])
    time = sim.t
    sim.set_subject(Subject(height_m=1.80, mass_kg=80.0))
    assert sim.t == time and sim.body.body_mass == pytest.approx(80.0, rel=1e-3)
    assert np.isfinite(sim.advance({}).joint_angle).all()
    with pytest.raises(SimError, match="unknown muscle group"):
        sim.set_strengths({"wings_r": 1.0})


def gait(simulation, seconds=0.3):
    """Joint angles of a walk that goes on for so long."""
    return np.array([list(simulation.advance({}).joint_angle) for _ in range(round(100 * seconds))])


def test_impaired_people_walk_as_they_have_learned_to_and_a_named_walker_serves_everybody():
    weak = Subject(name="weak", strengths={"plantarflexors_r": 0.5})
    own = gait(Simulation(weak, None, seed=3))
    np.testing.assert_array_equal(own, gait(Simulation(weak, None, seed=3, human=str(shipped_human(impaired=True)))))
    healthy = str(shipped_human())
    assert np.abs(own - gait(Simulation(weak, None, seed=3, human=healthy))).max() > 1e-3
    np.testing.assert_array_equal(
        gait(Simulation(Subject(), None, seed=3)), gait(Simulation(Subject(), None, seed=3, human=healthy))
    )


def test_who_becomes_impaired_under_way_walks_on_as_impaired_people_do():
    changed, kept = (Simulation(Subject(), None, seed=3, human=human) for human in (None, str(shipped_human())))
    np.testing.assert_array_equal(gait(changed), gait(kept))
    for simulation in (changed, kept):
        simulation.set_strengths({"plantarflexors_r": 0.5})
    assert np.abs(gait(changed) - gait(kept)).max() > 1e-3


def test_a_fallen_person_hangs_still_and_then_walks_again():
    sim = simulation()
    sim._data.qpos[3:7] = [np.cos(0.6), 0.0, np.sin(0.6), 0.0]
    assert sim.advance({}).fallen and sim.falls == 1
    for _ in range(round(FALL_REST_S / sim.period_s) - 1):
        assert sim.advance({}).fallen
    sim.advance({})
    assert not sim.advance({}).fallen and sim.falls == 1


def test_bad_commands_and_checkpoints_say_what_is_wrong(tmp_path):
    sim = simulation()
    with pytest.raises(SimError, match="no joint 'elbow_r'"):
        sim.advance({"elbow_r": 1.0})
    with pytest.raises(SimError, match="finite"):
        sim.advance({"ankle_angle_r": float("nan")})
    with pytest.raises(CheckpointError, match="no such file"):
        simulation(human=str(tmp_path / "none"))


def test_offline_loop_assists_within_the_device_limits():
    sim = simulation()
    loop = OfflineLoop(sim, "spline")
    limits = dict(zip(sim.body.device.joint_names, sim.body.device.torque_limits(sim.body.body_mass), strict=False))
    peak = dict.fromkeys(limits, 0.0)
    for _ in range(700):
        sample = loop.step()
        for joint, torque in zip(sample.motors.names, sample.exo_torque, strict=False):
            peak[joint] = max(peak[joint], abs(torque))
            assert abs(torque) <= limits[joint] + 1e-6
    assert loop.faults == "" and sim.falls == 0
    assert all(peak[joint] > 0.3 * limits[joint] for joint in limits)


def test_offline_loop_refuses_a_controller_without_a_device():
    bare = Simulation(Subject(), None, speed_mps=1.25)
    with pytest.raises(SimError, match="needs a device"):
        OfflineLoop(bare, "spline")
    OfflineLoop(bare).step()


def test_measurement_counts_strides_by_condition_and_writes_them(tmp_path):
    sim = simulation()
    measurement = GaitMeasurement(sim.body.body_mass, sim.period_s)
    for condition in ("", "walking"):
        measurement.begin(condition, 1.25)
        for _ in range(350):
            measurement.feed(sim.advance({}))
    measurement.write(tmp_path)
    strides = json.loads((tmp_path / "strides.json").read_text())
    assert {s["condition"] for s in strides} == {"", "walking"}
    assert measurement.speed == pytest.approx(1.25, abs=0.2)
    knee = CurveTable.read(tmp_path / "curves.csv").get("walking", "knee_flexion", "r", 1.25)
    assert 35.0 < knee.mean.max() < 80.0
