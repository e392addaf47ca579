# SPDX-License-Identifier: Apache-2.0
"""The mean of a policy over its last iterations (Polyak and Juditsky 1992).

Every update moves the policy partly by chance. The mean keeps what the updates agree on, and walks more safely than
any one of them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


class PolicyAverage:
    """Running mean of a network's parameters.

    Args:
        network: whose parameters are averaged.
        iterations: over about so many of the last; 1 is the network as it is.
    """

    def __init__(self, network: torch.nn.Module, iterations: int) -> None:
        self._network, self._iterations = network, iterations
        self._mean: dict[str, torch.Tensor] = {}
        self._count = 0

    def restart(self) -> None:
        """Forgets what has been, as the network has been replaced."""
        self._mean, self._count = {}, 0

    @torch.no_grad()
    def update(self) -> None:
        """Takes in the network after an iteration."""
        self._count = min(self._count + 1, self._iterations)
        for name, value in self._network.named_parameters():
            mean = self._mean.setdefault(name, value.detach().clone())
            mean += (value - mean) / self._count

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Within it the network has the mean parameters."""
        parameters = {name: value for name, value in self._network.named_parameters() if name in self._mean}
        own = {name: value.detach().clone() for name, value in parameters.items()}
        with torch.no_grad():
            for name, value in parameters.items():
                value.copy_(self._mean[name])
        try:
            yield
        finally:
            with torch.no_grad():
                for name, value in parameters.items():
                    value.copy_(own[name])

    def state(self) -> dict[str, torch.Tensor]:
        """What it needs to go on, as tensors; empty before the first iteration."""
        return {**self._mean, "count": torch.tensor([self._count])} if self._mean else {}

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """Goes on from `state`; from nothing where that is empty, as in files of before there were means."""
        self.restart()
        if state:
            self._count = int(state["count"])
            self._mean = {name: value.clone() for name, value in state.items() if name != "count"}
