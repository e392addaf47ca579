# SPDX-License-Identifier: Apache-2.0
"""The `exo` command line. Nothing heavy is imported before it is known what to do."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Iterable, Mapping

from exo_bringup.graph import (
    CHOICES,
    HARDWARE_DEFAULTS,
    MOTOR_CHOICES,
    NODE_CHOICES,
    SIM_DEFAULTS,
    VIEWER_CHOICES,
    WALK_CHOICES,
    WORN_CHOICES,
    default_of,
)
from exo_core.errors import ExitCode
from exo_core.programs import EXIT_BY_SIGNAL, prepare

SIM_EPILOG = """examples:
  exo sim                                       40 s, half without and half with the spline controller
  exo sim --speed 1.0 --duration 60 --subject config/subjects/light.yaml --device hip
  exo sim --lockstep --seed 3 --strict          reproducible; exit code 1 if a target is missed
"""


def build_parser() -> argparse.ArgumentParser:
    """Parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="exo", description="A musculoskeletal human walks in an exoskeleton over ROS 2."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    sim = commands.add_parser(
        "sim",
        help="the main job: walk unassisted, then assisted, record and report",
        description="Starts simulator, device and policy as processes, walks half of the time without and "
        "half with assistance, and writes a run folder with recording, curves, figures and a picture.",
        epilog=SIM_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_walk(sim, viewer=True)
    sim.add_argument(
        "--duration",
        type=float,
        default=40.0,
        metavar="S",
        help="simulated time, half without and half with assistance (s, default: %(default)g)",
    )
    sim.add_argument(
        "--output",
        default="runs",
        metavar="DIR",
        help="folder that gets the run folder (default: %(default)s)",
    )
    sim.add_argument("--name", default="sim", help="end of the run folder's name (default: %(default)s)")
    sim.add_argument("--no-record", action="store_true", help="write no recording.mcap")
    sim.add_argument("--strict", action="store_true", help="exit with 1 when a figure misses its target")
    sim.add_argument("--no-table", action="store_true", help="a plain line every few seconds, no live table")
    sim.add_argument("--quiet", action="store_true", help="say nothing but errors and the run folder")
    sim.set_defaults(run=_sim)

    graph = commands.add_parser(
        "graph",
        help="start the nodes only, and stay until Ctrl-C",
        description="Starts the graph that the launch file starts, where ros2 launch is not installed. "
        "The device is disarmed: call exo/arm to switch the torque on.",
    )
    add_walk(graph, viewer=False)
    add_choices(graph, NODE_CHOICES, {})
    graph.set_defaults(run=_graph)

    hardware = commands.add_parser(
        "hardware",
        help="device and policy without a simulator, on real or emulated motors",
        description="Starts what hardware.launch.py starts, where ros2 launch is not installed, and stays "
        "until Ctrl-C. The device is disarmed: call exo/arm to switch the torque on.",
    )
    names = (*WORN_CHOICES, *MOTOR_CHOICES, "use_mock_hardware", *NODE_CHOICES, *VIEWER_CHOICES)
    add_choices(hardware, names, HARDWARE_DEFAULTS)
    add_domain(hardware)
    hardware.set_defaults(run=_hardware)

    view = commands.add_parser(
        "view",
        help="show a graph that runs already in the browser",
        description="Serves a page that shows what the topics of a running graph say, simulated or real, and "
        "whose buttons call its services. Stays until Ctrl-C, also while the graph is started anew.",
    )
    add_choices(view, ("device", "namespace", *VIEWER_CHOICES[1:]), {"device": ""})
    add_domain(view)
    view.set_defaults(run=_view)

    for name, text, kinds in (
        (
            "train",
            "train a policy",
            (
                ("human", "the walker", _train(None)),
                ("nerves", "a walker whose network drives the muscles", _train("nerves")),
                ("compensations", "how the walker makes up for weakness", _train("compensations")),
                ("exo", "the device's", _train("exo")),
            ),
        ),
        (
            "evaluate",
            "measure a policy over many seeds",
            (
                ("human", "the walker", _evaluate_human),
                ("exo", "the device's", _evaluate_exo),
                ("impaired", "how patients walk, and what a device does for them", _evaluate_impaired),
            ),
        ),
    ):
        group = commands.add_parser(name, help=text, description=text.capitalize() + ".")
        what = group.add_subparsers(dest="kind", required=True, metavar="WHAT")
        for kind, explanation, run in kinds:
            _handed_on(what, kind, explanation, run)
    _handed_on(commands, "personalise", "fit an exoskeleton policy to one wearer, in minutes", _train("personalise"))
    _handed_on(commands, "ship", "put a training's checkpoint into the packages, if it can be repeated", _ship)
    _handed_on(commands, "emulate", "motors that are not there, on a CAN bus", _emulate)
    _handed_on(commands, "bench", "first steps with real motors; signs and zeros on the wearer", _bench)

    inspect = commands.add_parser(
        "inspect",
        help="what a recording holds: topics, rates, gaps, faults, stops, torques",
        description="One page about a recording, also about one that was cut off by a kill or a full disk.",
    )
    inspect.add_argument(
        "recording", metavar="RUN", help="folder that `exo sim` or rosbag2 wrote, or a recording (.mcap)"
    )
    inspect.set_defaults(run=_inspect)

    report = commands.add_parser("report", help="report of a run's or an evaluation's folder anew")
    report.add_argument(
        "run_folder",
        metavar="[exo|human|impaired] FOLDER",
        nargs="+",
        help="folder that `exo sim` or `exo evaluate` wrote; which of them is seen in it",
    )
    report.add_argument("--strict", action="store_true", help="exit with 1 when a figure misses its target")
    report.set_defaults(run=_report)

    compare = commands.add_parser("compare", help="several run folders side by side, as one HTML file")
    compare.add_argument("run_folders", metavar="RUN", nargs="+", help="folders that `exo sim` wrote")
    compare.add_argument("--output", default="comparison.html", help="file to write (default: %(default)s)")
    compare.set_defaults(run=_compare)

    film = commands.add_parser("film", help="a film of a few recorded strides, without and with assistance")
    film.add_argument("run_folder", metavar="RUN", help="folder that `exo sim` wrote, with its recording")
    film.add_argument("--output", default="", help="file to write (default: film.gif in the run folder)")
    film.add_argument("--seconds", type=float, default=2.5, help="simulated time shown (s, default: %(default)g)")
    film.add_argument("--playback", type=float, default=0.5, help="speed of the film (default: %(default)g)")
    film.add_argument("--width", type=int, default=720, help="of the film (pixels, default: %(default)s)")
    film.set_defaults(run=_film)

    return parser


def _handed_on(commands, name: str, explanation: str, run) -> None:
    """A command whose options another package reads: all that follows is left to it, --help included."""
    command = commands.add_parser(name, help=explanation, add_help=False, prefix_chars="\0")
    command.add_argument("rest", nargs="*")
    command.set_defaults(run=run)


def add_choices(parser: argparse.ArgumentParser, names: Iterable[str], defaults: Mapping[str, object]) -> None:
    """Options for choices about the graph, by name."""
    for name in names:
        choice, default = CHOICES[name], default_of(name, defaults)
        flag = f"--{name.replace('_', '-')}"
        shown = (
            "" if default in ("", None, False) else " (default: yes)" if default is True else " (default: %(default)s)"
        )
        if default is None or isinstance(default, bool):
            form: dict = {"action": argparse.BooleanOptionalAction}
        else:
            form = {"type": type(default), "metavar": choice.metavar}
        parser.add_argument(flag, default=default, help=choice.description + shown, **form)


def add_domain(parser: argparse.ArgumentParser) -> None:
    """The option that says in which ROS domain the graph is."""
    parser.add_argument(
        "--domain-id",
        type=int,
        default=None,
        metavar="N",
        help="ROS domain, 0 to 101 (default: ROS_DOMAIN_ID or 0)",
    )


def add_walk(parser: argparse.ArgumentParser, viewer: bool) -> None:
    """What `sim` and `graph` let choose; `viewer`: whether it is there by default."""
    names = (*WORN_CHOICES, *WALK_CHOICES, *VIEWER_CHOICES)
    add_choices(parser, names, {**SIM_DEFAULTS, "viewer": viewer})
    add_domain(parser)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        "--lockstep",
        action="store_true",
        help="the simulator waits for each command: reproducible, as fast as it goes",
    )
    mode.add_argument("--fast", action="store_true", help="as fast as it goes, not reproducible")


def main(arguments: list[str] | None = None) -> int:
    """Entry point. Returns the exit code; errors are one line on stderr."""
    chosen = build_parser().parse_args(arguments)
    prepare()
    try:
        return chosen.run(chosen)
    except ValueError as error:  # every package's own error is one
        print(f"exo: {error}", file=sys.stderr)
        return ExitCode.FAILED
    except BrokenPipeError:  # whoever reads has read enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BY_SIGNAL + signal.SIGPIPE
    except OSError as error:  # a full disk, a folder without rights
        where = f"{error.filename}: " if error.filename else ""
        print(f"exo: {where}{error.strerror or error}", file=sys.stderr)
        return ExitCode.FAILED
    except KeyboardInterrupt:
        print("exo: interrupted", file=sys.stderr)
        return EXIT_BY_SIGNAL + signal.SIGINT


def _sim(chosen: argparse.Namespace) -> int:
    from exo_bringup.run_options import options_from_arguments
    from exo_bringup.runner import run_simulation

    return run_simulation(options_from_arguments(chosen))


def _graph(chosen: argparse.Namespace) -> int:
    from exo_bringup.run_options import graph_options_from_arguments
    from exo_bringup.runner import run_graph

    return run_graph(graph_options_from_arguments(chosen), chosen.domain_id)


def _hardware(chosen: argparse.Namespace) -> int:
    from exo_bringup.run_options import graph_options_from_arguments
    from exo_bringup.runner import run_hardware

    return run_hardware(graph_options_from_arguments(chosen), chosen.domain_id)


def _view(chosen: argparse.Namespace) -> int:
    from exo_bringup.runner import run_viewer

    return run_viewer(chosen)


def _train(kind: str | None):
    """Hands a command to the trainings; None is the walker's."""

    def run(chosen: argparse.Namespace) -> int:
        from exo_lab.train import main as train

        return (train(chosen.rest, kind=kind) if kind else train(chosen.rest)) or 0

    return run


def _ship(chosen: argparse.Namespace) -> int:
    from exo_lab.train.ship import main as ship

    return ship(chosen.rest)


def _bench(chosen: argparse.Namespace) -> int:
    from exo_device.bench import main as bench

    return bench(chosen.rest)


def _emulate(chosen: argparse.Namespace) -> int:
    from exo_device.devices import driver_file
    from exo_device.emulator import main as emulate

    return emulate(chosen.rest, driver_file("cubemars_example"))


def _film(chosen: argparse.Namespace) -> int:
    from exo_bringup.film.make import FilmOptions, make_film

    options = FilmOptions(chosen.seconds, chosen.playback, chosen.width)
    print(f"written: {make_film(chosen.run_folder, chosen.output, options)}")
    return 0


def _compare(chosen: argparse.Namespace) -> int:
    from exo_lab.report.run import write_comparison_page

    print(f"written: {write_comparison_page(chosen.run_folders, chosen.output)}")
    return 0


def _evaluate_human(chosen: argparse.Namespace) -> int:
    from exo_lab.evaluate import main as evaluate
    from exo_lab.report.results import write_evaluation_report

    return evaluate(chosen.rest, write_evaluation_report) or 0


def _evaluate_exo(chosen: argparse.Namespace) -> int:
    from exo_bringup.deployment import walk_over_topics
    from exo_lab.evaluate import main as evaluate
    from exo_lab.report.results import write_evaluation_report

    return evaluate(chosen.rest, write_evaluation_report, kind="exo", deploy=walk_over_topics)


def _evaluate_impaired(chosen: argparse.Namespace) -> int:
    from exo_lab.evaluate import main as evaluate
    from exo_lab.report.results import write_evaluation_report

    return evaluate(chosen.rest, write_evaluation_report, kind="impaired")


def _inspect(chosen: argparse.Namespace) -> int:
    from exo_bringup.inspection import print_inspection

    print_inspection(chosen.recording)
    return 0


def _report(chosen: argparse.Namespace) -> int:
    from exo_lab.report.results import is_evaluation, report_again, report_folder, write_evaluation_report

    folder = report_folder(chosen.run_folder)
    if is_evaluation(folder):
        print(f"written: {write_evaluation_report(folder)}")
        return 0
    return report_again(folder, strict=chosen.strict)


if __name__ == "__main__":
    sys.exit(main())
