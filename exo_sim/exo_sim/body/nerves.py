# SPDX-License-Identifier: Apache-2.0
"""What impaired nerves add to the excitation that muscle coordination asks for: co-contraction and stretch reflexes.

Called at the end of muscle coordination, which both the plain and the batched step use. For a healthy person it
changes nothing, to the last bit.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

#: From stretch to the reflex's excitation, in coordination periods of 10 ms: 30 ms, the project's choice near the delay
#: of Falisse et al. 2018 (PLoS ONE 13:e0208811); the electromechanical delay comes on top, from activation dynamics.
#: Feedback of velocity beyond a threshold is that of van der Krogt et al. 2016 (JNER 13:64) and Jansen et al. 2014 (JNER
#: 11:78). Falisse et al. themselves find that feedback of force explains gait with spasticity better than velocity.
REFLEX_DELAY_PERIODS = 3


class Nerves(NamedTuple):
    """Parameters of impaired drive, each (M,); all 0 in healthy people."""

    least: np.ndarray  #: least excitation (co-contraction)
    reflex_gain: np.ndarray  #: excitation per (optimal fibre lengths per second)
    reflex_threshold: np.ndarray  #: lengthening velocity (optimal fibre lengths per second)


def memory_size(muscles: int) -> int:
    """Numbers that MjData.userdata keeps for so many muscles: stretch velocities that reflexes still have to answer."""
    return REFLEX_DELAY_PERIODS * muscles


@numba.njit(cache=True)
def impair_drive(nerves, optimal_length, velocity, memory, ctrl):
    """Changes excitations in place, once per coordination period.

    Args:
        nerves: Nerves.
        optimal_length: (M,) m.
        velocity: (>= M,) actuator velocities (m/s, lengthening positive).
        memory: (memory_size,) stretch velocities of the last periods, oldest first; all 0 at the start of a walk.
        ctrl: (>= M,) excitations wanted, 0 to 1.
    """
    muscles = nerves.least.shape[0]
    newest = (REFLEX_DELAY_PERIODS - 1) * muscles
    for m in range(muscles):
        if nerves.least[m] > ctrl[m]:
            ctrl[m] = nerves.least[m]
        if nerves.reflex_gain[m] > 0.0:
            stretch = memory[m] - nerves.reflex_threshold[m]
            for k in range(m, newest, muscles):
                memory[k] = memory[k + muscles]
            memory[newest + m] = velocity[m] / optimal_length[m]
            if stretch > 0.0:
                ctrl[m] = min(ctrl[m] + nerves.reflex_gain[m] * stretch, 1.0)
