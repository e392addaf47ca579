# SPDX-License-Identifier: Apache-2.0
"""Do all commands come from one publisher? Its own count of what it published tells. No ROS.

Python gets no identity with a message, only the publisher's running number. A second publisher has numbers of
its own, which do not go on where those of the first one are. One that publishes faster catches up in the end:
then the two cannot be told apart any more.
"""

from __future__ import annotations

from enum import Enum, auto

#: So many messages of one publisher may be lost in a row: half a second at 100 Hz.
LARGEST_STEP = 50
#: While no torque is given, a publisher that was silent for this long (s, steady time) has left its place.
FORGET_S = 0.2


class Source(Enum):
    """Whose a message is."""

    FOLLOWED = auto()
    #: Of a second publisher.
    FOREIGN = auto()
    #: Of either: the numbers of both are close together.
    UNKNOWN = auto()


class CommandSource:
    """Follows one publisher."""

    def __init__(self) -> None:
        self._number: int | None = None
        self._foreign_number: int | None = None
        self._heard_s = 0.0

    def judge(self, number: int, publishers: int, now_s: float, *, is_active: bool) -> Source:
        """Whose a message is.

        number: that its publisher gave it. publishers: of the topic, as far as they are known. is_active:
        torque is given, so that nobody else may take the place of a publisher that has fallen silent.
        """
        free = self._number is None or (not is_active and now_s - self._heard_s > FORGET_S)
        if free or publishers < 2:
            self._foreign_number = None
        elif self._foreign_number is not None and abs(self._foreign_number - self._number) <= LARGEST_STEP:
            return Source.UNKNOWN
        elif not 1 <= number - self._number <= LARGEST_STEP:
            self._foreign_number = number
            return Source.FOREIGN
        self._number, self._heard_s = number, now_s
        return Source.FOLLOWED
