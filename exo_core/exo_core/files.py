# SPDX-License-Identifier: Apache-2.0
"""Files: written in one step, kept from other users, and configurations found by name."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from exo_core.errors import UserError, one_line

#: Where systemd keeps a folder for each user who is logged in: a service of that user has no XDG_RUNTIME_DIR.
USER_FOLDERS = "/run/user"


@contextmanager
def whole_file(path: str | Path, newline: str | None = None, mode: int = 0o666) -> Iterator[TextIO]:
    """A UTF-8 stream whose content replaces `path` when the block ends without an error.

    A reader never sees half of a file, and a failure leaves the old one. The umask takes its part of `mode`.

    Raises:
        OSError: the folder does not exist, or the file cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline=newline) as file:
            yield file
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def keep_private() -> None:
    """Makes this process and its children write files that their user alone may read.

    What runs write tells of a person: mass, height, impairments, gait. Every program calls this first.
    """
    os.umask(0o077)


def runtime_folder() -> Path:
    """This user's folder for locks and short-lived settings; made if need be.

    It is exo_gait in $XDG_RUNTIME_DIR or /run/user/UID, which the system keeps for this user alone; else
    exo_gait-UID in the temporary folder, where another user might have been first.

    Raises:
        UserError: the folder is a link, belongs to somebody else, or others may write to it.
    """
    for given in (os.environ.get("XDG_RUNTIME_DIR", ""), f"{USER_FOLDERS}/{os.getuid()}"):
        if given and not _not_private(Path(given)):  # `su` hands on another user's variable
            folder = Path(given) / "exo_gait"
            break
    else:
        folder = Path(tempfile.gettempdir()) / f"exo_gait-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be made ({error.strerror}): remove what is in its place") from error
    reason = _not_private(folder)
    if reason:
        raise UserError(f"{folder} {reason}: somebody else may have made it; remove it, or set XDG_RUNTIME_DIR")
    return folder


def _not_private(folder: Path) -> str:
    """Says why a folder is not this user's alone; empty when it is."""
    try:
        found = folder.lstat()
    except OSError as error:
        return f"cannot be looked at ({error.strerror})"
    if not stat.S_ISDIR(found.st_mode):
        return "is no folder"
    if found.st_uid != os.getuid():
        return f"belongs to user {found.st_uid}, not to this one ({os.getuid()})"
    if found.st_mode & 0o022:
        return f"may be written to by others (mode {stat.S_IMODE(found.st_mode):o})"
    return ""


def open_lock_file(path: Path, *, shared: bool = False) -> int:
    """Descriptor of a file to lock with flock, made if need be; nothing is written to it and no link is followed.

    Args:
        shared: programs of other users may lock it as well, which takes the right to read it.

    Raises:
        UserError: it cannot be opened, or is no plain file.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        try:
            handle = os.open(path, flags)
        except FileNotFoundError:
            handle = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
            if shared:
                os.fchmod(handle, 0o644)  # whatever the umask
    except FileExistsError:  # somebody was faster
        return open_lock_file(path, shared=shared)
    except OSError as error:
        raise UserError(f"{path} cannot be locked ({error.strerror}): remove it") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise UserError(f"{path} cannot be locked: it is no plain file; remove it")
    return handle


def read_limited(path: Path, largest: int) -> bytes:
    """Content of a plain file of at most `largest` bytes: a pipe or a device would never end, a folder has none.

    Raises:
        ValueError: it is no plain file, or a larger one; the message says which, without the path.
        OSError: it cannot be read.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe without a writer would wait here
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise ValueError("is no plain file")
    with os.fdopen(handle, "rb") as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise ValueError(f"is larger than {largest / 1e6:g} MB")
    return content


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
    with contextlib.suppress(OSError, RuntimeError):  # a name that is too long, and ~somebody whom nobody knows
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
    raise UserError(f"{kind} '{one_line(name_or_path, 200)}' is neither a file nor one of the names there are: {known}")
