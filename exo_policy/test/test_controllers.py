# SPDX-License-Identifier: Apache-2.0
"""Controllers by name, on synthetic device signals."""

import dataclasses

import numpy as np
import pytest

from exo_core.joints import STRENGTH_GROUPS
from exo_policy.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from exo_policy.controllers import Controller, ControllerError, make_controller
from exo_policy.controllers.base import ZeroController
from exo_policy.observation import ObservationError, exo_contract
from exo_policy.policy_runtime import CrossFade
from exo_policy.profiles import ANKLE_GENERIC, HIP
from exo_policy.synthetic_gait import synthetic_walk

JOINTS = ("hip_flexion_r", "ankle_angle_r", "hip_flexion_l", "ankle_angle_l")
MASS = 80.0
LIMIT = dict(zip(JOINTS, [24.0, 40.0, 24.0, 40.0], strict=True))


def make(name, joints=JOINTS, **options):
    return make_controller(name, joint_names=joints, wearer_mass=MASS, torque_limit=LIMIT, **options)


def run(controller, walk, start=0):
    return np.array([controller.update(walk.observation(i)) for i in range(start, len(walk))])


def save_network(path, joints=JOINTS, bias=0.0, weight=0.0, **contract):
    """A linear network whose outputs are constant (``bias``) unless ``weight`` reads the first input."""
    terms = exo_contract(joints, **contract)
    inputs, outputs = terms.observation_size, len(joints)
    matrix = np.zeros((outputs, inputs), np.float32)
    matrix[:, 0] = weight
    save_checkpoint(
        path,
        {
            "obs_mean": np.zeros(inputs, np.float32),
            "obs_std": np.ones(inputs, np.float32),
            "layer0.weight": matrix,
            "layer0.bias": np.broadcast_to(np.float32(bias), outputs).copy(),
        },
        {
            "kind": "exo",
            "network": {"sizes": (inputs, outputs), "observation_clip": None},
            "contract": terms.model_dump(),
        },
    )
    return str(path)


@pytest.mark.parametrize(
    "name, options, needle",
    [
        ("magic", {}, "unknown controller 'magic'; choose one of zero, spline, learned"),
        ("zero", {"gain": 1.0}, "has no parameter gain; it takes: none"),
        ("spline", {"hip_peak": 0.3}, "has no parameter hip_peak; it takes: hip_peak_nm_per_kg"),
        ("spline", {"hip_peak_nm_per_kg": -0.1}, "hip_peak_nm_per_kg is -0.1"),
        ("spline", {"ankle_profile": "x"}, "choose one of ankle_generic, ankle_preference"),
        ("zero", {"checkpoint": "x.json"}, "takes no checkpoint"),
        (
            "learned",
            {"joints": JOINTS[:1]},
            "needs a checkpoint: none is shipped for the joints hip_flexion_r",
        ),
        ("spline", {"joints": ("hip_rotation_r",)}, "torque_limit lacks hip_rotation_r"),
    ],
)
def test_what_cannot_be_made_says_why(name, options, needle):
    with pytest.raises(ControllerError) as caught:
        make(name, **options)
    assert needle in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "mass, limit, needle",
    [
        (0.0, [1.0], "wearer_mass"),
        (np.nan, [1.0], "wearer_mass"),
        (70.0, [-1.0], "not negative"),
        (70.0, [1.0, 2.0], "shape"),
    ],
)
def test_mass_and_limits_are_checked(mass, limit, needle):
    with pytest.raises(ControllerError, match=needle):
        make_controller("zero", joint_names=JOINTS[:1], wearer_mass=mass, torque_limit=limit)


def test_zero_is_zero():
    walk = synthetic_walk(JOINTS, 1.25, 1.0)
    assert not run(make("zero"), walk).any()


@pytest.mark.parametrize("name", ["zero", "spline"])
def test_bad_observations_are_refused(name):
    walk = synthetic_walk(JOINTS, 1.25, 0.1)
    controller = make(name)
    with pytest.raises(ObservationError, match="NaN"):
        controller.update(dataclasses.replace(walk.observation(0), position=np.full(4, np.nan)))
    with pytest.raises(ObservationError, match="expected"):
        controller.update(dataclasses.replace(walk.observation(0), joint_names=JOINTS[::-1]))


def test_spline_gives_the_published_profiles_with_the_joints_signs():
    walk = synthetic_walk(JOINTS, 1.25, 8.0, start_phase=0.3)
    torque = run(make("spline", hip_peak_nm_per_kg=0.25, ankle_peak_nm_per_kg=0.4), walk)
    steady = walk.stamp_s > 5.0
    for i, name in enumerate(JOINTS):
        phase = walk.phase(name[-1])[steady]
        expected = 0.25 * HIP(phase) if name.startswith("hip") else -0.4 * ANKLE_GENERIC(phase)
        np.testing.assert_allclose(torque[steady, i] / MASS, expected, atol=0.02)
    assert not torque[walk.stamp_s < 1.0].any()  # no torque before a full stride was seen


def test_spline_stays_within_the_limits():
    walk = synthetic_walk(JOINTS, 1.25, 6.0)
    torque = np.abs(run(make("spline", hip_peak_nm_per_kg=1.0, ankle_peak_nm_per_kg=1.0), walk)).max(0)
    np.testing.assert_allclose(torque, list(LIMIT.values()))


def test_spline_on_one_joint_and_with_a_joint_it_does_not_drive():
    joints = ("ankle_angle_l", "knee_angle_l")
    walk = synthetic_walk(joints, 1.0, 8.0)
    controller = make_controller("spline", joint_names=joints, wearer_mass=MASS, torque_limit=[40.0, 40.0])
    torque = run(controller, walk)
    assert torque[:, 0].min() == pytest.approx(-0.4 * MASS, rel=0.03)
    assert torque[:, 0].max() == 0.0 and not torque[:, 1].any()


def test_spline_reset_stops_torque_until_the_gait_is_known_again():
    walk = synthetic_walk(JOINTS, 1.25, 6.0)
    controller = make("spline")
    assert np.abs(run(controller, walk)[-100:]).max() > 10.0
    controller.reset()
    assert not run(controller, walk)[:100].any()


def test_a_new_mass_scales_the_torque():
    walk = synthetic_walk(JOINTS, 1.25, 6.0)
    light, heavy = make("spline"), make("spline")
    heavy.set_wearer(100.0, [100.0] * 4)
    light.set_wearer(50.0, [100.0] * 4)
    np.testing.assert_allclose(run(heavy, walk), 2.0 * run(light, walk))


def test_learned_applies_share_low_pass_and_limit(tmp_path):
    path = save_network(tmp_path / "push", bias=[0.5, -0.5, 3.0, 3.0], low_pass_hz=8.0)
    walk = synthetic_walk(JOINTS, 1.25, 1.0)
    torque = run(make("learned", checkpoint=path), walk)
    weight = 1.0 - np.exp(-2.0 * np.pi * 8.0 / 100.0)
    np.testing.assert_allclose(torque[0], weight * np.array([12.0, -20.0, 24.0, 0.0]), rtol=1e-5)
    np.testing.assert_allclose(torque[-1], [12.0, -20.0, 24.0, 0.0], rtol=1e-3)


def test_learned_is_told_the_strengths_that_it_was_trained_with(tmp_path):
    path = save_network(tmp_path / "told", bias=-1.0, strengths=True, low_pass_hz=None)
    tensors, manifest = load_checkpoint(path)
    tensors["layer0.weight"] = tensors["layer0.weight"].copy()
    tensors["layer0.weight"][:, STRENGTH_GROUPS.index("plantarflexors_r") - len(STRENGTH_GROUPS)] = 0.8
    save_checkpoint(path, tensors, manifest)
    walk = synthetic_walk(JOINTS, 1.25, 0.02)
    healthy, weak = (
        run(make("learned", checkpoint=path, strengths=strengths), walk)[-1]
        for strengths in ("", "plantarflexors_r: 0.5")
    )
    assert healthy == pytest.approx([-0.2 * LIMIT[joint] for joint in JOINTS], rel=1e-5)
    assert weak == pytest.approx([-0.6 * LIMIT[joint] for joint in JOINTS], rel=1e-5)
    with pytest.raises(ObservationError, match="toes_r"):
        make("learned", checkpoint=path, strengths={"toes_r": 0.5})


def test_learned_matches_joints_by_name(tmp_path):
    path = save_network(
        tmp_path / "net",
        joints=JOINTS[::-1],
        bias=[-0.1, 0.2, -0.3, 0.4],
        weight=0.1,
        low_pass_hz=None,
        history=1,
    )
    walk = synthetic_walk(JOINTS, 1.25, 0.3)
    torque = run(make("learned", checkpoint=path), walk)
    # the network's first input is the device's last joint
    expected = np.array([0.4, -0.3, 0.2, -0.1]) + 0.1 * walk.position[:, 3:4]
    np.testing.assert_allclose(torque / np.array(list(LIMIT.values())), np.minimum(expected, [1, 0, 1, 0]), atol=1e-5)


@pytest.mark.parametrize(
    "joints, contract, needle",
    [
        (
            JOINTS[:2],
            {},
            "action.names: expected [hip_flexion_r, ankle_angle_r, hip_flexion_l, ankle_angle_l], "
            "checkpoint has [hip_flexion_r, ankle_angle_r]",
        ),
        (JOINTS, {"rate_hz": 50.0}, "rate_hz: expected 100.0, checkpoint has 50.0"),
    ],
)
def test_learned_refuses_another_contract(tmp_path, joints, contract, needle):
    path = save_network(tmp_path / "net", joints=joints, **contract)
    with pytest.raises(CheckpointError) as caught:
        make("learned", checkpoint=path)
    assert needle in str(caught.value) and "\n" not in str(caught.value)


def test_learned_that_overflows_is_an_error_and_recovers(tmp_path):
    path = save_network(tmp_path / "net", weight=3e38)
    walk = synthetic_walk(JOINTS, 1.25, 0.2)
    controller = make("learned", checkpoint=path)
    huge = dataclasses.replace(walk.observation(0), position=np.full(4, 1e3))
    with np.errstate(over="ignore"), pytest.raises(ControllerError, match="not finite"):
        controller.update(huge)
    assert np.isfinite(run(controller, walk)).all()


class Constant(Controller):
    name = "constant"

    def __init__(self, value):
        super().__init__(JOINTS, MASS, list(LIMIT.values()))
        self.value = value

    def _torque(self, obs):
        return np.full(4, self.value)


def test_fade_goes_smoothly_from_old_to_new():
    walk = synthetic_walk(JOINTS, 1.25, 1.0)
    fade = CrossFade(Constant(10.0), Constant(-4.0), 0.5)
    torque = run(fade, walk)[:, 0]
    assert torque[0] == 10.0
    np.testing.assert_allclose(torque[25], 3.0)  # half way
    assert (np.diff(torque) <= 1e-12).all() and np.abs(np.diff(torque)).max() < 1.5 * 14.0 / 50.0 * 1.1
    np.testing.assert_allclose(torque[50:], -4.0)
    assert fade.finished


def test_fade_of_zero_seconds_swaps_at_once():
    fade = CrossFade(Constant(10.0), Constant(-4.0), 0.0)
    assert run(fade, synthetic_walk(JOINTS, 1.25, 0.02))[0, 0] == -4.0


def test_fade_within_a_fade_does_not_jump():
    walk = synthetic_walk(JOINTS, 1.25, 2.0)
    first = CrossFade(Constant(10.0), Constant(0.0), 0.5)
    before = [first.update(walk.observation(i))[0] for i in range(25)]
    second = CrossFade(first, Constant(-10.0), 0.5)
    after = [second.update(walk.observation(i))[0] for i in range(25, 150)]
    assert np.abs(np.diff(before + after)).max() < 1.0
    assert after[-1] == -10.0 and second.finished


def test_old_controller_that_fails_fades_out_instead_of_jumping():
    walk = synthetic_walk(JOINTS, 1.25, 1.0)
    old = Constant(10.0)
    fade = CrossFade(old, ZeroController(JOINTS, MASS, list(LIMIT.values())), 0.5)
    first = [fade.update(walk.observation(i))[0] for i in range(5)]
    old.value = np.nan
    rest = [fade.update(walk.observation(i))[0] for i in range(5, 80)]
    assert np.abs(np.diff(first + rest)).max() < 0.5
    assert rest[-1] == 0.0


def test_new_controller_that_fails_is_an_error():
    fade = CrossFade(Constant(10.0), Constant(np.nan), 0.5)
    with pytest.raises(ControllerError, match="not finite"):
        fade.update(synthetic_walk(JOINTS, 1.25, 0.1).observation(0))


def test_fade_passes_on_mass_and_limits():
    old, new = make("spline"), make("zero")
    CrossFade(old, new, 1.0).set_wearer(60.0, [5.0] * 4)
    assert old.wearer_mass == new.wearer_mass == 60.0
    assert old.torque_limit.tolist() == [5.0] * 4


def test_fade_between_devices_is_refused():
    other = ZeroController(JOINTS[:1], MASS, [10.0])
    with pytest.raises(ControllerError, match="same joints"):
        CrossFade(make("zero"), other, 1.0)
