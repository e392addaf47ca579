# SPDX-License-Identifier: Apache-2.0
"""Training, evaluation and reports: which room may look into which."""

import re
from pathlib import Path

import exo_lab

FOLDER = Path(exo_lab.__file__).parent
#: What each room imports of the others; everything else stands on a layer below.
ALLOWED = {
    "rl": set(),
    "train": {"rl"},
    "evaluate": set(),
    "report": {"evaluate"},
}
#: Still in the way; this list may only grow shorter.
KNOWN = {
    "evaluate/exo/population.py": {"train"},
}


def test_rooms_look_only_where_they_may():
    found = {}
    for room, allowed in ALLOWED.items():
        for path in sorted((FOLDER / room).rglob("*.py")):
            looked = set(re.findall(r"^\s*(?:from|import) exo_lab\.(\w+)", path.read_text(), re.MULTILINE))
            wrong = (looked & set(ALLOWED)) - allowed - {room}
            if wrong:
                found[path.relative_to(FOLDER).as_posix()] = wrong
    assert found == KNOWN


def test_the_layer_below_looks_into_no_room():
    for path in FOLDER.glob("*.py"):
        assert not re.search(
            r"^\s*(?:from|import) exo_lab\.(rl|train|evaluate|report)", path.read_text(), re.MULTILINE
        ), path
