# SPDX-License-Identifier: Apache-2.0
"""Finished walks on disk, so that an evaluation that was interrupted goes on where it was."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import zipfile
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from exo_device.devices import find_device
from exo_policy.checkpoint import checkpoint_files
from exo_sim.body.subject import load_subject
from exo_sim.errors import SimError
from exo_sim.human.checkpoint import find_human
from exo_sim.world.walk import WalkResult

#: Parts that decide how a walk comes out, as package and folder; what is made of its figures afterwards does not. The
#: supervisor and the controllers walk with the person, see exo_sim.plant.offline.
DECISIVE = (
    "exo_core/",
    "exo_device/",
    "exo_policy/",
    "exo_sim/body",
    "exo_sim/gait",
    "exo_sim/human",
    "exo_sim/metabolics",
    "exo_sim/plant",
    "exo_sim/world",
)
#: The array of a file that holds the JSON document.
DOCUMENT = "document"
#: Letters of the checksum of checkpoint and walker that a task carries.
DIGEST_LENGTH = 16


class Packed(Protocol):
    """A result that can be written down."""

    def pack(self) -> tuple[dict, dict[str, np.ndarray]]:
        """All but the task as a JSON document and arrays."""

    @classmethod
    def unpack(cls, task: Any, document: dict, arrays: Mapping[str, np.ndarray]) -> Packed:
        """The reverse of `pack`."""


class ResultStore:
    """Results by task. One made with other code, another checkpoint, subject or device is not found.

    Args:
        folder: holds one file a result; made if need be.
        human: checkpoint of the walker, None for the shipped one.
        subject: subject file, empty for the unscaled body.
        kind: of the results.
        decisive: further files or folders, beginning with their package, that decide how the results come out.

    Raises:
        SimError: the folder cannot be made.
    """

    def __init__(
        self,
        folder: str | Path,
        human: str | None,
        subject: str,
        decisive: tuple[str, ...] = (),
        kind: type[Packed] = WalkResult,
    ):
        self._kind = kind
        self._folder = Path(folder)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SimError(f"cannot make the folder {folder}: {error.strerror}") from error
        self._base = _code(decisive) + _checkpoint(human) + load_subject(subject).model_dump_json().encode()

    def load(self, task: Any) -> Any | None:
        """The result of a task; None where there is none, or none that can be read."""
        try:
            with np.load(self._path(task), allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            return self._kind.unpack(task, json.loads(str(arrays.pop(DOCUMENT))), arrays)
        except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
            return None

    def save(self, task: Any, result: Any) -> None:
        """Keeps a result, in one step."""
        document, arrays = result.pack()
        buffer = io.BytesIO()
        np.savez(buffer, **{DOCUMENT: np.array(json.dumps(document, default=float))}, **arrays)
        handle, temporary = tempfile.mkstemp(dir=self._folder)
        with os.fdopen(handle, "wb") as file:
            file.write(buffer.getvalue())
        os.replace(temporary, self._path(task))

    def _path(self, task: Any) -> Path:
        digest = hashlib.sha256(self._base + _device(task) + repr(task).encode()).hexdigest()
        return self._folder / f"{type(task).__name__}_{digest[:24]}.npz"


def _code(more: tuple[str, ...]) -> bytes:
    digest = hashlib.sha256()
    for part in (*DECISIVE, *more):
        package, _, part = part.partition("/")
        root = Path(str(resources.files(package)))
        for file in [root / part] if part.endswith(".py") else sorted((root / part).rglob("*")):
            if file.suffix in (".py", ".json", ".csv", ".yaml"):
                digest.update(file.read_bytes())
    return digest.digest()


def _device(task: Any) -> bytes:
    """What the task's device is: its name or path alone would take a device for the one that its file said before."""
    device = find_device(task.device) if isinstance(task.device, str) else task.device
    return b"" if device is None else device.model_dump_json().encode()


def _checkpoint(human: str | None) -> bytes:
    """Digest of the weights; their path alone would take a checkpoint of a running training for the one before."""
    digest = hashlib.sha256()
    for file in checkpoint_files(find_human(human)):  # a training's folder will do, too
        if file.is_file():
            digest.update(file.read_bytes())
    return digest.digest()


def weights_digest(checkpoint: str, human: str | None) -> str:
    """What a task carries of the weights of a policy ("" for none) and its walker (None for the shipped one)."""
    digest = hashlib.sha256()
    for path in (checkpoint, find_human(human)):
        if path:
            digest.update(checkpoint_files(path)[0].read_bytes())
    return digest.hexdigest()[:DIGEST_LENGTH]
