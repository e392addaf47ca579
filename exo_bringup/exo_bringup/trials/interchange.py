# SPDX-License-Identifier: Apache-2.0
"""`exo trial interchange`: the same policy node on three drivers, walking. Does it make a difference?"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from exo_bringup.trials.torque_series import Agreement, TorqueSeries, agreement
from exo_bringup.trials.trial import Trial
from exo_bringup.trials.walking_graph import REFERENCE, WalkingGraph
from exo_sim.measurement import Figure

#: The person finds a steady gait; assistance waits for a stride and fades in over two (s, simulated time).
WARM_UP_S, FADE_S = 5.0, 10.0
#: Saving with a driver over saving with the reference: within a tenth.
SAVING_SHARE = 0.1
#: The person is in the loop and no two walks are equal: so much of it may be left after delay (Nm, RMS). A
#: thirtieth of the smallest peak.
LARGEST_RMS_NM = 0.5


class InterchangeTrial(Trial):
    """A round is a walk with one driver: unassisted, then assisted."""

    name, unit = "interchange", "walks"

    def __init__(
        self,
        folder: Path,
        *,
        seconds: float,
        baseline_s: float,
        pace: float,
        drivers: tuple[str, ...],
        again: bool,
        controller: str,
        speed_mps: float,
        seed: int,
    ) -> None:
        super().__init__(folder)
        self._seconds, self._baseline_s, self._pace, self._seed = seconds, baseline_s, pace, seed
        self._controller, self._speed_mps = controller, speed_mps
        self._names = [*drivers, *([f"{REFERENCE}_again"] if again else [])]

    def configuration(self) -> dict:
        return {
            "seconds": self._seconds,
            "baseline_s": self._baseline_s,
            "pace": self._pace,
            "walks": self._names,
            "seed": self._seed,
            "controller": self._controller,
            "speed_mps": self._speed_mps,
            "warm_up_s": WARM_UP_S,
            "fade_s": FADE_S,
        }

    def rounds(self) -> list[str]:
        return self._names

    def run(self, round_name: str) -> dict:
        driver = round_name.removesuffix("_again")
        with WalkingGraph(
            self.folder,
            driver,
            controller=self._controller,
            pace=self._pace,
            speed_mps=self._speed_mps,
            seed=self._seed,
        ) as graph:
            graph.wait_ready()
            arm_s = WARM_UP_S + self._baseline_s
            graph.walk_until(arm_s)
            graph.activate()
            armed_s = graph.time_s
            end_s = arm_s + FADE_S + self._seconds
            graph.walk_until(end_s)
            walk = graph.record
            walk.save(self.folder / f"{round_name}.npz")
            stops, falls = graph.stops, graph.falls
            hashes = graph.policy_hashes
        start_s = arm_s + FADE_S
        unassisted, assisted = walk.power(WARM_UP_S, arm_s), walk.power(start_s, end_s)
        return {
            "unassisted_w_per_kg": unassisted,
            "assisted_w_per_kg": assisted,
            "saving_percent": 100.0 * (1.0 - assisted / unassisted),
            "armed_s": armed_s,
            "stops": stops,
            "falls": falls,
            "window_s": [start_s, end_s],
            **hashes,
        }

    def figures(self, measured: dict[str, dict]) -> list[Figure]:
        figures = []
        for key in ("policy_configuration_sha256", "policy_code_sha256"):
            different = len({walk[key] for walk in measured.values()})
            figures.append(Figure.against(f"different_{key}", different, "1", at_most=1))
        for name, walk in measured.items():
            figures += [
                Figure(f"{name}_saving", walk["saving_percent"], "%"),
                Figure(f"{name}_unassisted", walk["unassisted_w_per_kg"], "W/kg"),
                Figure.against(f"{name}_falls", walk["falls"], "1", at_most=0),
                Figure.against(f"{name}_stops", walk["stops"], "1", at_most=0),
            ]
            own = self._asked_and_given(name, walk)
            figures += [
                Figure(f"{name}_motor_after_command", own.lag_ms, "ms"),
                Figure(f"{name}_motor_from_command_rms", own.rms_nm, "Nm"),
            ]
        for name, walk in measured.items():
            if name != REFERENCE and REFERENCE in measured:
                figures += self._against_reference(name, walk, measured[REFERENCE])
        if "cubemars_can" in measured:
            figures.append(Figure("cubemars_can_torque_step", WalkingGraph.torque_step_nm(), "Nm"))
        return figures

    def _against_reference(self, name: str, walk: dict, reference: dict) -> list[Figure]:
        series = {which: self._motor(which, entry) for which, entry in ((name, walk), (REFERENCE, reference))}
        found = agreement(series[REFERENCE], series[name])
        saving = reference["saving_percent"]
        ratio = walk["saving_percent"] / saving if saving else math.nan
        return [
            Figure(f"{name}_delay_to_{REFERENCE}", found.lag_ms, "ms"),
            Figure.against(f"{name}_torque_rms_to_{REFERENCE}", found.rms_nm, "Nm", at_most=LARGEST_RMS_NM),
            Figure(f"{name}_torque_peak", float(np.nanmax(np.abs(series[name].torque))), "Nm"),
            Figure.against(
                f"{name}_saving_over_{REFERENCE}", ratio, "1", at_least=1.0 - SAVING_SHARE, at_most=1.0 + SAVING_SHARE
            ),
        ]

    def _motor(self, name: str, walk: dict) -> TorqueSeries:
        return TorqueSeries.load(self.folder / f"{name}.npz", "motor", *walk["window_s"])

    def _asked_and_given(self, name: str, walk: dict) -> Agreement:
        asked = TorqueSeries.load(self.folder / f"{name}.npz", "command", *walk["window_s"])
        return agreement(asked, self._motor(name, walk))
