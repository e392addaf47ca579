# SPDX-License-Identifier: Apache-2.0
"""Programs of the graph: where they are, who may start them, and child processes that cannot outlive their parent.

One graph runs in a ROS domain and namespace of a machine. The launch files import this module: standard library only.

Each child leads a session of its own, so that Ctrl-C in the terminal reaches the parent alone, which stops
the children in order. The kernel sends them SIGTERM if the parent dies first (prctl(2), PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import ctypes
import fcntl
import functools
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from exo_core.errors import UserError
from exo_core.files import open_lock_file, runtime_folder

#: Domains whose ports lie below the ephemeral ones that the system hands out, on every platform of ROS 2.
LARGEST_DOMAIN_ID = 101
#: From <linux/prctl.h>.
PR_SET_PDEATHSIG = 1
AUTOGROUP = Path("/proc/self/autogroup")
#: Time a child gets after SIGINT, and again after SIGTERM, before the next step (s).
INTERRUPT_GRACE_S = 8.0
TERMINATE_GRACE_S = 4.0
POLL_S = 0.02
#: Lines of a dead child's log worth showing.
LAST_LINES = 12
#: rcutils writes `[ERROR] [time] [node]: text`; a traceback is what an uncaught exception leaves.
PROBLEM_LINE = re.compile(r"^\[(ERROR|FATAL)\]|^[A-Za-z_.]*(Error|Exception): ")

_LIBC = ctypes.CDLL(None, use_errno=True)


def _nice_of_session() -> bytes:
    """Priority of this session's autogroup (sched(7)): a child in a session of its own would start at 0."""
    try:
        return AUTOGROUP.read_bytes().split()[-1]
    except (OSError, IndexError):  # a kernel without autogroups
        return b"0"


def _before_exec(session_nice: bytes) -> None:
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    # a shell lets what it starts in the background ignore it, and children inherit that: they could not be stopped so
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if session_nice != b"0":
        try:
            AUTOGROUP.write_bytes(session_nice)
        except OSError:  # not allowed: then as any new session
            pass


class Child:
    """One child process with its log file."""

    def __init__(self, name: str, command: list[str], log_file: Path, environment: dict[str, str]):
        self.name = name
        self.log_file = log_file
        self._read_to = 0
        self._partial = ""
        with log_file.open("ab") as log:
            try:
                self.process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    start_new_session=True,
                    preexec_fn=functools.partial(_before_exec, _nice_of_session()),
                )
            except OSError as error:
                raise UserError(f"{name} cannot be started: {error}") from error

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self.process.poll()

    def send(self, signal_number: int) -> None:
        """Signal the process itself, not its group: a node that got a signal twice would stop uncleanly."""
        if self.exit_code is None:
            self.process.send_signal(signal_number)

    def kill(self) -> None:
        """End the child and whatever it started."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def new_lines(self) -> list[str]:
        """Whole lines that the child wrote since the last call."""
        with self.log_file.open("rb") as log:
            log.seek(self._read_to)
            data = log.read()
        self._read_to += len(data)
        *lines, self._partial = (self._partial + data.decode(errors="replace")).split("\n")
        return lines

    def last_lines(self, count: int = LAST_LINES) -> list[str]:
        """The end of the log."""
        return self.log_file.read_text(errors="replace").splitlines()[-count:]


class Children:
    """The children of one run, in the order they were started."""

    def __init__(self, log_folder: Path, say: Callable[[str], None] = lambda line: print(line, file=sys.stderr)):
        self.log_folder = log_folder
        self._say = say
        self._children: dict[str, Child] = {}
        log_folder.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, command: list[str], environment: dict[str, str] | None = None) -> Child:
        """Start a child. Call it from the main thread: PR_SET_PDEATHSIG follows the thread that forks."""
        child = Child(name, command, self.log_folder / f"{name}.log", environment or child_environment())
        self._children[name] = child
        return child

    def __getitem__(self, name: str) -> Child:
        return self._children[name]

    def names(self) -> list[str]:
        return list(self._children)

    def dead(self) -> list[Child]:
        """Children that have ended."""
        return [child for child in self._children.values() if child.exit_code is not None]

    def problem_lines(self) -> list[str]:
        """New ERROR and FATAL lines and exception messages, with the child's name in front."""
        return [
            f"{name}: {line}"
            for name, child in self._children.items()
            for line in child.new_lines()
            if PROBLEM_LINE.search(line)
        ]

    def stop(self, names: Iterable[str] | None = None) -> dict[str, int]:
        """Stop children together: SIGINT, then SIGTERM, then SIGKILL. Returns exit codes by name."""
        chosen = [self._children[name] for name in (self._children if names is None else names)]
        for number, grace_s in ((signal.SIGINT, INTERRUPT_GRACE_S), (signal.SIGTERM, TERMINATE_GRACE_S)):
            for child in chosen:
                child.send(number)
            if _all_gone(chosen, grace_s):
                break
        for child in chosen:
            if child.exit_code is None:
                self._say(f"{child.name} did not stop on SIGINT or SIGTERM: killed (its log: {child.log_file})")
                child.kill()
        return {child.name: child.exit_code for child in chosen}


def _all_gone(children: list[Child], within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while any(child.exit_code is None for child in children):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def child_environment(**extra: str) -> dict[str, str]:
    """Environment of a node: unbuffered and uncoloured output, one thread for numeric libraries.

    More threads than that spin against the other nodes on a small machine.
    """
    environment = dict(
        os.environ,
        PYTHONUNBUFFERED="1",
        RCUTILS_COLORIZED_OUTPUT="0",
        OMP_NUM_THREADS="1",
        OPENBLAS_NUM_THREADS="1",
    )
    environment.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    environment.update(extra)
    return environment


def executable_path(package: str, executable: str) -> Path:
    """Program that `ros2 run package executable` would start.

    Raises UserError if the workspace is not built or not sourced.
    """
    hint = "build it with `make setup`, or with `colcon build` and `source install/setup.bash`"
    try:
        from ament_index_python.packages import PackageNotFoundError, get_package_prefix
    except ImportError as error:
        raise UserError(f"ROS 2 is not in this Python environment: {hint}") from error
    try:
        path = Path(get_package_prefix(package)) / "lib" / package / executable
    except PackageNotFoundError as error:
        if package == "rviz2":
            hint = "install ros-jazzy-rviz2, or leave out rviz:=true"
        raise UserError(f"package {package} is not there: {hint}") from error
    if not path.is_file():
        raise UserError(f"package {package} has no program {executable}: {hint}")
    return path


def ros_domain_id(chosen: int | None = None) -> int:
    """The ROS domain: what was chosen, else ROS_DOMAIN_ID, else 0. UserError: out of range."""
    text = os.environ.get("ROS_DOMAIN_ID", "") or "0" if chosen is None else str(chosen)
    if not text.isdigit() or int(text) > LARGEST_DOMAIN_ID:
        raise UserError(f"the ROS domain must be 0 to {LARGEST_DOMAIN_ID}, got '{text}' (--domain-id or ROS_DOMAIN_ID)")
    return int(text)


class GraphLock:
    """A lock of a ROS domain and namespace on this machine, held from construction to release().

    The kernel frees it when its holder dies.
    """

    def __init__(self, domain_id: int, namespace: str, folder: str | Path | None = None):
        """Raises UserError if another exo_gait graph of this domain and namespace holds it, or it cannot be made."""
        label = namespace.strip("/").replace("/", ".") or "root"
        file = open_lock_file(Path(folder or runtime_folder()) / f"graph-{domain_id}-{label}.lock")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(file)
            raise UserError(in_use_message(domain_id, namespace)) from error
        self._file: int | None = file

    def release(self) -> None:
        """Frees the lock; may be called twice. The file stays: removing it would race with the next holder."""
        if self._file is not None:  # its number may be another file's by now
            os.close(self._file)
            self._file = None


def in_use_message(domain_id: int, namespace: str) -> str:
    """What to tell when a graph of this domain and namespace runs already."""
    name = namespace.strip("/")
    where = f"ROS domain {domain_id}" + (f", namespace /{name}" if name else "")
    return (
        f"another exo_gait graph runs in {where}: stop it, or choose another domain (ROS_DOMAIN_ID, --domain-id: 0 to "
        f"{LARGEST_DOMAIN_ID}) or namespace (--namespace, ros2 launch ... namespace:=)"
    )
