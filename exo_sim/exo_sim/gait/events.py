# SPDX-License-Identifier: Apache-2.0
"""Heel strike and toe off of one foot from its vertical ground reaction force, sample by sample."""

from __future__ import annotations

import math
from dataclasses import dataclass

from exo_sim.errors import GaitError

# Force plates in gait laboratories switch near 20 N (Zeni 2008, Gait Posture 27:710-714), 3 % of 70 kg.
# Two thresholds around it keep noise from chattering.
HEEL_STRIKE_BODY_WEIGHTS = 0.04
TOE_OFF_BODY_WEIGHTS = 0.02
# A contact is a stance only once it bears load: a toe that scuffs the floor in swing does not.
LOADED_BODY_WEIGHTS = 0.20
DEBOUNCE_S = 0.03  # a change shorter than this is an impact's bounce, not an event
# A foot takes load, and gives it up, within some 50 ms; one that touches the floor for longer than this between its
# threshold and the load of a stance drags, and when it landed or left cannot be told from the force.
DRAG_S = 0.2

HEEL_STRIKE = "heel_strike"
TOE_OFF = "toe_off"


@dataclass(frozen=True)
class GaitEvent:
    """A foot landed or left the floor.

    Attributes:
        kind: "heel_strike" or "toe_off".
        t: time at which the force crossed the threshold, s.
        drags: the foot was on the floor without bearing load for longer than DRAG_S before or after, so that ``t``
            may be far from the true event; or in between, so that a swing lies within what seems one stance.
    """

    kind: str
    t: float
    drags: bool = False


class StrideDetector:
    """Streaming event detection for one foot, with hysteresis, debounce and a load condition.

    Events are reported some 10 ms late, when they are certain, but carry the time of the threshold crossing,
    interpolated between samples.

    Args:
        body_weight: weight of the walker, N.
        heel_strike, toe_off, loaded: thresholds in body weights, toe_off <= heel_strike <= loaded.
        debounce_s: how long a change must last, s.

    Raises:
        GaitError: thresholds out of order, weight not positive.
    """

    def __init__(
        self,
        body_weight: float,
        *,
        heel_strike: float = HEEL_STRIKE_BODY_WEIGHTS,
        toe_off: float = TOE_OFF_BODY_WEIGHTS,
        loaded: float = LOADED_BODY_WEIGHTS,
        debounce_s: float = DEBOUNCE_S,
    ):
        if not (math.isfinite(body_weight) and body_weight > 0):
            raise GaitError(f"body weight must be a positive number of newtons, got {body_weight}")
        if not 0 < toe_off <= heel_strike <= loaded:
            raise GaitError(
                f"thresholds must satisfy 0 < toe_off <= heel_strike <= loaded, got {toe_off}, {heel_strike}, {loaded}"
            )
        if not debounce_s >= 0:
            raise GaitError(f"debounce_s must not be negative, got {debounce_s}")
        self._strike_n, self._off_n = heel_strike * body_weight, toe_off * body_weight
        self._loaded_n, self._debounce_s = loaded * body_weight, debounce_s
        self.restart()

    def restart(self) -> None:
        """Forget everything, as after a reset of the simulation."""
        self.contact: bool | None = None  # None until the first sample
        self.last_heel_strike: float | None = None
        self.stride_time: float | None = None
        self._touching = False  # before debounce
        self._changed_at = 0.0
        self._peak = 0.0  # highest force since touching
        self._loaded_at = math.inf  # when the foot bore load last
        self._swung_on_floor = False  # since the last heel strike
        self._t = -math.inf
        self._force = 0.0

    def update(self, t: float, force: float) -> list[GaitEvent]:
        """Feed one sample: time (s), vertical force on the foot (N, upward positive).

        Returns:
            the events that became certain with this sample, usually none.

        Raises:
            GaitError: time does not increase, or force is not finite.
        """
        if not t > self._t:
            raise GaitError(f"time must increase: {t} s after {self._t} s; call restart() after a reset")
        if not math.isfinite(force):
            raise GaitError(f"ground reaction force is not finite at {t} s")
        first = self.contact is None
        if first:
            self._touching = self.contact = force > self._loaded_n
            self._changed_at, self._peak = t, force
        elif self._touching != (force > (self._off_n if self._touching else self._strike_n)):
            threshold = self._off_n if self._touching else self._strike_n
            self._changed_at = self._crossing(t, force, threshold)
            self._touching = not self._touching
            self._peak = 0.0
        self._peak = max(self._peak, force)
        if force > self._loaded_n:
            # who bore no load for so long and does again has swung: without leaving the floor, if in contact still
            self._swung_on_floor |= bool(self.contact) and t - self._loaded_at > DRAG_S
            self._loaded_at = t
        self._t, self._force = t, force
        return self._settle(t)

    def phase(self, t: float) -> float:
        """Stride fraction since the last heel strike at time t (s), 0 to 1; NaN before a stride was seen.

        It stays just below 1 while a stride lasts longer than the one before.
        """
        if self.last_heel_strike is None or self.stride_time is None:
            return math.nan
        return min(max((t - self.last_heel_strike) / self.stride_time, 0.0), math.nextafter(1.0, 0.0))

    def _crossing(self, t: float, force: float, threshold: float) -> float:
        rise = force - self._force
        return t if rise == 0 else self._t + (t - self._t) * (threshold - self._force) / rise

    def _settle(self, t: float) -> list[GaitEvent]:
        if self._touching == self.contact or t - self._changed_at < self._debounce_s:
            return []
        if self._touching and self._peak < self._loaded_n:
            return []
        self.contact = self._touching
        if not self.contact:
            drags = self._swung_on_floor or self._changed_at - self._loaded_at > DRAG_S
            return [GaitEvent(TOE_OFF, self._changed_at, drags)]
        self._swung_on_floor = False
        if self.last_heel_strike is not None:
            self.stride_time = self._changed_at - self.last_heel_strike
        self.last_heel_strike = self._changed_at
        # the load has just come, or came within the debounce
        return [GaitEvent(HEEL_STRIKE, self._changed_at, t - self._changed_at > DRAG_S)]
