# SPDX-License-Identifier: Apache-2.0
"""Files: written in one step, and configurations found by name."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from exo_core.errors import UserError


@contextmanager
def whole_file(path: str | Path, newline: str | None = None) -> Iterator[TextIO]:
    """A UTF-8 stream whose content replaces `path` when the block ends without an error.

    A reader never sees half of a file, and a failure leaves the old one.

    Raises:
        OSError: the folder does not exist, or the file cannot be written.
    """
    path = Path(path)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline=newline) as file:
            yield file
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def named_file(kind: str, name_or_path: str | Path, folder: Path) -> Path:
    """File of a configuration given by name (`hip_ankle`) or by path.

    A relative path is looked up from the working directory first; `config/devices/hip.yaml` then means the file of
    that name in `folder`, so that it works from anywhere.

    Args:
        kind: what it is, for the message: "device", "subject" or "driver".
        folder: where the files lie that a name means.

    Raises:
        UserError: there is no such file; lists the names that there are.
    """
    given = Path(name_or_path).expanduser()
    candidates = [given]
    if given.parts[:1] == ("config",):
        candidates.append(folder / given.name)
    if given.suffix not in (".yaml", ".yml") and len(given.parts) == 1:
        candidates.append(folder / f"{name_or_path}.yaml")
    for candidate in candidates:
        if candidate.is_file():
            return candidate.resolve()
    known = ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
    raise UserError(f"{kind} '{name_or_path}' is neither a file nor one of the names there are: {known}")
