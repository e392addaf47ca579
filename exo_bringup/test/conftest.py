# SPDX-License-Identifier: Apache-2.0
"""What the tests of reports share."""

import io
from pathlib import Path

import pytest


@pytest.fixture
def undrawn(monkeypatch):
    """Figures without marks, for tests about words: drawing is nearly all of a report's time."""

    def save(drawing, target, **_):
        empty = '<svg viewBox="0 0 1 1"></svg>'
        if hasattr(target, "write"):
            target.write(empty if isinstance(target, io.TextIOBase) else empty.encode())
        else:
            Path(target).write_text(empty)

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", save)
