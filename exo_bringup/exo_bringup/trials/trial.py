# SPDX-License-Identifier: Apache-2.0
"""What a trial is: rounds that are run one after the other, each kept at once, and figures of all of them."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from exo_core.errors import UserError
from exo_sim.measurement import Figure
from exo_sim.measurement.summary import to_plain

ROUNDS_FILE, CONFIGURATION_FILE = "rounds.jsonl", "trial.json"


class Trial(ABC):
    """Used as a context manager: what the rounds share is started on entering and ended on leaving."""

    #: Name on the command line.
    name: str
    #: What a round is, for the progress bar.
    unit: str

    def __init__(self, folder: Path) -> None:
        #: Logs and settings go here.
        self.folder = folder

    @abstractmethod
    def configuration(self) -> dict:
        """Everything that the result depends on; a trial is only resumed with the same."""

    @abstractmethod
    def rounds(self) -> list[str]:
        """Names of all rounds in their order."""

    @abstractmethod
    def run(self, round_name: str) -> dict:
        """Runs one round. Returns what was measured, as JSON can hold it."""

    @abstractmethod
    def figures(self, measured: dict[str, dict]) -> Sequence[Figure]:
        """Figures of the rounds that there are."""

    def details(self, measured: dict[str, dict]) -> dict:
        """Further entries of summary.json."""
        return {}

    def __enter__(self) -> Trial:
        return self

    def __exit__(self, *_) -> None:
        pass


class Rounds:
    """The rounds of a trial on disk: one JSON line each, written as soon as the round is over."""

    def __init__(self, folder: Path, trial: Trial) -> None:
        """Raises UserError when the folder holds the rounds of a trial of another configuration."""
        self._file = folder / ROUNDS_FILE
        identity = to_plain({"trial": trial.name, "configuration": trial.configuration()})
        known = folder / CONFIGURATION_FILE
        if known.is_file():
            if json.loads(known.read_text()) != identity:
                raise UserError(
                    f"{folder} holds a trial of another configuration: resume it with the same options (they "
                    f"are in {known.name}), or start a new one without --resume"
                )
        else:
            known.write_text(json.dumps(identity, indent=2, sort_keys=True) + "\n")
        #: What was measured, by name of the round.
        self.measured: dict[str, dict] = {}
        if self._file.is_file():
            for line in self._file.read_text().splitlines():
                try:
                    entry = json.loads(line)
                except json.JSONDecodeError:  # the last line of a run that was cut off
                    continue
                self.measured[entry["round"]] = entry["measured"]

    def add(self, name: str, measured: dict) -> None:
        """Keeps a round, whatever happens next."""
        plain = to_plain(measured)
        with self._file.open("a") as file:
            file.write(json.dumps({"round": name, "measured": plain}) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.measured[name] = plain
