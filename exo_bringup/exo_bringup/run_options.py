# SPDX-License-Identifier: Apache-2.0
"""What a run is to do, checked before anything starts."""

from __future__ import annotations

import argparse
import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

from exo_bringup.graph import CHOICES, GraphOptions, check_options, chosen_options
from exo_bringup.processes import ros_domain_id
from exo_core.errors import UserError
from exo_device.devices import device_file
from exo_sim.subjects import subject_file

#: Under this, a condition would hold too few strides to average (s).
SHORTEST_RUN_S = 4.0
LONGEST_RUN_S = 3600.0
#: Time after the start, and after assistance begins, whose strides do not count (s): the walk settles in
#: three strides, and assistance fades in within FADE_S.
SETTLING_S = 4.0
#: A short run gives at most this share of a condition to settling.
SETTLING_SHARE = 0.25
FADE_S = 2.0
#: Fields of GraphOptions that change where, when and on what a graph runs, not what comes out.
NOT_OF_THE_RESULT = (
    "run_directory",
    "start_paused",
    "run_until_s",
    "namespace",
    "rviz",
    "visualization",
    "use_mock_hardware",
    "viewer",
    "viewer_host",
    "viewer_port",
    "policy",
    "params_file",
    "log_level",
    "record",
)


@dataclass(frozen=True)
class Phase:
    """A part of the run, until the simulated time `until_s`. Its strides count if it is measured."""

    name: str
    until_s: float
    assisted: bool = False
    measured: bool = False


@dataclass(frozen=True)
class RunOptions:
    """One run of `exo sim`."""

    graph: GraphOptions = field(default_factory=GraphOptions)
    duration_s: float = 40.0
    output: str = "runs"
    name: str = "sim"
    domain_id: int = 0
    record: bool = True
    strict: bool = False
    table: bool = True
    quiet: bool = False

    def phases(self) -> tuple[Phase, ...]:
        """The parts of the run in order."""
        half = self.duration_s / 2.0
        settling = min(SETTLING_S, SETTLING_SHARE * half)
        return (
            Phase("settling", settling),
            Phase("unassisted", half, measured=True),
            Phase("fading in", half + settling, assisted=True),
            Phase("assisted", self.duration_s, assisted=True, measured=True),
        )

    def configuration(self) -> dict:
        """What defines the result, for summary.json and config.yaml: not where or when it ran."""
        graph = dataclasses.asdict(self.graph)
        for key in NOT_OF_THE_RESULT:
            graph.pop(key)
        return {
            **graph,
            "duration_s": self.duration_s,
            "phases": [dataclasses.asdict(phase) for phase in self.phases()],
        }


def graph_options_from_arguments(chosen: argparse.Namespace) -> GraphOptions:
    """Graph options of a command line, checked. Raises a ValueError of one line for bad input."""
    values = {name: getattr(chosen, name) for name in CHOICES if hasattr(chosen, name)}
    options = chosen_options({**values, "namespace": chosen.namespace.strip("/")})
    if getattr(chosen, "lockstep", False) or getattr(chosen, "fast", False):
        options = dataclasses.replace(options, mode="lockstep" if chosen.lockstep else "fast")
    check_graph(options)
    return options


def options_from_arguments(chosen: argparse.Namespace) -> RunOptions:
    """Run options of a command line, checked. Raises a ValueError of one line for bad input."""
    options = RunOptions(
        graph=graph_options_from_arguments(chosen),
        duration_s=chosen.duration,
        output=chosen.output,
        name=chosen.name,
        domain_id=ros_domain_id(chosen.domain_id),
        record=not chosen.no_record,
        strict=chosen.strict,
        table=not chosen.no_table,
        quiet=chosen.quiet,
    )
    if not SHORTEST_RUN_S <= options.duration_s <= LONGEST_RUN_S:
        raise UserError(f"--duration must be {SHORTEST_RUN_S:g} to {LONGEST_RUN_S:g} s, got {options.duration_s:g}")
    if Path(options.name).name != options.name or options.name in ("", ".", ".."):
        raise UserError(f"--name must be a plain file name, got '{options.name}'")
    return options


def check_graph(options: GraphOptions) -> None:
    """Reads every file that the nodes will read, so that bad input shows before anything starts.

    Raises a ValueError of one line.
    """
    from exo_device.description import load_device
    from exo_policy.controllers import make_controller
    from exo_sim.body.subject import load_subject
    from exo_sim.plant.simulation import SPEED_RANGE_MPS

    slowest, fastest = SPEED_RANGE_MPS
    if not slowest <= options.speed_mps <= fastest:
        raise UserError(f"--speed must be {slowest:g} to {fastest:g} m/s, got {options.speed_mps:g}")
    check_options(options)
    subject = load_subject(subject_file(options.subject))
    device = load_device(device_file(options.device))
    if not options.policy:
        return
    make_controller(
        options.controller,
        joint_names=device.joint_names,
        wearer_mass=subject.mass_kg,
        torque_limit=[joint.torque_limit(subject.mass_kg) for joint in device.joints.values()],
        checkpoint=options.checkpoint or None,
    )
