# SPDX-License-Identifier: Apache-2.0
"""The other end of the witness's pipes."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from exo_device.drivers import DriverError

#: A Python process on a busy small computer takes this long to start at most (s).
START_TIMEOUT_S = 60.0
ANSWER_TIMEOUT_S = 10.0
END_TIMEOUT_S = 5.0


class WitnessProcess:
    """Emulated motors in another process, and what they said. Raises DriverError when they do not come up."""

    def __init__(
        self,
        config_file: Path,
        log_file: Path,
        *arguments: str,
        environment: dict[str, str] | None = None,
        wait: bool = True,
    ) -> None:
        #: (steady time (s), whether there is torque) at every change.
        self.changes: list[tuple[float, bool]] = []
        self._heard: list[dict] = []
        self._condition = threading.Condition()
        self._waits = "--wait" in arguments
        with log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "exo_device.trials.witness", "--config", str(config_file), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment,
                process_group=0,
            )  # out of reach of Ctrl-C, and as urgent as this process
        threading.Thread(target=self._listen, name="witness", daemon=True).start()
        if wait:
            self.wait_ready()

    def go(self) -> None:
        """Lets a process that was started with --wait begin; no effect on another."""
        if self._waits:
            self._waits = False
            self._send("go")

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def wait_ready(self) -> None:
        """Until the motors answer on their bus."""
        if self._await(lambda said: "ready" in said, START_TIMEOUT_S) is None:
            self.close()
            raise DriverError("the emulated motors did not come up; the end of their log says why")

    def tell(self, text: str) -> float:
        """A fault or `clear` or `reset`. Returns the steady time (s) at which the motors took it."""
        self._send(text)
        said = self._await(lambda said: said.get("done") == text or "error" in said, ANSWER_TIMEOUT_S)
        if said is None or "error" in said:
            raise DriverError(said["error"] if said else "the emulated motors do not answer")
        return said["t"]

    def report(self) -> dict:
        """{report: largest torque by joint (Nm), on: joints whose motors are on, set_points: so far}."""
        self._send("report")
        said = self._await(lambda said: "report" in said, ANSWER_TIMEOUT_S)
        if said is None:
            raise DriverError("the emulated motors do not answer")
        return said

    @property
    def has_torque(self) -> bool:
        """Whether any motor gives torque."""
        return bool(self.changes) and self.changes[-1][1]

    def zero_since(self, start_s: float) -> float | None:
        """Steady time (s) of the last change to zero torque after start_s; start_s itself when there was
        none before it either; None while there is torque."""
        if self.has_torque:
            return None
        last_s = self.changes[-1][0] if self.changes else start_s
        return max(last_s, start_s)

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Ends the process."""
        try:
            self._process.stdin.close()
            self._process.wait(END_TIMEOUT_S)
        except (OSError, subprocess.TimeoutExpired):
            self.kill()

    def _send(self, text: str) -> None:
        with self._condition:
            self._heard.clear()
        try:
            self._process.stdin.write(text + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise DriverError("the emulated motors have ended; their log says why") from error

    def _listen(self) -> None:
        for line in self._process.stdout:
            said = json.loads(line)
            with self._condition:
                if "torque" in said:
                    self.changes.append((said["t"], said["torque"]))
                else:
                    self._heard.append(said)
                self._condition.notify_all()

    def _await(self, is_it: Callable[[dict], bool], timeout_s: float) -> dict | None:
        end = time.monotonic() + timeout_s
        with self._condition:
            while True:
                for said in self._heard:
                    if is_it(said):
                        return said
                left_s = end - time.monotonic()
                if left_s <= 0.0 or self._process.poll() is not None:
                    return None
                self._condition.wait(min(left_s, 0.2))
