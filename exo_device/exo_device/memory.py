# SPDX-License-Identifier: Apache-2.0
"""The memory keeps what a device must not forget when its node is deactivated, cleaned up, or started anew.

Four things: what is latched (a person's stop above all), how hot the motors are, whose zeros are not trusted, and for
which pair of files the signs and zeros were checked on the wearer (bench check). Real motors have files for them in the
state folder; emulated ones remember as long as the process runs.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from exo_core.errors import UserError
from exo_core.files import whole_file
from exo_device.description import DeviceDescription
from exo_device.safety import Fault, Snapshot, fault_names
from exo_device.safety.modes import NO_FAULT

#: What a restart starts with anyway is not kept: torque had ended, and arming is needed.
NOT_KEPT = Fault.SHUTDOWN
#: Heat goes to the file when a motor's has changed by this share of its budget.
HEAT_STEP = 0.05
#: Heat of motors whose past is not known: continuous torque and no more until they have cooled down.
UNKNOWN_HEAT = 1.0
#: The last words to a file may take so long (s).
CLOSE_TIMEOUT_S = 2.0
VERSION = 1


class StateFolderError(UserError):
    """The state folder cannot be used; the message is one line that says what to do."""


@dataclass(frozen=True)
class Kept:
    """What has to be kept: the latched faults, and the heat of the motors at a moment."""

    faults: Fault = NO_FAULT
    cause: str = ""
    #: Used share of the i2t budget, by joint.
    heat: Mapping[str, float] = field(default_factory=dict)
    #: Why a joint's zero is not trusted, by joint, until exo/confirm_zeros.
    doubts: Mapping[str, str] = field(default_factory=dict)
    #: When that was (s since 1970): the process's own clock does not outlive it.
    time_s: float = 0.0

    @classmethod
    def of(cls, snapshot: Snapshot, joint_names: tuple[str, ...], doubts: Mapping[str, str], now_s: float) -> Kept:
        """Returns what is to be kept of a device in this state."""
        faults = snapshot.faults & ~NOT_KEPT
        heat = dict(zip(joint_names, snapshot.heat.tolist(), strict=True))
        return cls(faults, snapshot.cause if faults else "", heat, doubts, now_s)

    def cooled(self, device: DeviceDescription, now_s: float) -> dict[str, float]:
        """Heat now (share of the budget, by joint): motors without torque cool with their time constant.

        A clock that went back counts as no time.
        """
        passed_s = max(0.0, now_s - self.time_s)
        return {
            name: self.heat.get(name, 0.0) * math.exp(-passed_s / joint.thermal_time_constant_s)
            for name, joint in device.joints.items()
        }

    def also(self, other: Kept, device: DeviceDescription, now_s: float) -> Kept:
        """Both: every fault and doubt, and the larger heat of each motor."""
        ours, theirs = self.cooled(device, now_s), other.cooled(device, now_s)
        heat = {name: max(ours[name], theirs[name]) for name in ours}
        doubts = {**other.doubts, **self.doubts}
        return Kept(self.faults | other.faults, self.cause or other.cause, heat, doubts, now_s)


def unknown(path: Path, why: object, device: DeviceDescription, now_s: float) -> Kept:
    """Returns what counts where the file cannot be read: it may have held a person's stop, and hot motors."""
    cause = (
        f"{path}, which keeps a stop across restarts, cannot be read ({' '.join(str(why).split())}): the device counts "
        "as stopped, and its motors as hot; look at it, then call exo/disarm"
    )
    heat = dict.fromkeys(device.joint_names, UNKNOWN_HEAT)
    doubts = dict.fromkeys(device.joint_names, f"{path} cannot be read")
    return Kept(Fault.USER_STOP, cause, heat, doubts, now_s)


class LatchFile:
    """Kept in a file that is replaced as a whole. Writing has a thread of its own: a slow disk holds nobody up."""

    def __init__(self, path: Path, on_error: Callable[[str], None]) -> None:
        """on_error: told once in a row, from the thread, with one line."""
        self.path = path
        self._on_error = on_error
        self._ready = threading.Condition()
        self._next: Kept | None = None
        self._written: Kept | None = None
        self._ends = False
        self._failed = False
        self._thread = threading.Thread(target=self._run, name="latch", daemon=True)
        self._thread.start()

    @staticmethod
    def read(path: Path, device: DeviceDescription, now_s: float) -> Kept:
        """Returns what the file holds; nothing where there is none, and see unknown() where it cannot be read."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["version"] != VERSION:
                raise ValueError(f"version {content['version']}")
            faults = NO_FAULT
            for name in content["faults"]:
                faults |= Fault[name]
            heat = {str(name): float(value) for name, value in content["heat"].items()}
            time_s = float(content["time_s"])
            if not all(math.isfinite(value) and value >= 0.0 for value in (*heat.values(), time_s)):
                raise ValueError("a number that is none")
            doubts = {str(name): str(why) for name, why in content.get("doubts", {}).items()}
            return Kept(faults, str(content["cause"]), heat, doubts, time_s)
        except FileNotFoundError:
            return Kept()
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            return unknown(path, f"{type(error).__name__}: {error}", device, now_s)

    def keep(self, kept: Kept) -> None:
        """Writes it soon, if it is news. Never waits."""
        with self._ready:
            newest = self._next or self._written
            if newest is not None and not _is_news(newest, kept):
                return
            self._next = kept
            self._ready.notify()

    def close(self) -> None:
        """Writes what waits, and ends the thread."""
        with self._ready:
            self._ends = True
            self._ready.notify()
        self._thread.join(CLOSE_TIMEOUT_S)

    def _run(self) -> None:
        while True:
            with self._ready:
                self._ready.wait_for(lambda: self._next is not None or self._ends)
                if self._next is None:
                    return
                kept, self._next, self._written = self._next, None, self._next
            self.write(kept)

    def write(self, kept: Kept) -> None:
        """Writes it at once."""
        try:
            _write(self.path, _latch_content(kept))
            self._failed = False
        except OSError as error:
            if not self._failed:
                self._failed = True
                self._on_error(
                    f"{self.path} cannot be written ({error.strerror or error}): a stop will not outlive this process"
                )


def _is_news(old: Kept, new: Kept) -> bool:
    if (old.faults, old.cause, old.doubts) != (new.faults, new.cause, new.doubts):
        return True
    return any(abs(value - old.heat.get(name, 0.0)) > HEAT_STEP for name, value in new.heat.items())


def _latch_content(kept: Kept) -> dict[str, Any]:
    return {
        "version": VERSION,
        "faults": fault_names(kept.faults),
        "cause": kept.cause,
        "heat": {name: round(value, 4) for name, value in kept.heat.items()},
        "doubts": dict(kept.doubts),
        "time_s": kept.time_s,
    }


# --- the sign and zero check


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal; "" for no path. Raises OSError."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest() if str(path) else ""


def check_path(folder: Path, device_sha256: str, driver_sha256: str) -> Path:
    """Where the result of the check of this pair of files is."""
    return folder / f"check-{device_sha256[:16]}-{driver_sha256[:16] or 'none'}.json"


def write_check(folder: Path, device_sha256: str, driver_sha256: str, joints: Mapping[str, Any], time_s: float) -> Path:
    """Stores a check that was passed; joints: what was measured. Returns the file. Raises OSError."""
    path = check_path(folder, device_sha256, driver_sha256)
    content = {
        "version": VERSION,
        "device_sha256": device_sha256,
        "driver_sha256": driver_sha256,
        "joints": dict(joints),
        "time_s": time_s,
    }
    _write(path, content)
    return path


def missing_check(folder: Path, device_sha256: str, driver_sha256: str, joint_names: tuple[str, ...]) -> str:
    """Says why these files do not count as checked, or "". A result that cannot be read is none."""
    path = check_path(folder, device_sha256, driver_sha256)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if (content["device_sha256"], content["driver_sha256"]) != (device_sha256, driver_sha256):
            return f"{path} is of other files"
        left_out = [name for name in joint_names if name not in content["joints"]]
        return f"{path} has nothing about {left_out[0]}" if left_out else ""
    except FileNotFoundError:
        return "there is no result of a check for this pair of device file and driver file as they are now"
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        return f"{path} cannot be read ({type(error).__name__}: {error})"


# --- files


def state_folder(given: str = "") -> Path:
    """The folder that is given, else exo_gait in the user's folder for state (XDG)."""
    if given:
        return Path(given).expanduser()
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "exo_gait"


def usable_folder(folder: Path) -> Path:
    """The folder, made if need be. Raises StateFolderError when it cannot be written to."""
    probe = folder / f".probe-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise StateFolderError(
            f"{folder} cannot be written to ({error.strerror or error}): a stop could not outlive a restart; give "
            "another folder with the parameter state_folder"
        ) from error
    return folder


def latch_path(folder: Path, bus_name: str) -> Path:
    """The file of the motors on this bus, whichever node drives them."""
    return folder / f"latch-{re.sub(r'[^A-Za-z0-9]+', '-', bus_name).strip('-')}.json"


def _write(path: Path, content: Mapping[str, Any]) -> None:
    """Replaces a file at once and for good: a reader sees the old content or the new one, also after a power cut."""
    with whole_file(path) as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
