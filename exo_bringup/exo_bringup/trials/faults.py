# SPDX-License-Identifier: Apache-2.0
"""`exo trial faults`: from each kind of fault to zero torque at the motors."""

from __future__ import annotations

import random
import signal
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from exo_bringup.trials.can_graph import DEVICE, MOTORS, CanGraph
from exo_bringup.trials.trial import Trial
from exo_bringup.trials.trial_policy import MOODS, TrialPolicy
from exo_msgs.msg import DeviceStatus
from exo_sim.measurement import Figure

JOINT = "ankle_angle_r"
#: Faults of one motor, and of the bus, as `exo emulate` takes them.
MOTOR_FAULTS = {
    "replies_dropped": f"dropped:{JOINT}",
    "replies_late": f"late:{JOINT},value=0.05",
    "replies_stale": f"stale:{JOINT}",
    "wrong_id": f"wrong_id:{JOINT}",
    "another_motors_id": f"wrong_id:{JOINT},value=1",
    "error_code": f"error:{JOINT}",
    "over_temperature": f"over_temperature:{JOINT}",
    "position_leap": f"wrap:{JOINT}",
    "motor_reset": f"reset:{JOINT}",
    "bus_off": "bus_off",
}
SERVICES = {"stop_service": "stop", "disarm_service": "disarm"}
SIGNALS = {"sigint": signal.SIGINT, "sigterm": signal.SIGTERM, "sigstop": signal.SIGSTOP}
KINDS = (*MOTOR_FAULTS, *MOODS, *SERVICES, *SIGNALS)
#: Only a driver that is configured anew trusts these motors' positions again.
NEEDS_NEW_DEVICE = ("replies_late", "replies_stale", "another_motors_id", "position_leap", "motor_reset", *SIGNALS)
NEEDS_NEW_MOTORS = ("motor_reset",)
#: Detection by age or content, and the ramp; detection by contradiction over 100 to 150 ms, and the ramp (s).
TARGET_S, SLOW_TARGET_S = 0.15, 0.26
SLOW = ("second_publisher", "another_motors_id", "motor_reset")
#: Replies that repeat themselves while the joint is at rest, under a torque that does not change, are noticed by
#: that alone, after half a second (PlausibilityLimits.standstill_s).
STALE, STALE_TARGET_S = "replies_stale", 0.7
WATCH_S, STALE_WATCH_S, SETTLE_S, STRIDE_S = 0.5, 0.8, 0.1, 0.5
#: A firmware that holds its last torque, except where nothing can reach the motor any more.
HOLD = "hold"


class FaultsTrial(Trial):
    """Legs on springs, motors, device node; the policy is this process."""

    name, unit = "faults", "faults"

    def __init__(
        self, folder: Path, *, times: int, kinds: tuple[str, ...], bus_rate_hz: float, seed: int, patient: bool = False
    ) -> None:
        """patient: watchdogs wait, so that a busy machine stops nothing; times mean nothing then."""
        super().__init__(folder)
        self._times, self._kinds, self._bus_rate_hz, self._seed = times, kinds, bus_rate_hz, seed
        self._patient = patient

    def configuration(self) -> dict:
        return {
            "times": self._times,
            "kinds": list(self._kinds),
            "bus_rate_hz": self._bus_rate_hz,
            "seed": self._seed,
            "patient": self._patient,
        }

    def rounds(self) -> list[str]:
        return [f"{kind} {count}" for count in range(self._times) for kind in self._kinds]

    def __enter__(self) -> FaultsTrial:
        self._graph = CanGraph(
            self.folder,
            bus_rate_hz=self._bus_rate_hz,
            motors="spring",
            controller="",
            faults=(HOLD,),
            patient=self._patient,
        ).__enter__()
        self._policy = TrialPolicy(self._graph)
        return self

    def __exit__(self, *_) -> None:
        self._graph.__exit__()

    def run(self, round_name: str) -> dict:
        graph, kind = self._graph, round_name.split()[0]
        graph.await_torque()
        time.sleep(SETTLE_S + random.Random(f"{self._seed} {round_name}").uniform(0.0, STRIDE_S))
        graph.await_torque()
        struck_s = self._strike(kind)
        time.sleep(STALE_WATCH_S if kind == STALE else WATCH_S)
        if self._patient:
            graph.wait_until(lambda: self._is_over(kind), f"the end of torque after {kind}")
        zero_s = graph.motors.zero_since(struck_s)
        status = graph.status
        self._mend(kind)
        if zero_s is None:  # it is not a stop at all: the next round must not inherit it
            self._renew(DEVICE)
        return {
            "zero_s": None if zero_s is None else zero_s - struck_s,
            "latched": status is not None and status.mode == DeviceStatus.FAULT,
            "faults": list(status.fault_names) if status else [],
            "cause": status.cause if status else "",
        }

    def _is_over(self, kind: str) -> bool:
        """Whether torque has ended, and the device has said so if it still can."""
        status = self._graph.status
        return not self._graph.motors.has_torque and (
            kind in SIGNALS or (status is not None and status.mode != DeviceStatus.ACTIVE)
        )

    def _strike(self, kind: str) -> float:
        """Steady time (s) of the fault."""
        graph = self._graph
        if kind in MOODS:
            self._policy.strike(kind)
            graph.wait_until(lambda: self._policy.struck_s, "a state to answer")
            return self._policy.struck_s
        if kind in SIGNALS:
            return graph.send(DEVICE, SIGNALS[kind])
        if kind in SERVICES:
            now_s = time.monotonic()
            graph.call(SERVICES[kind])
            return now_s
        if kind == "bus_off":
            graph.motors.tell("clear")
        return graph.motors.tell(MOTOR_FAULTS[kind])

    def _mend(self, kind: str) -> None:
        self._policy.recover()
        self._graph.motors.tell("clear")
        self._graph.motors.tell(HOLD)
        if kind in NEEDS_NEW_MOTORS:
            self._graph.motors.close()
            self._graph.revive(MOTORS)
        if kind in NEEDS_NEW_DEVICE:
            self._renew(DEVICE)

    def _renew(self, process: str) -> None:
        self._graph.revive(process)

    def figures(self, measured: dict[str, dict]) -> list[Figure]:
        by_kind = defaultdict(list)
        for name, round_ in measured.items():
            by_kind[name.split()[0]].append(round_["zero_s"])
        figures = []
        for kind, values in by_kind.items():
            stopped = 1e3 * np.array([value for value in values if value is not None])
            target_s = STALE_TARGET_S if kind == STALE else SLOW_TARGET_S if kind in SLOW else TARGET_S
            median, longest = (np.median(stopped), stopped.max()) if len(stopped) else (np.nan, np.nan)
            figures += [
                Figure(f"{kind}_zero_torque_median", float(median), "ms"),
                Figure.against(f"{kind}_zero_torque_max", float(longest), "ms", at_most=1e3 * target_s),
                Figure.against(f"{kind}_not_stopped", len(values) - len(stopped), "1", at_most=0),
            ]
        return figures

    def details(self, measured: dict[str, dict]) -> dict:
        causes = defaultdict(set)
        for name, round_ in measured.items():
            causes[name.split()[0]] |= set(round_["faults"])
        return {"faults_latched": {kind: sorted(names) for kind, names in causes.items()}}
