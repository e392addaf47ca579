# SPDX-License-Identifier: Apache-2.0
"""The shipped checkpoint passes through the contract and resembles what it was taught."""

import numpy as np
import pytest

from exo_policy.checkpoint import load_checkpoint
from exo_policy.controllers import make_controller
from exo_policy.controllers.learned import shipped_checkpoint
from exo_policy.manifest import contract_differences
from exo_policy.observation import exo_contract
from exo_policy.profile_metrics import compare_profiles
from exo_policy.profiles import ANKLE_GENERIC, HIP
from exo_policy.synthetic_gait import synthetic_walk

JOINTS = ("hip_flexion_r", "ankle_angle_r", "hip_flexion_l", "ankle_angle_l")
LARGEST_BYTES = 200_000


def run(walk, mass=75.0, **options):
    controller = make_controller(
        "learned",
        joint_names=walk.joint_names,
        wearer_mass=mass,
        torque_limit=[(0.3 if name.startswith("hip") else 0.5) * mass for name in walk.joint_names],
        **options,
    )
    torque = np.zeros((len(walk), len(walk.joint_names)))
    for i in range(len(walk)):
        torque[i] = controller.update(walk.observation(i, torque[i - 1] if i else None))
    return torque


def test_it_is_small_honest_and_has_the_present_contract():
    path = shipped_checkpoint(JOINTS)
    assert shipped_checkpoint(JOINTS[::-1]) == path and shipped_checkpoint(JOINTS[:1]) is None
    _, manifest = load_checkpoint(path, kind="exo")
    assert path.with_suffix(".safetensors").stat().st_size < LARGEST_BYTES
    assert contract_differences(exo_contract(JOINTS), manifest.contract) == []
    assert "Demonstration only" in manifest.notes and "not for use on people" in manifest.notes


@pytest.mark.parametrize("speed", [0.75, 1.25, 1.75])
def test_its_torque_resembles_the_profiles(speed):
    walk = synthetic_walk(
        JOINTS, speed, 8.0, start_phase=0.2, seed=7, angle_noise_rad=0.0087, velocity_noise_rad_s=0.05
    )
    torque = run(walk)[150:] / 75.0
    for i, name in enumerate(JOINTS):
        bins = (walk.phase(name[-1])[150:] * 40).astype(int)
        curve = np.bincount(bins, torque[:, i]) / np.bincount(bins)
        phase = (np.arange(40) + 0.5) / 40
        reference = 0.2 * HIP(phase) if name.startswith("hip") else -0.4 * ANKLE_GENERIC(phase)
        figures = compare_profiles(curve, reference).curve
        assert figures.r > 0.98
        assert figures.rmse < 0.03
        assert abs(figures.best_lag_percent) < 2.0


def test_it_gives_next_to_nothing_when_standing():
    walk = synthetic_walk(JOINTS, 1.25, 1.0)
    walk.position[:] = 0.05
    walk.velocity[:] = 0.0
    assert np.abs(run(walk)).max() < 0.05 * 75.0


def test_order_of_the_devices_joints_does_not_matter():
    order = [2, 3, 0, 1]
    walk = synthetic_walk(JOINTS, 1.25, 0.5)
    swapped = synthetic_walk([JOINTS[i] for i in order], 1.25, 0.5)
    np.testing.assert_allclose(run(swapped), run(walk)[:, order], atol=1e-5)


def test_teaching_a_small_network_works():
    """The distillation itself, shortened: the error falls well below that of always answering zero."""
    pytest.importorskip("torch")
    from exo_policy.distil import DistilConfig, examples, train

    config = DistilConfig(walkers=12, walk_s=3.0, epochs=40, batch=256, hidden=(32,))
    inputs, targets = examples(exo_contract(JOINTS), config)
    assert inputs.shape == (len(targets), exo_contract(JOINTS).observation_size)
    _, error = train(inputs, targets, config)
    assert error < 0.35 * float(np.sqrt(np.mean(targets**2)))
