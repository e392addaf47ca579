# SPDX-License-Identifier: Apache-2.0
"""The torque permit says whether the motors may have power, to a relay in their supply or to the STO input of a drive.

That is the last thing that can stop them.

True while all is well, armed or not: motors lose their zeros with their power. False when the supervisor told them to
stop and they did not (STOP_NOT_CONFIRMED), and when the control loop has ended. Silence means false as well, so that a
dead process, a broken cable and a computer without power all take the power away: whoever listens to the topic opens
the relay after LONGEST_SILENCE_S without a true, and a GPIO line can be pulsed for a relay that wants to be
retriggered.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import struct
from collections.abc import Callable

from exo_core.errors import UserError
from exo_device.safety import Fault, Snapshot

#: Told ten times a second, with exo/status; after this time (s) without a true the relay opens.
LONGEST_SILENCE_S = 0.3
#: Linux, include/uapi/linux/gpio.h: struct gpio_v2_line_request up to its attributes, gpio_v2_line_values, and ioctls.
LINE_REQUEST = struct.Struct("=64I32sQI20x240xII20xi")
LINE_VALUES = struct.Struct("=QQ")
GET_LINE, SET_VALUES = 0xC250B407, 0xC010B40F
ACTIVE_LOW, OUTPUT = 1 << 1, 1 << 3
CONSUMER = b"exo_gait torque permit"
GIVEN = re.compile(r"(?P<chip>/dev/gpiochip\d+):(?P<line>\d+)(?P<pulse>:pulse)?(?P<low>:active_low)?")


class PermitError(UserError):
    """The GPIO line cannot be used; one line."""


def is_permitted(snapshot: Snapshot) -> bool:
    """Tells whether the motors may have power."""
    return Fault.STOP_NOT_CONFIRMED not in snapshot.faults


class GpioLine:
    """One output of a GPIO chip, low until the first set().

    given: /dev/gpiochip0:17, with :pulse for a line that changes at every set(True) and rests low otherwise (a
    retriggerable relay drops out when the pulses end, which a process that was killed leaves it to), and :active_low.
    Raises PermitError. ioctl, open_file: of another chip than the kernel's.
    """

    def __init__(
        self,
        given: str,
        *,
        ioctl: Callable[..., object] = fcntl.ioctl,
        open_file: Callable[[str, int], int] = os.open,
    ) -> None:
        match = GIVEN.fullmatch(given)
        if match is None:
            raise PermitError(
                f"'{given}' names no GPIO line: expected /dev/gpiochip0:17, then :pulse, then :active_low"
            )
        self._ioctl, self._pulses, self._is_high = ioctl, bool(match["pulse"]), False
        request = bytearray(LINE_REQUEST.size)
        flags = OUTPUT | (ACTIVE_LOW if match["low"] else 0)
        LINE_REQUEST.pack_into(request, 0, int(match["line"]), *[0] * 63, CONSUMER, flags, 0, 1, 0, 0)
        try:
            chip = open_file(match["chip"], os.O_RDWR | os.O_CLOEXEC)
            try:
                ioctl(chip, GET_LINE, request)
            finally:
                os.close(chip)
        except OSError as error:
            raise PermitError(f"GPIO line {given} cannot be taken: {error.strerror or error}") from error
        self._line = LINE_REQUEST.unpack(request)[-1]

    def set(self, permitted: bool) -> None:
        """Tells the relay. Raises OSError when the chip is gone: then it gets no pulses either."""
        self._is_high = permitted and not (self._pulses and self._is_high)
        self._ioctl(self._line, SET_VALUES, LINE_VALUES.pack(int(self._is_high), 1))

    def close(self) -> None:
        """Low, and the line is given back; may be called twice."""
        if self._line is None:
            return
        with contextlib.suppress(OSError):
            self.set(False)
        os.close(self._line)
        self._line = None
