# SPDX-License-Identifier: Apache-2.0
"""A guardian takes the torque away when the process that gives it dies or hangs. Here are its rule and both ends of the
line.

A process that is killed with SIGKILL says nothing more, and neither at least one AK firmware nor upstream's
forward_command_controller takes its last torque back by itself. A guardian is a second process that can reach the
motors, or their controller, by a way of its own. It hears from the first one whether the motors are on; silence with
the motors on, or the end of the line, makes it say zero torque until somebody lives again.

The driver starts a guardian of its own, which the kill of a container or of a control group takes along, or speaks to
one that was started apart (`ros2 run exo_device guardian`, docs/guardian.md).
"""

from __future__ import annotations

import hashlib
import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from exo_device.drivers.base import DriverError, Settings

#: Who guards: a process that the driver starts, one that was started apart, or nobody.
GuardianKind = Literal["own", "external", "none"]
ON, OFF, READY = b"1", b"0", b"ready\n"
#: The guardian gives a byte back for what it has read: who guards must live too.
ECHO = b"."
#: Whoever gives torque may be late by as much (s) before the guardian acts.
SILENCE_S = 0.1
#: It then says zero this often (s), and for this long (s) once the line has ended.
REPEAT_S, LAST_WORDS_S = 0.01, 0.2
#: A guardian that has not answered for so long (s) with the motors on could not act either.
DEAF_S = 1.0
#: More than can have gathered on the line (bytes).
LINE_BYTES = 65536
#: A Python process on a busy small computer takes this long to start at most (s).
START_TIMEOUT_S = 20.0


class TorqueWatch:
    """Says when torque has to be taken away. No clock: every call carries the time (s, steady)."""

    def __init__(self) -> None:
        self._is_on = False
        self._heard_s = 0.0
        self._ended_s: float | None = None

    def beat(self, is_on: bool, now_s: float) -> None:
        """Whoever gives torque lives, and says whether the motors are on."""
        self._is_on, self._heard_s = is_on, now_s

    def end(self, now_s: float) -> None:
        """Notes that nothing more will be heard."""
        if self._ended_s is None:
            self._ended_s = now_s

    def must_speak(self, now_s: float) -> bool:
        """Tells whether zero torque is to be said now, and again REPEAT_S later."""
        return self._ended_s is not None or (self._is_on and now_s - self._heard_s > SILENCE_S)

    def is_over(self, now_s: float) -> bool:
        """Tells whether the last words have been said long enough."""
        return self._ended_s is not None and now_s - self._ended_s > LAST_WORDS_S

    def wait_s(self, now_s: float) -> float | None:
        """Tells how long nothing can be to do unless something is heard; None for as long as it takes."""
        if self.must_speak(now_s):
            return REPEAT_S
        return max(self._heard_s + SILENCE_S - now_s, 0.0) if self._is_on else None


def watch(line: int, say_zero: Callable[[], None]) -> None:
    """The guardian's work: follows a line until it ends. say_zero is called whenever torque has to go."""
    guard = TorqueWatch()
    os.set_blocking(line, False)
    has_ended = False
    while not guard.is_over(time.monotonic()):
        wait_s = guard.wait_s(time.monotonic())
        if has_ended:
            time.sleep(wait_s or 0.0)
        elif select.select([line], [], [], wait_s)[0]:
            beats = _read(line)
            has_ended = not beats
            if has_ended:
                guard.end(time.monotonic())
            else:
                guard.beat(beats[-1:] == ON, time.monotonic())
                _write(line, ECHO)
        if guard.must_speak(time.monotonic()):
            say_zero()


def is_ended(line: int) -> bool:
    """Tells whether nobody is at the other end of a line any more, on which nothing is said. Does not wait."""
    readable, _, _ = select.select([line], [], [], 0.0)
    return bool(readable) and not _read(line)


def _read(line: int) -> bytes:
    try:
        return os.read(line, LINE_BYTES)
    except OSError:  # the other end was reset: ended
        return b""


def _write(line: int, data: bytes) -> bool:
    """Tells whether it went out; a line that is full or gone takes nothing."""
    try:
        return os.write(line, data) > 0
    except OSError:
        return False


class Guardian:
    """The end of the line at whoever gives torque. steady_s: clock (s)."""

    def __init__(self, line: socket.socket, steady_s: Callable[[], float] = time.monotonic) -> None:
        self._line, self._steady_s = line, steady_s
        self._answered_s = steady_s()
        line.setblocking(False)

    def beat(self, is_on: bool) -> str:
        """Tells it that torque is looked after, and whether there may be any. Returns what is wrong with it, or ""."""
        now_s = self._steady_s()
        try:
            if self._line.recv(LINE_BYTES):
                self._answered_s = now_s
            else:
                return "the guardian has ended"
        except BlockingIOError:
            pass
        except OSError:
            return "the guardian has ended"
        try:
            self._line.send(ON if is_on else OFF)
        except BlockingIOError:
            return "the guardian hangs"
        except OSError:
            return "the guardian has ended"
        return f"the guardian has not answered for {DEAF_S:g} s" if now_s - self._answered_s > DEAF_S else ""

    def close(self) -> None:
        """Ends the line: the guardian says its last words."""
        self._line.close()


class OwnGuardian(Guardian):
    """A guardian that is started here and ends with the line.

    command: words of the guardian's program, which follows its standard input. environment: changes of it. Raises
    DriverError when it does not say that it is ready.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        here, there = socket.socketpair()
        with there:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "exo_device.guardian", *command],
                stdin=there.fileno(),
                stdout=subprocess.PIPE,
                process_group=0,
                env={**os.environ, **(environment or {})},
            )  # out of reach of Ctrl-C, and as urgent as this one
        super().__init__(here)
        assert self._process.stdout is not None  # PIPE
        self._said = self._process.stdout
        readable, _, _ = select.select([self._said], [], [], START_TIMEOUT_S)
        if not readable or self._said.readline() != READY:
            self.close()
            raise DriverError("the guardian process did not start; guardian: none does without")
        self._answered_s = self._steady_s()

    @property
    def pid(self) -> int:
        """Process id of the guardian."""
        return self._process.pid

    def close(self) -> None:
        super().close()
        try:
            self._process.wait(START_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._said.close()


# --- a guardian that was started apart


def signature(driver: str, config: Settings) -> bytes:
    """One line that says which motors are to be guarded: both sides must have the same settings."""
    settings = json.dumps(config.model_dump(mode="json"), sort_keys=True)
    return f"{driver} {hashlib.sha256(settings.encode()).hexdigest()}\n".encode()


def call(path: str, driver: str, config: Settings) -> Guardian:
    """The guardian that listens on this socket. Raises DriverError when there is none for these motors."""
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(START_TIMEOUT_S)
    try:
        line.connect(path)
        line.sendall(signature(driver, config))
        answer = line.makefile("rb").readline()
    except OSError as error:
        line.close()
        raise DriverError(
            f"no guardian listens on {path} ({error.strerror or error}): start it before the device node, see "
            "docs/guardian.md"
        ) from error
    if answer != READY:
        line.close()
        raise DriverError(f"the guardian on {path} refuses: {answer.decode(errors='replace').strip() or 'no reason'}")
    return Guardian(line)


def listen(path: str) -> socket.socket:
    """A socket that devices of this user can call. Raises OSError.

    The folder must be this user's own (or root's), and what lies at path is replaced.
    """
    if os.path.exists(path):
        os.unlink(path)
    server = socket.socket(socket.AF_UNIX)
    mask = os.umask(0o117)  # this user and its group
    try:
        server.bind(path)
    finally:
        os.umask(mask)
    server.listen(1)
    return server


def serve(server: socket.socket, driver: str, config: Settings, say_zero: Callable[[], None]) -> None:
    """Guards one device after the other, for ever. One that calls meanwhile waits until the first has gone."""
    while True:
        line, _ = server.accept()
        with line:
            line.settimeout(SILENCE_S)
            try:
                said = line.makefile("rb", buffering=0).readline(LINE_BYTES)
                if said != signature(driver, config):
                    line.sendall(b"it guards other motors: give both the same settings\n")
                    continue
                line.sendall(READY)
            except OSError:  # who calls and says nothing is not guarded
                continue
            watch(line.fileno(), say_zero)
