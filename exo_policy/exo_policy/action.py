# SPDX-License-Identifier: Apache-2.0
"""An action is what a policy's network gives: a share of each joint's torque limit, clipped and low-passed.

A share instead of Nm, because then one network serves devices and wearers with other limits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from exo_core.joints import ANKLE, check_joint_names, split_joint
from exo_policy.manifest import ActionTerms

SHARE_UNIT = "1, share of the joint's torque limit"


def exo_action_terms(
    joint_names: Sequence[str], *, low_pass_hz: float | None = 8.0, plantarflexion_only: bool = True
) -> ActionTerms:
    """Action terms for these joints. ``plantarflexion_only``: the ankle (positive is dorsiflexion) is only
    ever pushed into plantarflexion, as a device that pulls the heel with a cable does. 8 Hz: a time constant
    of 20 ms, 2 % of a stride, while the published ankle profile's fastest edge lasts 10 %."""
    names = check_joint_names(joint_names)
    one_way = [plantarflexion_only and split_joint(name)[0] == ANKLE for name in names]
    return ActionTerms(
        names=names,
        scale=(1.0,) * len(names),
        unit=SHARE_UNIT,
        minimum=(-1.0,) * len(names),
        maximum=tuple(0.0 if down else 1.0 for down in one_way),
        low_pass_hz=low_pass_hz,
    )


class ActionFilter:
    """Raw network output -> share of the limit: clip, scale, first-order low-pass, at a fixed rate.

    Works on any leading axes (environments); the state takes the shape of the first output.
    """

    def __init__(self, terms: ActionTerms, rate_hz: float) -> None:
        self._scale = np.asarray(terms.scale, np.float32)
        self._minimum = -np.inf if terms.minimum is None else np.asarray(terms.minimum, np.float32)
        self._maximum = np.inf if terms.maximum is None else np.asarray(terms.maximum, np.float32)
        hz = terms.low_pass_hz
        # exact discretisation of a first-order lag for an input held over the step
        self._weight = np.float32(1.0 if hz is None else 1.0 - np.exp(-2.0 * np.pi * hz / rate_hz))
        self._state: np.ndarray | None = None

    def reset(self, rows: np.ndarray | None = None) -> None:
        """Goes back to zero torque; ``rows`` (boolean or indices) limits it to some environments."""
        if rows is None or self._state is None:
            self._state = None
        else:
            self._state[rows] = 0.0

    def update(self, output: np.ndarray) -> np.ndarray:
        """Network output (..., J) -> filtered action (..., J) in the terms' unit, starting from zero."""
        target = np.clip(np.asarray(output, np.float32), self._minimum, self._maximum) * self._scale
        if self._state is None:
            self._state = np.zeros_like(target)
        self._state = self._state + self._weight * (target - self._state)
        return self._state.copy()
