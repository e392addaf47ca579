# SPDX-License-Identifier: Apache-2.0
"""Controllers behind one interface, made by name: ``zero``, ``spline``, ``learned``."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from exo_policy.controllers.base import Controller, ControllerError, ZeroController
from exo_policy.controllers.learned import LearnedController
from exo_policy.controllers.spline import SplineController

CONTROLLERS: dict[str, type[Controller]] = {
    controller.name: controller for controller in (ZeroController, SplineController, LearnedController)
}

__all__ = ["CONTROLLERS", "Controller", "ControllerError", "controller_params", "make_controller"]


def controller_params(name: str) -> tuple[str, ...]:
    """Names of the parameters that a controller takes; raises ControllerError for an unknown controller."""
    if name not in CONTROLLERS:
        raise ControllerError(f"unknown controller '{name}'; choose one of {', '.join(CONTROLLERS)}")
    signature = inspect.signature(CONTROLLERS[name].__init__)
    return tuple(p.name for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY)


def make_controller(
    name: str,
    *,
    joint_names: Sequence[str],
    wearer_mass: float,
    torque_limit: Sequence[float] | Mapping[str, float],
    checkpoint: str | None = None,
    **params: Any,
) -> Controller:
    """Make a controller for a device.

    ``torque_limit`` Nm: a sequence in the order of ``joint_names``, or a mapping by joint name.
    ``checkpoint`` is for ``learned``, other ``params`` as :func:`controller_params` lists. Raises
    ControllerError or CheckpointError (both ValueError) with one line that says what to do.
    """
    known = controller_params(name)
    if isinstance(torque_limit, Mapping):
        missing = [joint for joint in joint_names if joint not in torque_limit]
        if missing:
            raise ControllerError(f"torque_limit lacks {', '.join(missing)}")
        torque_limit = [torque_limit[joint] for joint in joint_names]
    if checkpoint and "checkpoint" in known:
        params["checkpoint"] = checkpoint
    elif checkpoint:
        raise ControllerError(f"controller '{name}' takes no checkpoint; leave it out or choose 'learned'")
    unknown = [param for param in params if param not in known]
    if unknown:
        takes = ", ".join(known) or "none"
        raise ControllerError(f"controller '{name}' has no parameter {', '.join(unknown)}; it takes: {takes}")
    return CONTROLLERS[name](tuple(joint_names), wearer_mass, np.asarray(torque_limit, float), **params)
