# SPDX-License-Identifier: Apache-2.0
"""`exo trial kill`: kill -9 of each process of a running graph. When is there no torque any more?"""

from __future__ import annotations

import random
import time
from collections import defaultdict
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from exo_bringup.trials.can_graph import DEVICE, GUARDIAN, LEGS, MOTORS, POLICY, CanGraph
from exo_bringup.trials.trial import Trial
from exo_device.trials.bus_tap import BusTap
from exo_sim.measurement import Figure

VICTIMS = (LEGS, POLICY, DEVICE, MOTORS, GUARDIAN)
#: The issue's bound on how long torque may outlive a process (s).
TARGET_S = 0.15
#: After a kill, torque is looked for this long (s), to see that it does not come back either.
WATCH_S = 0.4
#: Frames come every few ms (s).
FRESH_S = 0.02
#: A kill at any moment of a stride: the legs never wait for the trial, and this comes on top (s).
STRIDE_S = 0.4


class KillTrial(Trial):
    """The motors' firmware holds its last torque: somebody has to switch it off."""

    name, unit = "kill", "kills"

    def __init__(
        self,
        folder: Path,
        *,
        times: int,
        victims: tuple[str, ...],
        bus_rate_hz: float,
        seed: int,
        patient: bool = False,
    ) -> None:
        """patient: watchdogs wait, so that a busy machine stops nothing; times mean nothing then."""
        super().__init__(folder)
        self._times, self._victims, self._bus_rate_hz, self._seed = times, victims, bus_rate_hz, seed
        self._patient = patient

    def configuration(self) -> dict:
        return {
            "times": self._times,
            "processes": list(self._victims),
            "bus_rate_hz": self._bus_rate_hz,
            "seed": self._seed,
            "patient": self._patient,
        }

    def rounds(self) -> list[str]:
        return [f"{victim} {count}" for count in range(self._times) for victim in self._victims]

    def __enter__(self) -> KillTrial:
        self._graph = CanGraph(self.folder, bus_rate_hz=self._bus_rate_hz, patient=self._patient).__enter__()
        return self

    def __exit__(self, *_) -> None:
        self._graph.__exit__()

    def run(self, round_name: str) -> dict:
        graph, victim = self._graph, round_name.split()[0]
        began_s = time.monotonic()
        graph.prepare(victim)
        # dead motors cannot say what they are asked for: then the bus is listened to
        tap = BusTap(graph.settings) if victim == MOTORS else None
        with tap or nullcontext():
            graph.await_torque()
            graph.await_prepared()
            time.sleep(random.Random(f"{self._seed} {round_name}").uniform(0.0, STRIDE_S))
            graph.await_torque()
            if tap:  # no torque on the bus is no kill under torque
                graph.wait_until(lambda: tap.age_s < FRESH_S or graph.await_torque(), "torque on the bus")
            prepared_s = time.monotonic() - began_s
            killed_s = graph.kill(victim)
            time.sleep(WATCH_S)
        if tap is None:
            graph.wait_until(lambda: not graph.motors.has_torque, "zero torque")
        zero_s = tap.asked_until_s if tap else graph.motors.zero_since(killed_s)
        status = graph.status
        graph.revive(victim)
        return {
            "zero_s": max(zero_s - killed_s, 0.0),
            "prepared_s": prepared_s,
            "cause": "" if victim == DEVICE or status is None else status.cause,
        }

    def figures(self, measured: dict[str, dict]) -> list[Figure]:
        times = defaultdict(list)
        for name, round_ in measured.items():
            times[name.split()[0]].append(round_["zero_s"])
        figures = []
        for victim, values in times.items():
            milliseconds = 1e3 * np.array(values)
            figures += [
                Figure.against(f"{victim}_kills", len(values), "1", at_least=self._times),
                Figure(f"{victim}_zero_torque_median", float(np.median(milliseconds)), "ms"),
                Figure.against(f"{victim}_zero_torque_max", float(milliseconds.max()), "ms", at_most=1e3 * TARGET_S),
                Figure.against(f"{victim}_too_late", int((milliseconds > 1e3 * TARGET_S).sum()), "1", at_most=0),
            ]
        return figures
