# SPDX-License-Identifier: Apache-2.0
"""The observation and action contract, on the device and batched."""

import dataclasses

import numpy as np
import pytest

from exo_core.joints import STRENGTH_GROUPS, JointNameError
from exo_policy.action import ActionFilter, exo_action_terms
from exo_policy.manifest import contract_differences
from exo_policy.observation import (
    DeviceObservation,
    ExoObservation,
    ObservationError,
    UpFromInertial,
    exo_contract,
    pack_terms,
    read_strengths,
    torque_share,
    up_from_orientation,
    usable_contract,
)

JOINTS = ("hip_flexion_r", "ankle_angle_r")
MASS, LIMIT = 75.0, np.array([22.5, 37.5])


def sample(stamp_s=0.0, names=JOINTS, **changes):
    n = len(names)
    values = {
        "stamp_s": stamp_s,
        "joint_names": names,
        "position": np.arange(1.0, n + 1),
        "velocity": 10.0 * np.arange(1.0, n + 1),
        "torque": np.array([11.25, -37.5])[:n],
        "orientation_xyzw": np.array([0.0, 0.0, 0.0, 1.0]),
        "angular_velocity": np.array([1.0, 2.0, 3.0]),
        "linear_acceleration": np.array([0.0, 0.0, 9.81]),
    }
    return DeviceObservation(**{**values, **changes})


def test_layout_of_the_vector():
    builder = ExoObservation(exo_contract(JOINTS, history=2), JOINTS, MASS, LIMIT)
    first = builder.update(sample())
    frame = [1.0, 2.0, 1.0, 2.0, 0.0, 0.0, 1.0, 0.2, 0.4, 0.6, 0.5, -1.0]
    once = [0.75, 0.3, 0.5]
    np.testing.assert_allclose(first, frame + frame + once, rtol=1e-6)
    second = builder.update(sample(0.01, position=np.array([5.0, 6.0])))
    np.testing.assert_allclose(second, frame + [5.0, 6.0] + frame[2:] + once, rtol=1e-6)  # newest frame last
    assert len(first) == builder.contract.observation_size
    builder.set_wearer(50.0, np.array([10.0, 20.0]))
    np.testing.assert_allclose(builder.update(sample(0.02))[-3:], [0.5, 0.2, 0.4], rtol=1e-6)


def test_a_policy_that_is_told_strengths_sees_them_last():
    contract = exo_contract(JOINTS, history=2, strengths=True)
    builder = ExoObservation(contract, JOINTS, MASS, LIMIT)
    healthy = builder.update(sample())
    assert len(healthy) == contract.observation_size
    assert (healthy[-len(STRENGTH_GROUPS) :] == 1.0).all()
    builder.set_strengths({"plantarflexors_r": 0.5, "dorsiflexors_l": 0.25})
    told = builder.update(sample(0.01))
    assert told[-len(STRENGTH_GROUPS) :][STRENGTH_GROUPS.index("plantarflexors_r")] == 0.5
    assert told[-1] == 0.25 and told[-len(STRENGTH_GROUPS) :].sum() == pytest.approx(len(STRENGTH_GROUPS) - 1.25)
    without = ExoObservation(exo_contract(JOINTS, history=2), JOINTS, MASS, LIMIT).update(sample())
    assert np.array_equal(without, healthy[: -len(STRENGTH_GROUPS)])
    assert contract_differences(usable_contract(contract, JOINTS, 100.0), contract) == []


@pytest.mark.parametrize("strengths, needle", [({"toes_r": 0.5}, "toes_r"), ({"hip_flexors_l": 3.0}, "hip_flexors_l")])
def test_strengths_that_make_no_sense_are_refused(strengths, needle):
    with pytest.raises(ObservationError, match=needle):
        ExoObservation(exo_contract(JOINTS, strengths=True), JOINTS, MASS, LIMIT).set_strengths(strengths)


def test_strengths_as_text():
    assert read_strengths("") == {} and read_strengths("a_r: 0.5, b_l:1 ,") == {"a_r": 0.5, "b_l": 1.0}
    for text in ("plantarflexors_r 0.5", "plantarflexors_r: half"):
        with pytest.raises(ObservationError, match="is not like"):
            read_strengths(text)


def test_joints_are_matched_by_name():
    swapped = JOINTS[::-1]
    ours = ExoObservation(exo_contract(JOINTS), JOINTS, MASS, LIMIT).update(sample())
    theirs = ExoObservation(exo_contract(JOINTS), swapped, MASS, LIMIT[::-1]).update(
        sample(
            names=swapped,
            position=np.array([2.0, 1.0]),
            velocity=np.array([20.0, 10.0]),
            torque=np.array([-37.5, 11.25]),
        )
    )
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "changes, needle",
    [
        ({"position": np.array([np.nan, 0.0])}, "position holds NaN"),
        ({"angular_velocity": np.array([0.0, np.inf, 0.0])}, "angular_velocity holds NaN"),
        ({"velocity": np.zeros(3)}, "velocity has shape"),
        ({"joint_names": ("hip_flexion_r", "ankle_angle_l")}, "expected hip_flexion_r, ankle_angle_r"),
        ({"orientation_xyzw": np.zeros(4)}, "zero quaternion"),
        ({"stamp_s": float("nan")}, "stamp_s"),
    ],
)
def test_bad_samples_are_refused(changes, needle):
    builder = ExoObservation(exo_contract(JOINTS), JOINTS, MASS, LIMIT)
    with pytest.raises(ObservationError, match=needle):
        builder.update(sample(**changes))


def test_wrong_rate_is_refused_and_dropped_or_late_samples_are_not():
    builder = ExoObservation(exo_contract(JOINTS, rate_hz=100.0), JOINTS, MASS, LIMIT)
    with pytest.raises(ObservationError, match="50.0 Hz, the contract says 100 Hz"):
        for i in range(100):
            builder.update(sample(0.02 * i))
    builder.reset()
    received = np.flatnonzero(np.random.default_rng(1).random(400) > 0.5)  # half are lost
    for i in received:
        builder.update(sample(0.01 * i))
    builder.reset()
    for i in range(400):  # a driver that waits for a reply that was lost: some come late, the next as ever
        builder.update(sample(0.01 * i + (0.0025 if i % 10 == 0 else 0.0)))


def test_a_long_gap_forgets_the_history():
    builder = ExoObservation(exo_contract(JOINTS, history=2), JOINTS, MASS, LIMIT)
    builder.update(sample(0.0))
    vector = builder.update(sample(9.0, position=np.array([5.0, 6.0])))
    assert vector[0] == 5.0 and vector[12] == 5.0


def test_up_vector_follows_the_tilt():
    half = np.deg2rad(30.0) / 2.0
    pitched = up_from_orientation([0.0, np.sin(half), 0.0, np.cos(half)])  # about +y: nose down
    np.testing.assert_allclose(pitched, [-0.5, 0.0, np.cos(np.deg2rad(30.0))], atol=1e-12)
    rolled = up_from_orientation([np.sin(half), 0.0, 0.0, np.cos(half)])  # about +x: right side down
    np.testing.assert_allclose(rolled, [0.0, 0.5, np.cos(np.deg2rad(30.0))], atol=1e-12)
    yawed = up_from_orientation([0.0, 0.0, 2.0 * np.sin(1.0), 2.0 * np.cos(1.0)])  # any norm
    np.testing.assert_allclose(yawed, [0.0, 0.0, 1.0], atol=1e-12)


def test_up_vector_without_orientation_agrees_with_orientation():
    """A pelvis that pitches by 10 degrees at 1 Hz while it bounces, seen by gyro and accelerometer alone."""
    inertial, dt = UpFromInertial(), 0.01
    worst = 0.0
    for i in range(1000):
        t = i * dt
        pitch, rate = 0.17 * np.sin(2 * np.pi * t), 0.17 * 2 * np.pi * np.cos(2 * np.pi * t)
        truth = up_from_orientation([0.0, np.sin(pitch / 2), 0.0, np.cos(pitch / 2)])
        force = truth * (9.81 + 3.0 * np.cos(4 * np.pi * t))
        up = inertial.update(dt, np.array([0.0, rate, 0.0]), force)
        worst = max(worst, np.degrees(np.arccos(np.clip(up @ truth, -1, 1))))
    assert worst < 2.0


def test_missing_orientation_uses_the_accelerometer():
    builder = ExoObservation(exo_contract(JOINTS, history=1), JOINTS, MASS, LIMIT)
    vector = builder.update(sample(orientation_xyzw=None, linear_acceleration=np.array([0.0, 9.81, 0.0])))
    np.testing.assert_allclose(vector[4:7], [0.0, 1.0, 0.0], atol=1e-6)


def test_terms_pack_batches_of_environments():
    contract = exo_contract(JOINTS)
    frame = [term for term in contract.observation if term.per_frame]
    values = {term.name: np.ones((5, term.size)) for term in frame}
    packed = pack_terms(frame, values)
    assert packed.shape == (5, contract.frame_size) and packed.dtype == np.float32
    values["up_vector"] = np.ones(3)  # broadcasts over environments
    assert pack_terms(frame, values).shape == packed.shape
    with pytest.raises(ObservationError, match="joint_position"):
        pack_terms(frame, {**values, "joint_position": np.ones((5, 3))})
    del values["angular_velocity"]
    with pytest.raises(ObservationError, match="angular_velocity"):
        pack_terms(frame, values)


def test_torque_share_of_a_locked_joint_is_zero():
    np.testing.assert_allclose(torque_share(np.array([5.0, 1.0]), np.array([10.0, 0.0])), [0.5, 0.0])


def test_ankle_is_only_pushed_into_plantarflexion():
    terms = exo_action_terms(("hip_flexion_r", "ankle_angle_l"), low_pass_hz=None)
    action = ActionFilter(terms, 100.0).update(np.array([2.0, 0.7]))
    np.testing.assert_allclose(action, [1.0, 0.0])
    np.testing.assert_allclose(ActionFilter(terms, 100.0).update(np.array([-2.0, -2.0])), [-1.0, -1.0])
    free = exo_action_terms(("ankle_angle_l",), low_pass_hz=None, plantarflexion_only=False)
    np.testing.assert_allclose(ActionFilter(free, 100.0).update(np.array([0.7])), [0.7])


def test_low_pass_is_first_order_with_its_cut_off():
    low_pass = ActionFilter(exo_action_terms(("hip_flexion_r",), low_pass_hz=5.0), 100.0)
    step = [low_pass.update(np.ones(1))[0] for _ in range(30)]
    time_constant = 1.0 / (2.0 * np.pi * 5.0)
    np.testing.assert_allclose(step, 1.0 - np.exp(-0.01 * np.arange(1, 31) / time_constant), rtol=1e-5)
    low_pass.reset()
    assert low_pass.update(np.zeros(1))[0] == 0.0


def test_low_pass_resets_single_environments():
    low_pass = ActionFilter(exo_action_terms(("hip_flexion_r",)), 100.0)
    low_pass.update(np.ones((3, 1)))
    low_pass.reset(np.array([False, True, False]))
    after = low_pass.update(np.zeros((3, 1)))[:, 0]
    assert after[1] == 0.0 and after[0] > 0.0 and after[2] > 0.0


def test_what_a_checkpoint_may_choose_and_what_not():
    device = ("ankle_angle_r", "hip_flexion_r")
    chosen = exo_contract(JOINTS, history=3, low_pass_hz=None, plantarflexion_only=False)
    assert contract_differences(usable_contract(chosen, device, 100.0), chosen) == []
    fewer = chosen.model_copy(update={"observation": chosen.observation[:2]})
    assert contract_differences(usable_contract(fewer, device, 100.0), fewer) == []
    slow = chosen.model_copy(update={"rate_hz": 50.0})
    assert contract_differences(usable_contract(slow, device, 100.0), slow) == [
        "rate_hz: expected 100.0, checkpoint has 50.0"
    ]
    phase = chosen.observation[0].model_copy(update={"name": "gait_phase", "size": 1})
    cheat = chosen.model_copy(update={"observation": (*chosen.observation, phase)})
    assert contract_differences(usable_contract(cheat, device, 100.0), cheat) == [
        "observation.gait_phase: not expected, checkpoint has it"
    ]
    other = contract_differences(usable_contract(chosen, ("hip_flexion_r", "hip_flexion_l"), 100.0), chosen)
    assert other[0] == (
        "action.names: expected [hip_flexion_r, hip_flexion_l], checkpoint has [hip_flexion_r, ankle_angle_r]"
    )


def test_contract_needs_joints():
    with pytest.raises(JointNameError):
        exo_contract(())
    with pytest.raises(JointNameError, match="repeated"):
        exo_contract(("hip_flexion_r", "hip_flexion_r"))


def test_observation_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        sample().stamp_s = 1.0


@pytest.mark.parametrize("oriented", [True, False])
def test_many_devices_at_once_are_seen_as_each_alone(oriented):
    """Three wearers with random readings, one of whom begins anew; joints in another order than the network's."""
    random, names = np.random.default_rng(4), JOINTS[::-1]
    contract = exo_contract(JOINTS, history=3, strengths=True)
    mass, limit = np.array([50.0, 75.0, 100.0]), random.uniform(5.0, 40.0, (3, 2))
    crowd = ExoObservation(contract, names, mass, limit, count=3)
    strengths = random.uniform(0.2, 1.0, (3, len(STRENGTH_GROUPS)))
    crowd.set_strengths(strengths)

    def alone(i):
        builder = ExoObservation(contract, names, mass[i], limit[i])
        builder.set_strengths(dict(zip(STRENGTH_GROUPS, strengths[i], strict=True)))
        return builder

    builders = [alone(i) for i in range(3)]
    for step in range(8):
        if step == 5:
            crowd.restart(np.array([1]))
            builders[1] = alone(1)
        fields = {
            "position": random.normal(size=(3, 2)),
            "velocity": random.normal(size=(3, 2)),
            "torque": random.normal(size=(3, 2)),
            "angular_velocity": random.normal(size=(3, 3)),
            "linear_acceleration": random.normal(size=(3, 3)),
            "orientation_xyzw": random.normal(size=(3, 4)),
        }

        def reading(row, fields=fields, step=step):
            values = {name: value[row] for name, value in fields.items()}
            return sample(0.01 * step, names, **(values if oriented else {**values, "orientation_xyzw": None}))

        seen = crowd.update(reading(slice(None)))
        assert seen.shape == (3, contract.observation_size) and seen.dtype == np.float32
        for i, builder in enumerate(builders):
            np.testing.assert_allclose(seen[i], builder.update(reading(i)), rtol=1e-6, atol=1e-7)
    with pytest.raises(ObservationError, match=r"expected \(3, 2\)"):
        crowd.update(reading(0))
