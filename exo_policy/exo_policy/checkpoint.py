# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: one tensor file (safetensors) and one manifest (JSON) with the same stem.

safetensors cannot carry code, so a checkpoint from a stranger is data and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load as parse_tensors
from safetensors.numpy import save as serialise_tensors

from exo_core.files import read_limited
from exo_policy.manifest import FORMAT_VERSION, Contract, Manifest, contract_differences

TENSOR_SUFFIX = ".safetensors"
MANIFEST_SUFFIX = ".json"
DEFAULT_STEM = "policy"
"""Stem used when a directory is given to :func:`save_checkpoint`."""
LARGEST_TENSORS_BYTES, LARGEST_MANIFEST_BYTES = 32_000_000, 1_000_000
"""Some twenty times what is shipped. Reading more would hold up the torque."""


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message is one line that names the file and says what to do."""


def checkpoint_files(path: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Return (tensor file, manifest file) for a stem, either file's name, or a directory.

    A directory must hold exactly one manifest; an empty or new one gets the stem ``policy``.
    Raises CheckpointError if a directory holds several, or for a path that cannot be one.
    """
    try:
        path = Path(path).expanduser()
        is_folder = path.is_dir()
    except (OSError, RuntimeError) as error:  # a name that is too long, and ~somebody whom nobody knows
        raise CheckpointError(f"{path}: no path of a file ({error}); check it") from None
    if is_folder:
        found = sorted(p for p in path.glob("*" + MANIFEST_SUFFIX) if _tensor_twin(p).exists())
        if len(found) > 1:
            names = ", ".join(p.stem for p in found)
            raise CheckpointError(f"{path}: holds several checkpoints ({names}); name one of them")
        path = found[0] if found else path / DEFAULT_STEM
    text = str(path)
    for suffix in (TENSOR_SUFFIX, MANIFEST_SUFFIX):
        if text.endswith(suffix):  # not Path.with_suffix: a stem may hold a dot, as in walker-1.25
            text = text[: -len(suffix)]
            break
    return Path(text + TENSOR_SUFFIX), Path(text + MANIFEST_SUFFIX)


def _tensor_twin(manifest_file: Path) -> Path:
    return Path(str(manifest_file)[: -len(MANIFEST_SUFFIX)] + TENSOR_SUFFIX)


def save_checkpoint(
    path: str | os.PathLike[str], tensors: Mapping[str, np.ndarray], manifest: Manifest | Mapping[str, Any]
) -> Path:
    """Write ``<stem>.safetensors`` and ``<stem>.json``; return the manifest's path.

    ``manifest`` needs no sha256, it is computed here. Each file replaces its predecessor at once, so a reader
    never sees half a file. Raises CheckpointError for a manifest that is not valid, tensors that are not
    finite or do not have the shapes of the manifest's network, or a folder that cannot be written.
    """
    tensor_file, manifest_file = checkpoint_files(path)
    fields = manifest.model_dump() if isinstance(manifest, Manifest) else dict(manifest)
    arrays = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    blob = serialise_tensors(arrays)
    checked = _validate(manifest_file, {**fields, "sha256": hashlib.sha256(blob).hexdigest()})
    _check_tensors(tensor_file, arrays, checked)
    text = json.dumps(checked.model_dump(mode="json"), indent=2, allow_nan=False) + "\n"
    try:
        tensor_file.parent.mkdir(parents=True, exist_ok=True)
        _replace(tensor_file, blob)
        _replace(manifest_file, text.encode())
    except OSError as error:
        raise CheckpointError(
            f"{tensor_file}: cannot write ({error.strerror}); make room, or choose another folder"
        ) from None
    return manifest_file


def load_checkpoint(
    path: str | os.PathLike[str], *, kind: str | None = None, contract: Contract | None = None
) -> tuple[dict[str, np.ndarray], Manifest]:
    """Read and check a checkpoint; return its tensors (by name) and its manifest.

    ``kind`` ("exo", "human" or "nerves") and ``contract``, where given, must be the checkpoint's. Raises
    CheckpointError for a missing or damaged file, another format version or kind, a contract that differs (every
    differing field is spelt out), a checksum that does not fit, and tensors that do not fit the network.
    """
    tensor_file, manifest_file = checkpoint_files(path)
    manifest = _validate(manifest_file, _read_manifest(manifest_file))
    if kind is not None and manifest.kind != kind:
        raise CheckpointError(
            f"{manifest_file}: is a checkpoint of kind '{manifest.kind}', not '{kind}'; give another file"
        )
    if contract is not None:
        require_contract(manifest, contract, manifest_file)
    blob = _read(tensor_file, "tensors", LARGEST_TENSORS_BYTES)
    if hashlib.sha256(blob).hexdigest() != manifest.sha256:
        raise CheckpointError(
            f"{tensor_file}: sha256 is not that of {manifest_file.name}, the file is damaged or belongs to "
            "another manifest; copy both files again"
        )
    try:
        tensors = parse_tensors(blob)
    except (SafetensorError, KeyError, ValueError) as error:
        raise CheckpointError(f"{tensor_file}: not a safetensors file ({error}); save it again") from None
    _check_tensors(tensor_file, tensors, manifest)
    return tensors, manifest


def require_contract(manifest: Manifest, expected: Contract, source: str | os.PathLike[str]) -> None:
    """Raise CheckpointError, listing every difference, unless the manifest's contract is ``expected``."""
    lines = contract_differences(expected, manifest.contract)
    if lines:
        raise CheckpointError(
            f"{source}: made for another contract ({'; '.join(lines)}); load a checkpoint made for this one"
        )


def _read(file: Path, what: str, largest: int) -> bytes:
    try:
        return read_limited(file, largest)
    except FileNotFoundError:
        raise CheckpointError(
            f"{file}: no such file ({what}); a checkpoint is a pair NAME{TENSOR_SUFFIX} and NAME{MANIFEST_SUFFIX}"
        ) from None
    except OSError as error:
        raise CheckpointError(f"{file}: cannot read ({error.strerror}); check the path and its rights") from None
    except ValueError as error:  # no plain file, or one that is too large
        raise CheckpointError(f"{file}: {error}, and so no checkpoint's {what}; give another file") from None


def _read_manifest(file: Path) -> Any:
    blob = _read(file, "manifest", LARGEST_MANIFEST_BYTES)
    try:
        return json.loads(blob)
    except ValueError as error:
        raise CheckpointError(f"{file}: not JSON ({error}); restore the manifest") from None
    except RecursionError:
        raise CheckpointError(f"{file}: nested too deeply for a manifest; restore it") from None


def _validate(file: Path, fields: Any) -> Manifest:
    version = fields.get("format_version", FORMAT_VERSION) if isinstance(fields, Mapping) else None
    if version != FORMAT_VERSION:
        raise CheckpointError(
            f"{file}: format_version {version}, {FORMAT_VERSION} is needed; save the checkpoint again"
        )
    try:
        return Manifest.model_validate(fields)
    except ValidationError as error:
        reasons = "; ".join(
            ".".join(str(part) for part in item["loc"]) + ": " + item["msg"] if item["loc"] else item["msg"]
            for item in error.errors()
        )
        raise CheckpointError(f"{file}: manifest not valid ({reasons}); correct or recreate it") from None


def _check_tensors(file: Path, tensors: Mapping[str, np.ndarray], manifest: Manifest) -> None:
    sizes = manifest.network.sizes
    shapes: dict[str, tuple[int, ...]] = {"obs_mean": (sizes[0],), "obs_std": (sizes[0],)}
    for i, (inputs, outputs) in enumerate(pairwise(sizes)):
        shapes[f"layer{i}.weight"] = (outputs, inputs)
        shapes[f"layer{i}.bias"] = (outputs,)
    for name, shape in shapes.items():
        if name not in tensors:
            raise CheckpointError(f"{file}: tensor '{name}' is missing; save the checkpoint again")
        if tensors[name].shape != shape:
            raise CheckpointError(
                f"{file}: tensor '{name}' has shape {tensors[name].shape}, network {sizes} needs {shape}; "
                "save the checkpoint again"
            )
        if not np.isfinite(tensors[name]).all():
            raise CheckpointError(f"{file}: tensor '{name}' holds NaN or infinity; use an earlier checkpoint")
    if not (tensors["obs_std"] > 0.0).all():
        raise CheckpointError(f"{file}: tensor 'obs_std' must be positive; save the checkpoint again")


def _replace(file: Path, content: bytes) -> None:
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)
