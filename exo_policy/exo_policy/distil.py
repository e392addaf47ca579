# SPDX-License-Identifier: Apache-2.0
"""Distil the published torque profiles into a small network: ``python -m exo_policy.distil OUTPUT``.

The result is a demonstration that exercises contract, checkpoint and policy_node. It imitates a teacher that
knows the true phase of synthetic average gait; it was never optimised against a body. Needs torch.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict, dataclass

import numpy as np

from exo_policy.checkpoint import CheckpointError, save_checkpoint
from exo_policy.controllers import make_controller
from exo_policy.joints import ANKLE, split_joint
from exo_policy.manifest import Contract
from exo_policy.observation import exo_contract, pack_terms
from exo_policy.profile_metrics import compare_profiles
from exo_policy.profiles import (
    ANKLE_GENERIC,
    DEFAULT_ANKLE_PEAK_NM_PER_KG,
    DEFAULT_HIP_PEAK_NM_PER_KG,
    HIP,
    joint_sign,
)
from exo_policy.synthetic_gait import synthetic_walk

JOINTS = ("hip_flexion_r", "ankle_angle_r", "hip_flexion_l", "ankle_angle_l")
EVALUATION_SPEEDS_MPS = (0.75, 1.0, 1.25, 1.5, 1.75)


@dataclass(frozen=True)
class DistilConfig:
    """Walkers are drawn evenly from the ranges; sigmas are of white noise on every sample."""

    seed: int = 1
    walkers: int = 120
    walk_s: float = 8.0
    standing_share: float = 0.12
    speed_mps: tuple[float, float] = (0.5, 1.9)
    cadence: tuple[float, float] = (0.92, 1.08)
    gain: tuple[float, float] = (0.8, 1.25)
    offset_rad: tuple[float, float] = (-0.06, 0.06)
    mass_kg: tuple[float, float] = (45.0, 110.0)
    hip_limit_nm_per_kg: tuple[float, float] = (0.2, 0.4)
    ankle_limit_nm_per_kg: tuple[float, float] = (0.4, 0.6)
    angle_noise_rad: float = 0.01
    velocity_noise_rad_s: float = 0.1
    tilt_sigma: float = 0.08
    gyro_sigma_rad_s: float = 0.5
    hidden: tuple[int, ...] = (64, 64)
    epochs: int = 60
    batch: int = 1024
    step_size: float = 2e-3


def peak_nm_per_kg(joint_name: str) -> float:
    """Signed peak of the taught profile on this joint."""
    ankle = split_joint(joint_name)[0] == ANKLE
    return joint_sign(joint_name) * (DEFAULT_ANKLE_PEAK_NM_PER_KG if ankle else DEFAULT_HIP_PEAK_NM_PER_KG)


def taught_share(joint_name: str, phase: np.ndarray, limit_nm_per_kg: np.ndarray) -> np.ndarray:
    """What the teacher commands at the phase of the joint's side, as a share of the limit."""
    profile = ANKLE_GENERIC if split_joint(joint_name)[0] == ANKLE else HIP
    return np.clip(peak_nm_per_kg(joint_name) * profile(phase) / limit_nm_per_kg, -1.0, 1.0)


def examples(contract: Contract, config: DistilConfig) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (N, observation_size) and taught shares (N, J): walking, and standing with zero torque."""
    rng = np.random.default_rng(config.seed)
    inputs, targets = [], []
    for walker in range(config.walkers):
        standing = rng.random() < config.standing_share
        walk = synthetic_walk(
            JOINTS,
            rng.uniform(*config.speed_mps),
            config.walk_s,
            rate_hz=contract.rate_hz,
            start_phase=rng.random(),
            cadence=rng.uniform(*config.cadence),
            gain=rng.uniform(*config.gain, len(JOINTS)),
            offset_rad=rng.uniform(*config.offset_rad, len(JOINTS)),
            angle_noise_rad=config.angle_noise_rad,
            velocity_noise_rad_s=config.velocity_noise_rad_s,
            seed=config.seed + walker,
        )
        n = len(walk)
        position, velocity = walk.position, walk.velocity
        if standing:  # one posture of this walker, held
            position = position[rng.integers(n)] + config.angle_noise_rad * rng.normal(size=position.shape)
            velocity = config.velocity_noise_rad_s * rng.normal(size=velocity.shape)
        ankle = np.array([split_joint(name)[0] == ANKLE for name in JOINTS])
        limit = np.where(
            ankle, rng.uniform(*config.ankle_limit_nm_per_kg), rng.uniform(*config.hip_limit_nm_per_kg)
        )
        up = np.append(config.tilt_sigma * rng.normal(size=2), 1.0)
        frame = pack_terms(
            [term for term in contract.observation if term.per_frame],
            {
                "joint_position": position,
                "joint_velocity": velocity,
                "up_vector": up / np.linalg.norm(up),
                "angular_velocity": config.gyro_sigma_rad_s * rng.normal(size=(n, 3)),
                # noise: a student that saw the teacher's last torque would copy it and never look at the gait
                "torque_share": rng.uniform(-1.0, 1.0, size=(n, len(JOINTS))),
            },
        )
        once = pack_terms(
            [term for term in contract.observation if not term.per_frame],
            {"wearer_mass": rng.uniform(*config.mass_kg, size=(n, 1)), "torque_limit": limit},
        )
        first = contract.history - 1
        frames = [frame[first - age : n - age] for age in range(first, -1, -1)]
        inputs.append(np.concatenate([*frames, once[first:]], 1))
        share = np.zeros((n, len(JOINTS)))
        if not standing:
            # the low-pass behind the network is late by its time constant
            lag_s = 1.0 / (2.0 * np.pi * contract.action.low_pass_hz)
            for i, name in enumerate(JOINTS):
                share[:, i] = taught_share(name, walk.phase(name[-1]) + lag_s * walk.stride_rate_hz, limit[i])
        targets.append(share[first:])
    return np.concatenate(inputs), np.concatenate(targets).astype(np.float32)


def train(
    inputs: np.ndarray, targets: np.ndarray, config: DistilConfig
) -> tuple[dict[str, np.ndarray], float]:
    """Least squares by Adam; returns the tensors of the checkpoint and the final root mean square error."""
    import torch

    torch.manual_seed(config.seed)
    torch.set_num_threads(1)
    mean, std = inputs.mean(0), np.maximum(inputs.std(0), 1e-3)
    x = torch.from_numpy(np.clip((inputs - mean) / std, -10.0, 10.0).astype(np.float32))
    y = torch.from_numpy(targets)
    sizes = (x.shape[1], *config.hidden, y.shape[1])
    layers: list[torch.nn.Module] = []
    for a, b in zip(sizes[:-1], sizes[1:]):
        layers += [torch.nn.Linear(a, b), torch.nn.ELU()]
    network = torch.nn.Sequential(*layers[:-1])
    optimiser = torch.optim.Adam(network.parameters(), lr=config.step_size)
    steps = config.epochs * (len(x) // config.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        batch = torch.randint(len(x), (config.batch,))
        loss = torch.nn.functional.mse_loss(network(x[batch]), y[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        error = float(torch.nn.functional.mse_loss(network(x), y).sqrt())
    tensors = {"obs_mean": mean.astype(np.float32), "obs_std": std.astype(np.float32)}
    for i, layer in enumerate(network[::2]):
        tensors[f"layer{i}.weight"] = layer.weight.detach().numpy().copy()
        tensors[f"layer{i}.bias"] = layer.bias.detach().numpy().copy()
    return tensors, error


def evaluate(checkpoint: str) -> dict[str, dict[str, float]]:
    """Run the controller over unseen synthetic walks; figures of each joint's mean torque curve by speed."""
    mass = 75.0
    limit = [0.5 * mass if split_joint(name)[0] == ANKLE else 0.3 * mass for name in JOINTS]
    figures = {}
    for speed in EVALUATION_SPEEDS_MPS:
        controller = make_controller(
            "learned", joint_names=JOINTS, wearer_mass=mass, torque_limit=limit, checkpoint=checkpoint
        )
        walk = synthetic_walk(
            JOINTS,
            speed,
            12.0,
            start_phase=0.37,
            angle_noise_rad=np.deg2rad(0.5),
            velocity_noise_rad_s=0.05,
            seed=99,
        )
        torque = np.zeros((len(walk), len(JOINTS)))
        for i in range(len(walk)):
            torque[i] = controller.update(walk.observation(i, torque[i - 1] if i else None)) / mass
        for i, name in enumerate(JOINTS[:2]):
            bins = (walk.phase("r")[200:] * 50).astype(int)
            curve = np.bincount(bins, torque[200:, i]) / np.bincount(bins)
            reference = taught_share(name, (np.arange(50) + 0.5) / 50, np.float64(1.0))  # share of 1 Nm/kg
            result = compare_profiles(joint_sign(name) * curve, joint_sign(name) * reference).curve
            figures[f"{name} at {speed} m/s"] = {
                "r": round(result.r, 4),
                "rmse_nm_per_kg": round(result.rmse, 4),
                "peak_error_percent": round(result.positive.peak_error, 1),
            }
    return figures


def main(arguments: list[str] | None = None) -> int:
    """Make the checkpoint; returns the exit code."""
    parser = argparse.ArgumentParser(description="Distil the published torque profiles into a small network.")
    parser.add_argument("output", help="checkpoint to write: NAME.json and NAME.safetensors")
    parser.add_argument("--seed", type=int, default=DistilConfig.seed)
    chosen = parser.parse_args(arguments)
    config = DistilConfig(seed=chosen.seed)
    contract = exo_contract(JOINTS)
    inputs, targets = examples(contract, config)
    tensors, error = train(inputs, targets, config)
    manifest = {
        "kind": "exo",
        "network": {"activation": "elu", "sizes": (inputs.shape[1], *config.hidden, targets.shape[1])},
        "contract": contract.model_dump(),
        "training": {
            "config": asdict(config),
            "seed": config.seed,
            "samples": len(inputs),
            "metrics": {"share_rmse_on_training_data": round(error, 4)},
        },
        "notes": (
            "Demonstration only. Distilled from the published torque profiles over the true phase of "
            "synthetic average gait (exo_policy.distil); not optimised against a body, no benefit shown, not "
            "for use on people. Figures compare its torque on unseen synthetic walks with the profile it was taught."
        ),
    }
    try:
        path = save_checkpoint(chosen.output, tensors, manifest)
        manifest["training"]["metrics"]["against_taught_profile"] = evaluate(str(path))
        save_checkpoint(chosen.output, tensors, manifest)
    except CheckpointError as problem:
        print(f"distil: {problem}", file=sys.stderr)
        return 1
    for name, figures in manifest["training"]["metrics"]["against_taught_profile"].items():
        print(f"{name}: " + ", ".join(f"{key} {value}" for key, value in figures.items()))
    print(f"{path}: {len(inputs)} examples, error {error:.3f} of the limit")
    return 0


if __name__ == "__main__":
    sys.exit(main())
