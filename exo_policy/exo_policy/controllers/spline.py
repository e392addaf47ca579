# SPDX-License-Identifier: Apache-2.0
"""Published torque profiles over a gait phase that is estimated from the device's own signals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from exo_core.joints import ANKLE, HIP, JointNameError, split_joint
from exo_policy.controllers.base import Controller, ControllerError
from exo_policy.observation import DeviceObservation
from exo_policy.phase import GaitPhase, GaitPhaseEstimator
from exo_policy.profiles import (
    ANKLE_GENERIC,
    DEFAULT_ANKLE_PEAK_NM_PER_KG,
    DEFAULT_HIP_PEAK_NM_PER_KG,
    PROFILES,
    joint_sign,
)
from exo_policy.profiles import HIP as HIP_PROFILE


class SplineController(Controller):
    """Command = peak (Nm/kg) x wearer's mass x profile(phase of the joint's side) x confidence in the phase.

    ``hip_peak_nm_per_kg`` and ``ankle_peak_nm_per_kg`` are the peaks, ``ankle_profile`` one of the ankle
    profiles of :mod:`exo_policy.profiles`, ``lead_s`` the known delay of sensors and motors to make up for.
    Joints other than hip flexion and ankle get zero torque. Not walking, or phase unknown: zero torque.
    """

    name = "spline"

    def __init__(
        self,
        joint_names: Sequence[str],
        wearer_mass: float,
        torque_limit: Sequence[float],
        *,
        hip_peak_nm_per_kg: float = DEFAULT_HIP_PEAK_NM_PER_KG,
        ankle_peak_nm_per_kg: float = DEFAULT_ANKLE_PEAK_NM_PER_KG,
        ankle_profile: str = ANKLE_GENERIC.name,
        lead_s: float = 0.0,
    ) -> None:
        super().__init__(joint_names, wearer_mass, torque_limit)
        for label, value in (("hip_peak", hip_peak_nm_per_kg), ("ankle_peak", ankle_peak_nm_per_kg)):
            if not np.isfinite(value) or value < 0.0:
                raise ControllerError(f"{label}_nm_per_kg is {value}; give a peak of 0 or more (Nm/kg)")
        if not np.isfinite(lead_s):
            raise ControllerError(f"lead_s is {lead_s}; give a time in s")
        ankles = [name for name, profile in PROFILES.items() if profile.joint == ANKLE]
        if ankle_profile not in ankles:
            raise ControllerError(f"ankle_profile '{ankle_profile}' unknown; choose one of {', '.join(ankles)}")
        shapes = {
            HIP: (HIP_PROFILE, hip_peak_nm_per_kg),
            ANKLE: (PROFILES[ankle_profile], ankle_peak_nm_per_kg),
        }
        self._lobes = []
        for i, name in enumerate(self.joint_names):
            joint, side = split_joint(name)
            if joint in shapes:
                profile, peak = shapes[joint]
                self._lobes.append((i, side, profile, joint_sign(name) * peak))
        try:
            self._estimator = GaitPhaseEstimator(self.joint_names, lead_s=lead_s)
        except JointNameError as error:
            raise ControllerError(f"controller 'spline': {error}") from None
        self.phase = GaitPhase(0.0, 0.5, 0.0, 0.0)
        """Phase of the last update, for displays."""

    def reset(self) -> None:
        """Forget the gait; torque comes back after two strides."""
        self._estimator.reset()
        self.phase = GaitPhase(0.0, 0.5, 0.0, 0.0)

    def _torque(self, obs: DeviceObservation) -> np.ndarray:
        self.phase = self._estimator.update(obs.stamp_s, obs.position, obs.velocity, obs.linear_acceleration)
        command = np.zeros(len(self.joint_names))
        if self.phase.confidence > 0.0:
            for i, side, profile, peak in self._lobes:
                command[i] = peak * float(profile(self.phase.side(side)))
        return command * (self.phase.confidence * self.wearer_mass)
