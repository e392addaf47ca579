# SPDX-License-Identifier: Apache-2.0
"""The manifest of a checkpoint: what the network expects, what it gives, and where it comes from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

FORMAT_VERSION: Literal[1] = 1
"""Version of the manifest written by this package; a reader refuses any other."""


class _Strict(BaseModel):
    """Frozen, and a misspelt field is an error instead of a silent default."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NetworkSpec(_Strict):
    """A multilayer perceptron: ``sizes`` = (inputs, hidden..., outputs); the last layer is linear.

    ``observation_clip`` bounds the normalised observation (in standard deviations); None = no bound.
    """

    activation: Literal["elu"] = "elu"
    sizes: tuple[int, ...] = Field(min_length=2)
    observation_clip: float | None = Field(default=10.0, gt=0.0)

    @model_validator(mode="after")
    def _positive(self) -> NetworkSpec:
        if min(self.sizes) < 1:
            raise ValueError(f"sizes {self.sizes} must all be at least 1")
        return self


class ObservationTerm(_Strict):
    """One named block of the observation: ``size`` numbers, each the SI value times ``scale``.

    ``per_frame`` terms repeat in every frame of the history, the others are appended once at the end.
    """

    name: str = Field(min_length=1)
    size: int = Field(ge=1)
    scale: float = 1.0
    unit: str
    per_frame: bool = True


class ActionTerms(_Strict):
    """The outputs by name: ``command = scale * network output`` in ``unit``.

    ``minimum`` and ``maximum`` (network output units, one per name) clip the output before scaling; None = no
    clip. ``low_pass_hz`` is the cut-off of the first-order low-pass behind the clip; None = none.
    """

    names: tuple[str, ...] = Field(min_length=1)
    scale: tuple[float, ...]
    unit: str
    minimum: tuple[float, ...] | None = None
    maximum: tuple[float, ...] | None = None
    low_pass_hz: float | None = Field(default=None, gt=0.0)

    @model_validator(mode="after")
    def _lengths(self) -> ActionTerms:
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"names {self.names} repeat")
        for field in ("scale", "minimum", "maximum"):
            values = getattr(self, field)
            if values is not None and len(values) != len(self.names):
                raise ValueError(f"{field} has {len(values)} values for {len(self.names)} names")
        return self


class Contract(_Strict):
    """The contract of a network: what it sees and gives, how often, and how many frames of history it sees.

    Layout of the input vector: the per-frame terms in order for the oldest frame, ... , for the newest frame,
    then the terms that are not per frame.
    """

    observation: tuple[ObservationTerm, ...] = Field(min_length=1)
    action: ActionTerms
    rate_hz: float = Field(gt=0.0)
    history: int = Field(default=1, ge=1)

    @property
    def frame_size(self) -> int:
        """Numbers in one frame of the history."""
        return sum(term.size for term in self.observation if term.per_frame)

    @property
    def observation_size(self) -> int:
        """Numbers in the whole input vector."""
        once = sum(term.size for term in self.observation if not term.per_frame)
        return self.history * self.frame_size + once


class TrainingRecord(_Strict):
    """The origin of a network. ``samples`` counts environment steps."""

    config: dict[str, Any] = Field(default_factory=dict)
    seed: int | None = None
    git_revision: str | None = None
    samples: int | None = Field(default=None, ge=0)
    metrics: dict[str, Any] = Field(default_factory=dict)


class Manifest(_Strict):
    """The JSON file beside the tensors. ``sha256`` is of the tensor file and is filled in on saving."""

    format_version: Literal[1] = FORMAT_VERSION
    kind: Literal["exo", "human", "nerves"]
    network: NetworkSpec
    contract: Contract
    training: TrainingRecord = Field(default_factory=TrainingRecord)
    notes: str | dict[str, Any] = ""
    sha256: str = Field(default="", pattern="^([0-9a-f]{64})?$")

    @model_validator(mode="after")
    def _network_fits_contract(self) -> Manifest:
        inputs, outputs = self.contract.observation_size, len(self.contract.action.names)
        if self.network.sizes[0] != inputs:
            raise ValueError(f"network takes {self.network.sizes[0]} inputs, its contract describes {inputs}")
        if self.network.sizes[-1] != outputs:
            raise ValueError(f"network gives {self.network.sizes[-1]} outputs, its contract names {outputs}")
        return self


def contract_differences(expected: Contract, found: Contract) -> list[str]:
    """List every field in which two contracts differ, as ``field: expected A, checkpoint has B``."""
    return _differences("", expected.model_dump(), found.model_dump())


def _differences(path: str, expected: Any, found: Any) -> list[str]:
    if isinstance(expected, dict) and isinstance(found, dict):
        lines = []
        for key in expected:
            lines += _differences(f"{path}.{key}" if path else key, expected[key], found.get(key))
        return lines
    if path == "observation":
        return _term_differences(expected, found)
    if expected != found:
        return [f"{path}: expected {_show(expected)}, checkpoint has {_show(found)}"]
    return []


def _term_differences(expected: Iterable[dict[str, Any]], found: Iterable[dict[str, Any]]) -> list[str]:
    """Compare observation terms by name, then their order, so that one missing term reads as one line."""
    theirs = {term["name"]: term for term in found}
    ours = {term["name"]: term for term in expected}
    lines = []
    for name, term in ours.items():
        if name not in theirs:
            lines.append(f"observation.{name}: expected, checkpoint lacks it")
        else:
            lines += _differences(f"observation.{name}", term, theirs[name])
    lines += [f"observation.{name}: not expected, checkpoint has it" for name in theirs if name not in ours]
    order, their_order = list(ours), list(theirs)
    if not lines and order != their_order:
        lines.append(f"observation order: expected {_show(order)}, checkpoint has {_show(their_order)}")
    return lines


def _show(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_show(item) for item in value) + "]"
    return "none" if value is None else str(value)
