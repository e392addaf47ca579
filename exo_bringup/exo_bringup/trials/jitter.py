# SPDX-License-Identifier: Apache-2.0
"""`exo trial jitter`: how regular the motor bus's thread is while a policy runs."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np

from exo_bringup.trials.can_graph import DEVICE, CanGraph
from exo_bringup.trials.trial import Trial
from exo_core.errors import UserError
from exo_device.trials.probed_driver import TIMES_FILE
from exo_sim.measurement import Figure

PROGRAM = (sys.executable, "-m", "exo_device.trials.probed_driver")
#: After torque has come, the graph is left alone for this long (s).
SETTLE_S = 3.0
#: Of the cycles asked for, so many must have come.
RATE_SHARE = 0.99


class JitterTrial(Trial):
    """One graph for each rate."""

    name, unit = "jitter", "rates"

    def __init__(self, folder: Path, *, rates_hz: tuple[float, ...], seconds: float) -> None:
        super().__init__(folder)
        self._rates_hz, self._seconds = rates_hz, seconds

    def configuration(self) -> dict:
        return {"rates_hz": list(self._rates_hz), "seconds": self._seconds}

    def rounds(self) -> list[str]:
        return [f"{rate:g}" for rate in self._rates_hz]

    def run(self, round_name: str) -> dict:
        times_file = self.folder / f"cycles_{round_name}Hz.npy"
        os.environ[TIMES_FILE] = str(times_file)
        with CanGraph(self.folder, bus_rate_hz=float(round_name), device_command=PROGRAM, patient=True) as graph:
            graph.await_torque()
            time.sleep(SETTLE_S)
            graph.await_torque()
            start_s = time.monotonic()
            time.sleep(self._seconds)
            end_s, status = time.monotonic(), graph.status
            graph.children.stop([DEVICE])  # it writes its times at the end
        if not times_file.is_file():
            raise UserError(f"the device node left no times; its log is in {self.folder}")
        cycles_s = 1e-9 * np.load(times_file)
        chosen = cycles_s[(cycles_s >= start_s) & (cycles_s <= end_s)]
        periods_ms = 1e3 * np.diff(chosen)
        return {
            "cycles_per_s": len(chosen) / (end_s - start_s),
            "median_ms": float(np.median(periods_ms)),
            "p99_ms": float(np.percentile(periods_ms, 99)),
            "max_ms": float(periods_ms.max()),
            "late_percent": 100.0 * float((periods_ms > 2e3 / float(round_name)).mean()),
            "states_per_s": float(status.loop_rate),
            "mode": int(status.mode),
            "cause": status.cause,
        }

    def figures(self, measured: dict[str, dict]) -> list[Figure]:
        figures = []
        for name, round_ in measured.items():
            figures += [
                Figure.against(f"bus_{name}Hz_rate", round_["cycles_per_s"], "Hz", at_least=RATE_SHARE * float(name)),
                *(Figure(f"bus_{name}Hz_period_{key}", round_[f"{key}_ms"], "ms") for key in ("median", "p99", "max")),
                Figure(f"bus_{name}Hz_over_two_periods", round_["late_percent"], "%"),
                Figure(f"bus_{name}Hz_states", round_["states_per_s"], "Hz"),
            ]
        return figures
