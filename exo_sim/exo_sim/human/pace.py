# SPDX-License-Identifier: Apache-2.0
"""How a person keeps a commanded speed: by intending it, and by going a little faster or slower where it is missed.

A device, a load or a weak leg changes how fast the same intention carries. People on a treadmill or beside somebody
notice, and make it good within seconds (Pagliara, Snaterse and Donelan 2014, J Exp Biol 217:2939: a fast process of
1.4 s, then a slow one of 27 s, by step frequency). Without it, conditions would be compared at different speeds.
"""

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


#: Time in which a missed speed is made good (s): between the two processes, and slow against the sway of a stride.
CORRECTION_TIME_S = 4.0
#: Largest change of intention (m/s); who needs more does not keep the speed.
LARGEST_CORRECTION_MPS = 0.2
#: Who slows down to stand, or has not yet begun to walk, forgets it in this time (s).
FORGETTING_TIME_S = 0.3


class Pace:
    """Of n people.

    Attributes:
        asked: (n,) m/s, the commanded speed on its ramp.
    """

    def __init__(self, count: int):
        self.asked = np.zeros(count)
        self._correction = np.zeros(count)

    def place(self, i: int, speed: float) -> None:
        """Person i begins anew at this speed (m/s)."""
        self.asked[i], self._correction[i] = speed, 0.0

    def advance(self, target: np.ndarray | float, velocity: np.ndarray, period_s: float) -> np.ndarray:
        """Intended speeds (n,) in m/s one period later.

        Args:
            target: (n,) commanded speed at the end of the ramp.
            velocity: (n,) how fast everybody moves forward.
            period_s: the period.
        """
        self.asked = asked = approach(self.asked, target, period_s)
        walking = asked >= SLOWEST_WALK_MPS
        missed = np.where(np.isfinite(velocity), asked - velocity, 0.0)
        grown = np.clip(
            self._correction + missed * (period_s / CORRECTION_TIME_S), -LARGEST_CORRECTION_MPS, LARGEST_CORRECTION_MPS
        )
        self._correction = np.where(walking, grown, self._correction * np.exp(-period_s / FORGETTING_TIME_S))
        intended = asked + self._correction
        return np.where(
            walking, np.clip(intended, SLOWEST_WALK_MPS, FASTEST_WALK_MPS), np.maximum(intended, 0.0) * (asked > 0.0)
        )
