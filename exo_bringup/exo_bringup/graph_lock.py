# SPDX-License-Identifier: Apache-2.0
"""One graph per ROS domain and namespace on a machine: a lock that the kernel frees when its holder dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from exo_core.errors import UserError
from exo_core.files import open_lock_file, runtime_folder

#: Domains whose ports lie below the ephemeral ones that the system hands out, on every platform of ROS 2.
LARGEST_DOMAIN_ID = 101


def ros_domain_id(chosen: int | None = None) -> int:
    """The ROS domain: what was chosen, else ROS_DOMAIN_ID, else 0. UserError: out of range."""
    text = os.environ.get("ROS_DOMAIN_ID", "") or "0" if chosen is None else str(chosen)
    if not text.isdigit() or int(text) > LARGEST_DOMAIN_ID:
        raise UserError(f"the ROS domain must be 0 to {LARGEST_DOMAIN_ID}, got '{text}' (--domain-id or ROS_DOMAIN_ID)")
    return int(text)


class GraphLock:
    """Held from construction to release()."""

    def __init__(self, domain_id: int, namespace: str, folder: str | Path | None = None):
        """Raises UserError if another exo_gait graph of this domain and namespace holds it, or it cannot be made."""
        label = namespace.strip("/").replace("/", ".") or "root"
        self._file = open_lock_file(Path(folder or runtime_folder()) / f"graph-{domain_id}-{label}.lock")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise UserError(in_use_message(domain_id, namespace)) from error

    def release(self) -> None:
        """Free the lock. The file stays: removing it would race with the next holder."""
        os.close(self._file)


def in_use_message(domain_id: int, namespace: str) -> str:
    """What to tell when a graph of this domain and namespace runs already."""
    name = namespace.strip("/")
    where = f"ROS domain {domain_id}" + (f", namespace /{name}" if name else "")
    return (
        f"another exo_gait graph runs in {where}: stop it, or choose another domain (ROS_DOMAIN_ID, --domain-id: 0 to "
        f"{LARGEST_DOMAIN_ID}) or namespace (--namespace, ros2 launch ... namespace:=)"
    )
