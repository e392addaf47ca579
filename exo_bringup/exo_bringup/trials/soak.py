# SPDX-License-Identifier: Apache-2.0
"""`exo trial soak`: driver and supervisor for half an hour on a bus that loses frames."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

from exo_bringup.trials.bus import bus_settings
from exo_bringup.trials.trial import Trial
from exo_device.description import load_device
from exo_device.devices import device_file
from exo_device.trials.soak import Soak, memory_slope_mib_per_h
from exo_sim.measurement import Figure

MASS_KG = 75.0
#: Until buffers and figures of the recent past have filled (s).
SETTLE_S = 120.0
#: Half an hour of this slope is 1 MiB, a few percent of the process.
FLAT_MIB_PER_H = 2.0
#: The supervisor is on trial here, not its wait for the wearer's first stride.
SAFETY = {"stride_gate": False, "fade_in_s": 0.0}
#: A motor counts in steps, and the cap lies between two of them (Nm): 12 bits over +-65 Nm.
STEP_NM = 2.0 * 65.0 / 4095.0
OUTPUT_FAILURES = ("not_finite", "over_cap", "over_slew", "torque_while_off")


class SoakTrial(Trial):
    """Rounds are stretches of one run; a resumed trial starts the processes anew."""

    name, unit = "soak", "stretches"

    def __init__(
        self, folder: Path, *, minutes: float, stretch_s: float, rate_hz: float, loss: float, device: str, seed: int
    ) -> None:
        super().__init__(folder)
        self._minutes, self._stretch_s, self._seed = minutes, stretch_s, seed
        self._rate_hz, self._loss, self._device_name = rate_hz, loss, device
        self._device = load_device(device_file(device))
        self._soak: Soak | None = None

    def configuration(self) -> dict:
        return {
            "minutes": self._minutes,
            "stretch_s": self._stretch_s,
            "rate_hz": self._rate_hz,
            "loss": self._loss,
            "device": self._device_name,
            "seed": self._seed,
            "mass_kg": MASS_KG,
            "safety": SAFETY,
        }

    def rounds(self) -> list[str]:
        return [str(index) for index in range(max(1, round(60.0 * self._minutes / self._stretch_s)))]

    def __enter__(self) -> SoakTrial:
        self._soak = Soak(
            self._device,
            MASS_KG,
            bus_settings(),
            self.folder,
            rate_hz=self._rate_hz,
            loss=self._loss,
            seed=self._seed,
            safety=SAFETY,
        )
        try:
            self._soak.start()
        except BaseException:
            self._soak.close()
            raise
        return self

    def __exit__(self, *_) -> None:
        self._soak.close()

    def run(self, round_name: str) -> dict:
        return self._soak.watch(self._stretch_s)

    def figures(self, measured: dict[str, dict]) -> list[Figure]:
        parts = list(measured.values())
        counts, stops = Counter(), Counter()
        for part in parts:
            counts.update(part["counts"])
            stops.update(part["stops"])
        duration_s = sum(part["duration_s"] for part in parts)
        set_points = sum(part["set_points"] for part in parts)
        active_s = sum(part["active_share"] * part["duration_s"] for part in parts)
        caps = dict(zip(self._device.joint_names, self._device.torque_limits(MASS_KG)))
        excess = max(part["largest_nm"][joint] - cap for part in parts for joint, cap in caps.items())
        figures = [
            Figure.against("duration", duration_s / 60.0, "min", at_least=0.99 * self._minutes),
            Figure("set_points_per_motor", set_points / duration_s / len(caps), "Hz"),
            Figure("time_with_torque", 100.0 * active_s / duration_s, "%"),
            Figure("outputs", counts["outputs"], "1"),
            *(Figure.against(f"outputs_{name}", counts[name], "1", at_most=0) for name in OUTPUT_FAILURES),
            Figure.against("motor_torque_over_cap", max(excess, 0.0), "Nm", at_most=round(STEP_NM, 4)),
            Figure("stops", sum(stops.values()), "1"),
        ]
        memory = _longest_run(parts)
        for column, process in ((1, "device"), (2, "motors")):
            slope = memory_slope_mib_per_h(memory, column, min(SETTLE_S, 6.0 * self._minutes))
            if not math.isnan(slope) or self._minutes >= 2.0:
                figures.append(Figure.against(f"memory_slope_{process}", slope, "MiB/h", at_most=FLAT_MIB_PER_H))
            figures.append(Figure(f"memory_{process}", memory[-1][column], "MiB"))
        return figures

    def details(self, measured: dict[str, dict]) -> dict:
        stops: Counter[str] = Counter()
        for part in measured.values():
            stops.update(part["stops"])
        return {"stops_by_cause": dict(stops)}


def _longest_run(parts: list[dict]) -> list[list[float]]:
    """Memory of the longest uninterrupted run: a resumed trial has new processes."""
    runs: list[list[list[float]]] = []
    for part in parts:
        rows = part["memory"]
        if runs and 0.0 <= rows[0][0] - runs[-1][-1][0] < 10.0:
            runs[-1] += rows
        else:
            runs.append(list(rows))
    return max(runs, key=len)
