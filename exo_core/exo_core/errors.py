# SPDX-License-Identifier: Apache-2.0
"""Exit codes of all programs, the errors that several packages raise, and text that is fit for a log."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """The way in which a program ends. A signal ends it with 128 and the signal's number, as shells count."""

    OK = 0
    #: It could not do its work, or a target was missed where that was asked for.
    FAILED = 1
    #: What it was given cannot be used: options, parameters, files.
    BAD_INPUT = 2


class UserError(ValueError):
    """Raised where what somebody gave cannot be used; one line says what is wrong and what to do.

    Programs print it without a traceback.
    """


def warn(sentences: Iterable[str]) -> None:
    """Says on standard error, in a line each, what a reader of the results has to know."""
    for sentence in sentences:
        print(f"warning: {sentence}", file=sys.stderr)


#: Length (bytes of UTF-8) of a line in a log and of `cause` and `message` in exo_msgs.
LONGEST_LINE_BYTES = 512


def one_line(text: object, longest: int = LONGEST_LINE_BYTES) -> str:
    """Text from outside as one line without a terminal's escapes, so that it forges no line of a log.

    White space becomes single spaces; what cannot be printed is written as Python writes it, as `\\x1b`. What is longer
    than `longest` bytes of UTF-8 is cut and ends with three dots.
    """
    raw = str(text)[: 4 * longest]  # a hostile text may be megabytes long
    line = " ".join(raw.split())
    line = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in line)
    coded = line.encode()
    if len(coded) <= longest and len(raw) == len(str(text)):
        return line
    return coded[: longest - 3].decode(errors="ignore") + "..."
