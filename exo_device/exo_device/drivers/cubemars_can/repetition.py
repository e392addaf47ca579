# SPDX-License-Identifier: Apache-2.0
"""Is a motor's answer a new one? Replies carry no counter: an old one that is sent again looks like a joint at rest.

Two things give it away, to the last bit of the frame. A motor that is asked for another torque cannot report the
same torque, angle and speed as before. And no worn joint that is given torque stays within one step of all three
fields (0.02 degrees, 0.02 rad/s, 0.03 Nm) for long. A joint at rest without torque cannot be told from a stale
one, and need not be: nothing pushes it.
"""

from __future__ import annotations


class RepetitionCheck:
    """Follows one motor's replies."""

    def __init__(self, contradiction_nm: float, contradiction_s: float, longest_s: float | None) -> None:
        """Torque asked for (Nm) that must show in the replies after contradiction_s; longest_s: see PlausibilityLimits."""
        self._contradiction_nm, self._contradiction_s = contradiction_nm, contradiction_s
        self._longest_s = longest_s
        self._data = b""
        self._asked: float | None = None
        self._torque_since_s = self._contradicted_since_s = None

    def see(self, t: float, data: bytes, asked: float | None) -> bool:
        """Takes in a reply of time t (s); asked: torque (Nm) that the motor understood last, None while it is off.

        Returns whether the replies repeat an old one.
        """
        if asked is None or data != self._data:
            self._data, self._asked = data, asked
            self._torque_since_s = self._contradicted_since_s = None
            return False
        if self._asked is None:
            self._asked = asked
        self._contradicted_since_s = self._since(
            t, self._contradicted_since_s, abs(asked - self._asked) >= self._contradiction_nm
        )
        self._torque_since_s = self._since(t, self._torque_since_s, abs(asked) >= self._contradiction_nm)
        return _lasts(t, self._contradicted_since_s, self._contradiction_s) or _lasts(
            t, self._torque_since_s, self._longest_s
        )

    @staticmethod
    def _since(t: float, since: float | None, holds: bool) -> float | None:
        if not holds:
            return None
        return t if since is None else since


def _lasts(t: float, since: float | None, longest_s: float | None) -> bool:
    return since is not None and longest_s is not None and t - since >= longest_s
