# SPDX-License-Identifier: Apache-2.0
"""Commands that show finished runs: `exo compare`, `exo film`. Nothing heavy is imported before they run."""

from __future__ import annotations

import argparse

#: As exo_bringup.film.make has them, which is not imported only to print a help text.
FILM_SECONDS, FILM_PLAYBACK, FILM_WIDTH = 2.5, 0.5, 720


def add_show_commands(commands: argparse._SubParsersAction) -> None:
    """Add the commands to a command line; each sets `run` to a function of the arguments, which returns the
    exit code and raises a ValueError of one line.
    """
    compare = commands.add_parser(
        "compare",
        help="several runs side by side",
        description="Writes one HTML file that shows several runs side by side on the same scales.",
    )
    compare.add_argument("run_folders", metavar="RUN", nargs="+", help="2 to 4 folders that `exo sim` wrote")
    compare.add_argument(
        "--output", default="comparison.html", metavar="FILE", help="file to write (default: %(default)s)"
    )
    compare.set_defaults(run=run_compare)

    film = commands.add_parser(
        "film",
        help="a short film of a run",
        description="Renders a few strides of a recorded run off-screen, without and with assistance side by "
        "side, into a file of less than 3 MB.",
    )
    film.add_argument("run_folder", metavar="RUN", help="folder that `exo sim` wrote, with its recording")
    film.add_argument(
        "--output",
        default="",
        metavar="FILE",
        help=".gif, .webp or .mp4 (default: film.gif in the run folder)",
    )
    film.add_argument(
        "--seconds",
        type=float,
        default=FILM_SECONDS,
        metavar="S",
        help="simulated time (default: %(default)g s)",
    )
    film.add_argument(
        "--playback",
        type=float,
        default=FILM_PLAYBACK,
        metavar="X",
        help="1 is natural speed, 0.5 half of it (default: %(default)g)",
    )
    film.add_argument(
        "--width", type=int, default=FILM_WIDTH, metavar="PIXELS", help="of the film (default: %(default)s)"
    )
    film.set_defaults(run=run_film)


def run_compare(chosen: argparse.Namespace) -> int:
    """`exo compare`."""
    from exo_bringup.report.run import write_comparison_page

    print(f"written to {write_comparison_page(chosen.run_folders, chosen.output)}")
    return 0


def run_film(chosen: argparse.Namespace) -> int:
    """`exo film`."""
    from exo_bringup.film.make import FilmOptions, make_film

    make_film(chosen.run_folder, chosen.output, FilmOptions(chosen.seconds, chosen.playback, chosen.width))
    return 0
