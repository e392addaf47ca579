# SPDX-License-Identifier: Apache-2.0
"""How a commanded speed is approached: gently while walking, in a step or two when starting and stopping."""

from __future__ import annotations

import numpy as np

#: Slowest and fastest walk (m/s); 0 is standing, and speeds between 0 and the slowest walk are only passed through.
SLOWEST_WALK_MPS = 0.6
FASTEST_WALK_MPS = 1.8
#: Change of commanded speed while walking (m/s^2).
WALKING_RAMP_MPS2 = 0.2
#: Change of commanded speed from standing to the slowest walk (m/s^2): people reach a steady walk within two or three
#: steps (Breniere and Do 1986, J Biomech 19:1035) and do not shuffle.
STARTING_RAMP_MPS2 = 0.6
#: Change of commanded speed from the slowest walk to standing (m/s^2): two strides, in which the steps get shorter and
#: the feet come under the body. In one stride both feet stay behind, and the body falls forward over them.
STOPPING_RAMP_MPS2 = 0.3


def approach(command: np.ndarray, target: np.ndarray, period_s: float) -> np.ndarray:
    """Commanded speeds (n,) in m/s one period later, on the way to targets (n,)."""
    slow = command < SLOWEST_WALK_MPS
    rise = np.where(slow, STARTING_RAMP_MPS2, WALKING_RAMP_MPS2) * period_s
    fall = np.where(slow, STOPPING_RAMP_MPS2, WALKING_RAMP_MPS2) * period_s
    return command + np.clip(target - command, -fall, rise)
