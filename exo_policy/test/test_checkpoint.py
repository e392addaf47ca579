# SPDX-License-Identifier: Apache-2.0
"""The checkpoint format: what is written comes back, and everything else is refused with a reason."""

import json
import os
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

from exo_policy.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from exo_policy.manifest import Contract, contract_differences
from exo_policy.networks import MlpPolicy

SIZES = (5, 8, 2)


def make_tensors(seed=0, sizes=SIZES):
    rng = np.random.default_rng(seed)
    tensors = {"obs_mean": rng.normal(size=sizes[0]), "obs_std": rng.uniform(0.5, 2.0, sizes[0])}
    for i, (inputs, outputs) in enumerate(pairwise(sizes)):
        tensors[f"layer{i}.weight"] = rng.normal(size=(outputs, inputs))
        tensors[f"layer{i}.bias"] = rng.normal(size=outputs)
    return {name: value.astype(np.float32) for name, value in tensors.items()}


def make_manifest(sizes=SIZES):
    return {
        "kind": "human",
        "network": {"activation": "elu", "sizes": sizes},
        "contract": {
            "observation": [
                {"name": "angle", "size": 2, "scale": 1.0, "unit": "rad"},
                {"name": "mass", "size": 1, "scale": 0.01, "unit": "kg", "per_frame": False},
            ],
            "action": {"names": ["a", "b"], "scale": [0.3, 0.5], "unit": "rad"},
            "rate_hz": 50.0,
            "history": 2,
        },
        "training": {
            "config": {"gamma": 0.97},
            "seed": 3,
            "git_revision": "abc",
            "samples": 10,
            "metrics": {"r": 1},
        },
        "notes": "a test",
    }


@pytest.fixture
def saved(tmp_path):
    tensors = make_tensors()
    save_checkpoint(tmp_path / "walker-1.25", tensors, make_manifest())
    return tmp_path / "walker-1.25", tensors


def test_round_trip_by_stem_file_and_directory(saved):
    stem, tensors = saved
    for path in (stem, f"{stem}.json", f"{stem}.safetensors", stem.parent):
        loaded, manifest = load_checkpoint(path, kind="human")
        assert {name: value.tolist() for name, value in loaded.items()} == {
            name: value.tolist() for name, value in tensors.items()
        }
        assert manifest.training.seed == 3
        assert manifest.contract.observation_size == 5


def test_extra_tensors_are_kept(tmp_path):
    save_checkpoint(tmp_path / "x", {**make_tensors(), "action_std": np.ones(2, np.float32)}, make_manifest())
    assert load_checkpoint(tmp_path / "x")[0]["action_std"].tolist() == [1.0, 1.0]


def refused(path, *needles, **options):
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    for needle in needles:
        assert needle in message, message


def edit_manifest(stem, change):
    file = stem.with_name(stem.name + ".json")
    fields = json.loads(file.read_text())
    change(fields)
    file.write_text(json.dumps(fields))


def test_missing_files(tmp_path, saved):
    refused(tmp_path / "nothing", "nothing.json", "no such file")
    stem, _ = saved
    stem.with_name(stem.name + ".safetensors").unlink()
    refused(stem, "walker-1.25.safetensors", "no such file")


def test_damaged_tensor_file(saved):
    stem, _ = saved
    file = stem.with_name(stem.name + ".safetensors")
    blob = bytearray(file.read_bytes())
    blob[-1] ^= 1
    file.write_bytes(blob)
    refused(stem, "sha256", "walker-1.25.safetensors")


def test_damaged_manifest(saved):
    stem, _ = saved
    stem.with_name(stem.name + ".json").write_text("{")
    refused(stem, "not JSON")


@pytest.mark.parametrize(
    "change, needle",
    [
        (lambda m: m.update(format_version=2), "format_version 2"),
        (lambda m: m.update(kind="horse"), "kind"),
        (lambda m: m.update(surprise=1), "surprise"),
        (lambda m: m["contract"]["action"].update(scale=[1.0]), "1 values for 2 names"),
        (lambda m: m["contract"].update(history=3), "takes 5 inputs, its contract describes 7"),
        (lambda m: m["contract"].update(rate_hz=-1.0), "contract.rate_hz"),
        (lambda m: m.pop("network"), "network"),
    ],
)
def test_manifest_that_is_not_valid(saved, change, needle):
    edit_manifest(saved[0], change)
    refused(saved[0], needle)


def test_wrong_kind(saved):
    refused(saved[0], "kind 'human'", "not 'exo'", kind="exo")


def test_several_checkpoints_in_a_directory(saved):
    stem, tensors = saved
    save_checkpoint(stem.with_name("other"), tensors, make_manifest())
    refused(stem.parent, "several", "other", "walker-1.25")


def test_contract_mismatch_names_every_field(saved):
    fields = make_manifest()["contract"]
    fields["rate_hz"] = 100.0
    fields["action"]["names"] = ["a", "c"]
    fields["observation"][0]["scale"] = 0.1
    fields["observation"].append({"name": "gyro", "size": 3, "scale": 1.0, "unit": "rad/s"})
    refused(
        saved[0],
        "rate_hz: expected 100.0, checkpoint has 50.0",
        "action.names: expected [a, c], checkpoint has [a, b]",
        "observation.angle.scale: expected 0.1, checkpoint has 1.0",
        "observation.gyro: expected, checkpoint lacks it",
        contract=Contract.model_validate(fields),
    )


def test_same_contract_has_no_differences_and_order_counts():
    fields = make_manifest()["contract"]
    contract = Contract.model_validate(fields)
    assert contract_differences(contract, contract) == []
    swapped = Contract.model_validate({**fields, "observation": fields["observation"][::-1]})
    assert contract_differences(contract, swapped) == [
        "observation order: expected [angle, mass], checkpoint has [mass, angle]"
    ]


@pytest.mark.parametrize(
    "change, needle",
    [
        (lambda t: t.pop("layer1.bias"), "'layer1.bias' is missing"),
        (lambda t: t.update({"layer0.weight": np.ones((5, 8), np.float32)}), "has shape (5, 8)"),
        (lambda t: t.update({"layer0.bias": np.full(8, np.nan, np.float32)}), "NaN"),
        (lambda t: t.update({"obs_std": np.zeros(5, np.float32)}), "must be positive"),
    ],
)
def test_tensors_that_do_not_fit_are_not_saved(tmp_path, change, needle):
    tensors = make_tensors()
    change(tensors)
    with pytest.raises(CheckpointError, match="tensor") as caught:
        save_checkpoint(tmp_path / "bad", tensors, make_manifest())
    assert needle in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot write"):
        save_checkpoint(tmp_path / "file" / "x", make_tensors(), make_manifest())


def test_forward_against_torch(saved):
    torch = pytest.importorskip("torch")
    stem, tensors = saved
    policy, _ = MlpPolicy.from_checkpoint(stem, kind="human")
    layers = []
    for i in range(len(SIZES) - 1):
        layer = torch.nn.Linear(SIZES[i], SIZES[i + 1])
        layer.weight.data = torch.from_numpy(tensors[f"layer{i}.weight"])
        layer.bias.data = torch.from_numpy(tensors[f"layer{i}.bias"])
        layers += [layer, torch.nn.ELU()]
    network = torch.nn.Sequential(*layers[:-1])
    observation = np.random.default_rng(1).normal(scale=20.0, size=(7, 5)).astype(np.float32)
    mean, std = torch.from_numpy(tensors["obs_mean"]), torch.from_numpy(tensors["obs_std"])
    with torch.no_grad():
        expected = network(torch.clamp((torch.from_numpy(observation) - mean) / std, -10.0, 10.0)).numpy()
    assert np.abs(observation).max() > 10.0  # the clip is exercised
    np.testing.assert_allclose(policy(observation), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(policy(observation[0]), expected[0], rtol=1e-4, atol=1e-5)


def test_wrong_observation_length(saved):
    policy, _ = MlpPolicy.from_checkpoint(saved[0])
    with pytest.raises(ValueError, match=r"takes \(\.\.\., 5\)"):
        policy(np.zeros(4))


def test_the_core_does_not_import_torch_mujoco_or_ros():
    code = (
        "import sys, exo_policy.controllers, exo_policy.policy_runtime;"
        "print([m for m in ('torch', 'mujoco', 'rclpy', 'exo_device', 'exo_msgs') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_is_no_plain_file_neither_hangs_nor_fills_the_memory(tmp_path, saved):
    stem, _ = saved
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "zeros.json").symlink_to("/dev/zero")
    (tmp_path / "folder.json").mkdir()
    with (tmp_path / "large.json").open("wb") as file:
        file.truncate(2_000_000)
    (tmp_path / "deep.json").write_text("[" * 200_000)
    (tmp_path / "pair.json").write_bytes((tmp_path / f"{stem.name}.json").read_bytes())
    os.mkfifo(tmp_path / "pair.safetensors")
    wrong = {
        "pipe": "no plain file",
        "zeros": "no plain file",
        "folder": "no plain file",
        "large": "larger than",
        "deep": "nested too deeply",
        "pair": "no plain file",
        "n" * 300: "too long",
        "null\0byte": "null byte",
    }
    for name, needle in wrong.items():
        with pytest.raises(CheckpointError, match=needle):
            load_checkpoint(tmp_path / name)
    with pytest.raises(CheckpointError, match="check it"):
        load_checkpoint("~nobody-of-this-name/walker")
