# SPDX-License-Identifier: Apache-2.0
"""The command that makes a run again, from its configuration."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

#: Options of `exo sim` by the configuration's key.
OPTIONS = {
    "speed_mps": "--speed",
    "duration_s": "--duration",
    "subject": "--subject",
    "device": "--device",
    "controller": "--controller",
    "checkpoint": "--checkpoint",
    "human_checkpoint": "--human-checkpoint",
    "seed": "--seed",
}
MODES = {"lockstep": ["--lockstep"], "fast": ["--fast"]}


def command_line(configuration: Mapping) -> str:
    """`exo sim` with everything that the configuration says; empty values are the defaults and left out."""
    words = ["exo", "sim", *MODES.get(configuration.get("mode", ""), [])]
    for key, option in OPTIONS.items():
        value = configuration.get(key, "")
        if value not in ("", None):
            words += [option, f"{value:g}" if isinstance(value, float) else str(value)]
    return shlex.join(words)
