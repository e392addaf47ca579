# SPDX-License-Identifier: Apache-2.0
"""Rows of figures in a CSV file that a training writes as it goes, and goes on with when it is resumed."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path

from exo_core.files import whole_file

#: Of a number with six digits.
ROUNDING = 5e-6


class CsvLog:
    """A CSV file of numbers; a row may bring columns that the rows before it do not have.

    Args:
        file: that there is, or that the first row begins.

    Attributes:
        rows: all so far, by column; what a row has no value for is not in it.
    """

    def __init__(self, file: Path):
        self._file = file
        self.rows: list[dict[str, float]] = []
        self._columns: list[str] = []
        if file.exists():
            with file.open(newline="", encoding="utf-8") as stream:
                text = stream.read()
            reader = csv.DictReader(text[: text.rfind("\n") + 1].splitlines())  # a kill cuts the last row off
            self.rows = [{name: float(value) for name, value in row.items() if name and value} for row in reader]
            self._columns = list(reader.fieldnames or ())
            if not text.endswith("\n"):
                self._write()

    def add(self, row: Mapping[str, float]) -> None:
        """Writes a row down, with six digits.

        Raises:
            OSError: the file cannot be written.
        """
        self.rows.append(dict(row))
        new = [name for name in row if name not in self._columns]
        if new:  # the file is begun, or begun anew with the columns that were not there
            self._columns += new
            self._write()
        else:
            with self._file.open("a", newline="", encoding="utf-8") as stream:
                csv.DictWriter(stream, self._columns).writerow(_text(row))

    def forget_after(self, column: str, last: float) -> None:
        """Drops rows beyond this value of a column: a killed training wrote them after its state was saved, and goes on
        from there.

        Raises:
            OSError: the file cannot be written.
        """
        known = [row for row in self.rows if row.get(column, -math.inf) <= last * (1.0 + ROUNDING)]
        if len(known) < len(self.rows):
            self.rows = known
            self._write()

    def _write(self) -> None:
        with whole_file(self._file, newline="") as stream:
            writer = csv.DictWriter(stream, self._columns)
            writer.writeheader()
            writer.writerows(_text(known) for known in self.rows)


def _text(row: Mapping[str, float]) -> dict[str, str]:
    return {name: f"{value:.6g}" for name, value in row.items()}
