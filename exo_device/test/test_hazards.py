# SPDX-License-Identifier: Apache-2.0
"""The table of hazards names tests that exist, and says for each hazard what is left to hardware."""

import ast
import re
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "exo_device" / "docs" / "hazards.md"
TEST = re.compile(r"`(test_\w+)`")


@lru_cache
def existing() -> frozenset[str]:
    """Names of all test functions in the repository."""
    files = [file for where in ("exo_*/test", "test", "endurance") for file in ROOT.glob(f"{where}/test_*.py")]
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in files]
    functions = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    return frozenset(function.name for function in functions if function.name.startswith("test_"))


def hazards() -> dict[str, list[list[str]]]:
    """Rows (cause, measure, tests) of each hazard's table, by its heading."""
    found: dict[str, list[list[str]]] = {}
    for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        heading, *lines = section.splitlines()
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
        assert rows[0] == ["cause", "measure", "tests"], heading
        found[heading] = rows[2:]
    return found


def test_every_test_of_the_table_exists():
    named = {name for rows in hazards().values() for row in rows for name in TEST.findall(row[2])}
    assert len(named) > 50
    assert named <= existing(), sorted(named - existing())


def test_every_hazard_has_measures_and_every_measure_a_test():
    found = hazards()
    assert [heading.split()[0] for heading in found] == [f"H{number}" for number in range(1, len(found) + 1)]
    for heading, rows in found.items():
        assert rows, heading
        for row in rows:
            assert len(row) == 3 and row[0] and row[1] and TEST.search(row[2]), row


def test_every_hazard_says_what_is_left():
    for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        assert "\nLeft to " in section, section.splitlines()[0]
