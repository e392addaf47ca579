# SPDX-License-Identifier: Apache-2.0
"""The policies that come with the package: found by the device's joints, honest about themselves, sane in their torque.

They have learned on a simulated body; here an average walker without a body is what they sense.
"""

import numpy as np
import pytest

from exo_policy.checkpoint import load_checkpoint
from exo_policy.controllers import make_controller
from exo_policy.controllers.learned import PATIENTS, PATIENTS_TOLD, shipped_checkpoint
from exo_policy.observation import STRENGTHS
from exo_policy.synthetic_gait import synthetic_walk

HIP, ANKLE = ("hip_flexion_r", "hip_flexion_l"), ("ankle_angle_r", "ankle_angle_l")
BOTH = ("hip_flexion_r", "ankle_angle_r", "hip_flexion_l", "ankle_angle_l")
DEVICES = {"hip_ankle": BOTH, "hip": HIP, "ankle": ANKLE}
LARGEST_BYTES = 400_000
MASS = 75.0


def limit(name):
    return (0.3 if name.startswith("hip") else 0.5) * MASS


def run(walk):
    controller = make_controller(
        "learned",
        joint_names=walk.joint_names,
        wearer_mass=MASS,
        torque_limit=[limit(name) for name in walk.joint_names],
    )
    torque = np.zeros((len(walk), len(walk.joint_names)))
    for i in range(len(walk)):
        torque[i] = controller.update(walk.observation(i, torque[i - 1] if i else None))
    return torque


def over_stride(walk, torque, bins=50):
    """Mean torque (bins, J) over the stride of each joint's own leg."""
    curves = []
    for j, name in enumerate(walk.joint_names):
        at = (walk.phase(name[-1]) * bins).astype(int)
        curves.append(np.bincount(at, torque[:, j], bins) / np.bincount(at, minlength=bins))
    return np.array(curves).T


@pytest.mark.parametrize("device", DEVICES)
def test_it_is_found_by_its_joints_and_says_what_it_must_not_be_used_for(device):
    joints = DEVICES[device]
    path = shipped_checkpoint(joints)
    assert path.stem == device and shipped_checkpoint(joints[::-1]) == path
    assert shipped_checkpoint(joints[:1]) is None
    _, manifest = load_checkpoint(path, kind="exo")
    assert manifest.contract.action.names == joints
    assert manifest.training.git_revision and manifest.training.seed is not None and manifest.training.samples > 100_000
    assert "must not be used on people" in manifest.notes
    assert path.with_suffix(".safetensors").stat().st_size < LARGEST_BYTES


@pytest.mark.parametrize("wearers, told", [(PATIENTS, False), (PATIENTS_TOLD, True)])
def test_policies_for_patients_may_lift_a_foot_and_one_is_told_who_is_weak(wearers, told):
    path = shipped_checkpoint(BOTH, wearers)
    assert path != shipped_checkpoint(BOTH) and shipped_checkpoint(HIP, wearers) is None
    _, manifest = load_checkpoint(path, kind="exo")
    assert manifest.contract.action.maximum == (1.0,) * len(BOTH)
    assert any(term.name == STRENGTHS for term in manifest.contract.observation) is told
    assert manifest.training.git_revision and manifest.training.samples > 1e6
    assert "must not be used on people" in manifest.notes
    assert path.with_suffix(".safetensors").stat().st_size < LARGEST_BYTES
    walk = synthetic_walk(BOTH, 1.0, 4.0, seed=7)
    controller = make_controller(
        "learned", joint_names=BOTH, wearer_mass=MASS, checkpoint=path, torque_limit=[limit(name) for name in BOTH]
    )
    torque = np.array([controller.update(walk.observation(i)) for i in range(len(walk))])
    assert np.isfinite(torque).all() and 1.0 < np.abs(torque).max() <= max(map(limit, BOTH)) + 1e-4


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("speed", [0.75, 1.25, 1.75])
def test_it_helps_in_the_directions_that_help(device, speed):
    walk = synthetic_walk(DEVICES[device], speed, 8.0, start_phase=0.2, seed=7)
    torque = run(walk)
    for j, name in enumerate(walk.joint_names):
        assert np.abs(torque[:, j]).max() <= limit(name) + 1e-4
    for name, curve in zip(walk.joint_names, over_stride(walk, torque).T, strict=True):
        peak = np.abs(curve).argmax() / len(curve)
        if name.startswith("ankle"):
            assert curve.max() <= 1e-6 and 0.35 < peak < 0.62  # plantarflexion alone, at push-off
        else:
            assert 0.5 < curve.argmax() / len(curve) < 0.85  # flexion in early swing
            assert curve.argmin() / len(curve) < 0.35  # extension after heel strike


@pytest.mark.parametrize("device", DEVICES)
def test_left_and_right_are_treated_alike(device):
    joints = DEVICES[device]
    walk, other = (synthetic_walk(joints, 1.25, 2.0, start_phase=phase) for phase in (0.0, 0.5))
    swapped = [joints.index(name[:-1] + {"r": "l", "l": "r"}[name[-1]]) for name in joints]
    np.testing.assert_allclose(run(walk), run(other)[:, swapped], atol=0.02)


@pytest.mark.parametrize("device", DEVICES)
def test_who_stands_is_hardly_pushed(device):
    walk = synthetic_walk(DEVICES[device], 1.25, 1.0)
    walk.position[:] = 0.05
    walk.velocity[:] = 0.0
    assert np.abs(run(walk)).max() < 0.1 * MASS


def test_order_of_the_devices_joints_does_not_matter():
    order = [2, 3, 0, 1]
    walk = synthetic_walk(BOTH, 1.25, 0.5)
    swapped = synthetic_walk([BOTH[i] for i in order], 1.25, 0.5)
    np.testing.assert_allclose(run(swapped), run(walk)[:, order], atol=1e-5)
