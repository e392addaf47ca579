# SPDX-License-Identifier: Apache-2.0
"""Which part of a recorded walk to show: whole strides, no falls, one stretch for each condition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from exo_core.errors import UserError
from exo_lab.recorded_motion import RecordedMotion

#: A person who falls has stumbled for about this long before (s).
STUMBLE_S = 1.0
#: A foot that has touched down stays for at least this long (s); shorter contacts are grazes in swing.
SHORTEST_CONTACT_S = 0.1
#: Two contacts of a foot nearer than this are one (s).
SHORTEST_STRIDE_S = 0.5
WHOLE_WALK = "walk"


@dataclass(frozen=True)
class Clip:
    """From start_s to end_s of simulated time, under the name of its condition."""

    condition: str
    start_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        """Simulated time shown (s)."""
        return self.end_s - self.start_s


def choose_clips(motion: RecordedMotion, configuration: Mapping, longest_s: float) -> list[Clip]:
    """A clip of at most longest_s for each measured condition that was walked, from a right heel strike on.

    Raises:
        UserError: nothing but falls.
    """
    phases = configuration.get("phases", [])
    measured = [
        (later["name"], earlier["until_s"], later["until_s"])
        for earlier, later in zip(phases, phases[1:])
        if later.get("measured")
    ]
    whole = (WHOLE_WALK, float(motion.time_s[0]), float(motion.time_s[-1]))
    clips = [_clip(motion, *part, longest_s) for part in measured or [whole]]
    found = [clip for clip in clips if clip is not None]
    if not found:
        raise UserError("there is nothing to film: the recording has no moment without a fall in a measured part")
    return found


def _clip(motion: RecordedMotion, condition: str, start_s: float, end_s: float, longest_s: float) -> Clip | None:
    stretches = [_without_stumble(*stretch) for stretch in upright_stretches(motion, start_s, end_s)]
    stretches = [(first, last) for first, last in stretches if last > first]
    if not stretches:
        return None
    first, last = max(stretches, key=lambda stretch: stretch[1] - stretch[0])
    strikes = heel_strikes(motion, first, last)
    best = None
    for begin in strikes:
        ends = [end for end in strikes if 0.0 < end - begin <= longest_s + 1e-9]
        if ends and (best is None or ends[-1] - begin >= best[1] - best[0]):
            best = (begin, ends[-1])
    if best is None:  # too short for a whole stride: better a part of one than nothing
        best = (max(first, last - longest_s), last)
    return Clip(condition, *best)


def upright_stretches(motion: RecordedMotion, start_s: float, end_s: float) -> list[tuple[float, float, bool]]:
    """(start, end, whether it ends in a fall) of stretches between falls, in s."""
    within = motion.between(start_s, end_s)
    times, upright = motion.time_s[within], ~motion.fallen[within]
    edges = np.flatnonzero(np.diff(np.concatenate([[False], upright, [False]]).astype(int)))
    return [(float(times[a]), float(times[b - 1]), b < len(times)) for a, b in zip(edges[::2], edges[1::2])]


def _without_stumble(start_s: float, end_s: float, falls: bool) -> tuple[float, float]:
    return start_s, end_s - STUMBLE_S if falls and end_s - start_s > 2.0 * STUMBLE_S else end_s


def heel_strikes(motion: RecordedMotion, start_s: float, end_s: float) -> list[float]:
    """Times (s) at which the right foot touches down."""
    within = motion.between(start_s, end_s)
    times, contact = motion.time_s[within], motion.contact[within, 0]
    strikes: list[float] = []
    for first in np.flatnonzero(contact[1:] & ~contact[:-1]) + 1:
        stays = contact[(times >= times[first]) & (times <= times[first] + SHORTEST_CONTACT_S)].all()
        if stays and (not strikes or times[first] - strikes[-1] >= SHORTEST_STRIDE_S):
            strikes.append(float(times[first]))
    return strikes
