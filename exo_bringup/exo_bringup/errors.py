# SPDX-License-Identifier: Apache-2.0
"""The error of this package: bad input or a graph that cannot run."""


class BringupError(ValueError):
    """One line that says what is wrong and what to do; the command line prints it without a traceback."""
