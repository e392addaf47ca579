# SPDX-License-Identifier: Apache-2.0
"""Exit codes of all programs, and the errors that several packages raise."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """How a program ends. A signal ends it with 128 and the signal's number, as shells count."""

    OK = 0
    #: It could not do its work, or a target was missed where that was asked for.
    FAILED = 1
    #: What it was given cannot be used: options, parameters, files.
    BAD_INPUT = 2


class UserError(ValueError):
    """What somebody gave cannot be used; one line that says what is wrong and what to do.

    Programs print it without a traceback.
    """


def warn(sentences: Iterable[str]) -> None:
    """Says on standard error, in a line each, what a reader of the results has to know."""
    for sentence in sentences:
        print(f"warning: {sentence}", file=sys.stderr)
