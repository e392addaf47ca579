# SPDX-License-Identifier: Apache-2.0
"""Forward pass of a trained multilayer perceptron in numpy: no torch on the device computer."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np

from exo_policy.checkpoint import load_checkpoint
from exo_policy.manifest import Contract, Manifest, NetworkSpec


def elu(x: np.ndarray) -> np.ndarray:
    """Exponential linear unit, alpha 1 (Clevert et al. 2016): x above zero, exp(x) - 1 below; any shape."""
    return np.where(x > 0.0, x, np.expm1(np.minimum(x, 0.0)))


class MlpPolicy:
    """``y = W_n elu(... elu(W_0 clip((x - mean) / std) + b_0) ...) + b_n`` in float32.

    Tensors: ``obs_mean`` (I,), ``obs_std`` (I,), ``layer{i}.weight`` (out, in), ``layer{i}.bias`` (out,), as
    torch's Linear stores them. The output is the raw network output (the mean action): clip, scale and filter
    of the contract's action terms are the caller's.
    """

    def __init__(self, spec: NetworkSpec, tensors: Mapping[str, np.ndarray]) -> None:
        self.spec = spec
        self._mean = np.asarray(tensors["obs_mean"], np.float32)
        self._inverse_std = (1.0 / np.asarray(tensors["obs_std"], np.float64)).astype(np.float32)
        self._clip = None if spec.observation_clip is None else np.float32(spec.observation_clip)
        self._layers = [
            (
                np.ascontiguousarray(np.asarray(tensors[f"layer{i}.weight"], np.float32).T),
                np.asarray(tensors[f"layer{i}.bias"], np.float32),
            )
            for i in range(len(spec.sizes) - 1)
        ]

    @classmethod
    def from_checkpoint(
        cls, path: str | os.PathLike[str], *, kind: str | None = None, contract: Contract | None = None
    ) -> tuple[MlpPolicy, Manifest]:
        """Load a network and its manifest; raises CheckpointError as :func:`load_checkpoint` does."""
        tensors, manifest = load_checkpoint(path, kind=kind, contract=contract)
        return cls(manifest.network, tensors), manifest

    @property
    def input_size(self) -> int:
        """Length of the observation vector."""
        return self.spec.sizes[0]

    def __call__(self, observation: np.ndarray) -> np.ndarray:
        """Map observations (..., I), already scaled as the contract says, to outputs (..., O) float32.

        Raises ValueError if the last axis is not I.
        """
        x = np.asarray(observation, np.float32)
        if x.shape[-1:] != (self.input_size,):
            raise ValueError(f"observation has shape {x.shape}, the network takes (..., {self.input_size})")
        x = (x - self._mean) * self._inverse_std
        if self._clip is not None:
            x = np.clip(x, -self._clip, self._clip)
        last = len(self._layers) - 1
        for i, (weight, bias) in enumerate(self._layers):
            x = x @ weight + bias
            if i != last:
                x = elu(x)
        return x
