# SPDX-License-Identifier: Apache-2.0
"""Soak: driver, supervisor and control loop for a long time against emulated motors that lose frames.

The policy asks for more than is allowed, so that every limit works all the time. What is watched: every
output against the limits, the torque at the motors, memory of both processes, stops and their causes.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from endurance.motors import MotorsProcess
from exo_device.control_loop import ControlLoop, LoopConfig, LoopHooks
from exo_device.description import DeviceDescription
from exo_device.drivers import DriverError, make_driver
from exo_device.drivers.cubemars_can.driver import CubemarsDriver
from exo_device.safety import Event, Instant, Mode, SafetyConfig, SafetySupervisor
from exo_device.signals import Command, DeviceState, MotorTorque

#: Asked for, as a share of the cap; slow sine on one leg, square wave on the other (Hz).
WISH_SHARE, SINE_HZ, SQUARE_HZ = 1.5, 0.7, 0.45
#: Between two looks at memory (s).
SAMPLE_PERIOD_S = 1.0
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
#: Two ways to the same limit differ by rounding alone (Nm).
TOLERANCE_NM = 1e-9
LOOP_END_TIMEOUT_S = 3.0
MEBIBYTE = 2.0**20


def resident_mib(pid: int) -> float:
    """Memory in use by a process (MiB), NaN when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES / MEBIBYTE
    except (OSError, IndexError):
        return math.nan


class WatchedSupervisor(SafetySupervisor):
    """Holds every output of its own against the limits, with the times that it was given."""

    def __init__(self, device: DeviceDescription, mass_kg: float, config: SafetyConfig) -> None:
        super().__init__(device, mass_kg, config)
        self._before: tuple[Instant, np.ndarray] | None = None
        #: Outputs so far; over the cap, grown faster than the slew limit, no number, torque while off.
        self.counts: Counter[str] = Counter()

    def update(self, now: Instant) -> MotorTorque:
        output = super().update(now)
        torque, counts = output.torque, self.counts
        counts["outputs"] += 1
        counts["not_finite"] += not np.isfinite(torque).all()
        counts["over_cap"] += bool((np.abs(torque) > self.limits.cap).any())
        counts["torque_while_off"] += bool(torque.any()) and not output.enable
        if self._before is not None:
            then, torque_then = self._before
            elapsed_s = max(now.ros_since(then), now.steady_since(then)) + self.config.period_s
            allowed = self.limits.slew * elapsed_s + TOLERANCE_NM
            # towards zero torque may fall at once: what range, speed, power and faults forbid is not slewed
            grown = np.abs(torque) - np.where(torque * torque_then > 0.0, np.abs(torque_then), 0.0)
            counts["over_slew"] += bool((grown > allowed).any())
        self._before = (now, torque)
        return output


class Soak:
    """Runs between start() and close(); watch() reports on a stretch of it."""

    def __init__(
        self,
        device: DeviceDescription,
        mass_kg: float,
        settings: Mapping[str, Any],
        folder: Path,
        *,
        rate_hz: float,
        loss: float,
        seed: int,
        safety: Mapping[str, float] | None = None,
    ) -> None:
        """settings: of the driver cubemars_can, with its bus. loss: share of the replies that get lost."""
        chosen = {**settings, "bus_rate_hz": rate_hz, "state_rate_hz": rate_hz}
        self._config = make_driver("cubemars_can", chosen).config
        self._file = folder / "soak_driver.yaml"
        self._file.write_text(yaml.safe_dump({"driver": "cubemars_can", **chosen}))
        self._folder, self._loss, self._seed = folder, loss, seed
        self.supervisor = WatchedSupervisor(device, mass_kg, SafetyConfig(**(safety or {})))
        self._driver = CubemarsDriver(self._config)
        self._loop = ControlLoop(
            self._driver,
            self.supervisor,
            LoopConfig(),
            LoopHooks(on_state=self._answer, on_event=self._on_event),
            ros_now_ns=time.time_ns,
        )
        self._motors: MotorsProcess | None = None
        self._stops: Counter[str] = Counter()
        self._sequence = 0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Motors, driver and loop. Raises DriverError when the bus cannot be opened."""
        self._motors = MotorsProcess(
            self._file,
            self._folder / "motors.log",
            "--seed",
            str(self._seed),
            "--fault",
            f"dropped,value={self._loss}",
        )
        self._driver.connect()
        self._driver.configure(self.supervisor.joint_names)
        self._start_loop()

    def watch(self, duration_s: float) -> dict:
        """What happened in this stretch (s): counts, largest torque by joint, memory at every second."""
        counts, stops = Counter(self.supervisor.counts), Counter(self._stops)
        set_points = self._motors.report()["set_points"]
        self._motors.tell("reset")
        memory, active, start_s = [], 0, time.monotonic()
        while (elapsed_s := time.monotonic() - start_s) < duration_s:
            memory.append([start_s + elapsed_s, resident_mib(os.getpid()), resident_mib(self._motors.pid)])
            active += self.supervisor.mode is Mode.ACTIVE
            self._arm_again()
            time.sleep(min(SAMPLE_PERIOD_S, max(duration_s - (time.monotonic() - start_s), 0.0)))
        said = self._motors.report()
        return {
            "duration_s": time.monotonic() - start_s,
            "memory": memory,
            "active_share": active / len(memory),
            "counts": dict(self.supervisor.counts - counts),
            "stops": dict(self._stops - stops),
            "set_points": said["set_points"] - set_points,
            "largest_nm": said["report"],
        }

    def _arm_again(self) -> None:
        """After a stop; a person would look first."""
        if self.supervisor.mode is Mode.FAULT:
            self._loop.disarm()
        if self._driver.doubted_zeros():
            try:
                self._driver.confirm_zeros()
            except DriverError:  # the bus still switches the motors off
                return
            self._stops["zeros confirmed"] += 1
        if self.supervisor.mode is Mode.DISARMED:
            self._loop.arm()

    def _start_loop(self) -> None:
        self._loop.prepare()
        self._thread = threading.Thread(target=self._loop.run, name="control_loop", daemon=True)
        self._thread.start()

    def _end_loop(self) -> None:
        self._loop.finish()
        if self._thread is not None:
            self._thread.join(LOOP_END_TIMEOUT_S)

    def close(self) -> None:
        """Torque to zero, motors off, processes ended."""
        self._end_loop()
        self._driver.disconnect()
        if self._motors is not None:
            self._motors.close()

    def _answer(self, state: DeviceState) -> None:
        """The policy."""
        self._sequence += 1
        caps = self.supervisor.limits.cap
        t = state.stamp_s
        sine = math.sin(2.0 * math.pi * SINE_HZ * t)
        square = 1.0 if SQUARE_HZ * t % 1.0 < 0.5 else -1.0
        shape = np.array([sine if name.endswith("_r") else square for name in state.names])
        wish = WISH_SHARE * caps * shape if self.supervisor.mode is Mode.ACTIVE else 0.0 * caps
        self._loop.submit(Command(state.stamp_ns, self._sequence, state.names, wish))

    def _on_event(self, event: Event) -> None:
        if event.is_error and " -> " in event.text:  # the first cause; others may follow
            self._stops[event.text] += 1


def memory_slope_mib_per_h(memory: list[list[float]], column: int, settle_s: float) -> float:
    """Slope of memory (MiB/h) after settle_s by least squares; NaN with less than half a minute of it.

    Args:
        memory: rows (steady time (s), MiB of the first process, ...).
    """
    rows = np.array([row for row in memory if row[0] - memory[0][0] >= settle_s])
    if len(rows) < 2 or rows[-1, 0] - rows[0, 0] < 30.0:
        return math.nan
    return float(np.polyfit((rows[:, 0] - rows[0, 0]) / 3600.0, rows[:, column], 1)[0])
