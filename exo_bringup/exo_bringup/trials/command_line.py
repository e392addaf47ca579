# SPDX-License-Identifier: Apache-2.0
"""`exo trial`: its options."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from exo_bringup.trials.trial import Trial
from exo_core.errors import UserError
from exo_lab.run_folder import RunFolder

#: What `kill` kills.
VICTIMS = ("simulator", "policy", "device", "emulator", "guardian")


def build_parser() -> argparse.ArgumentParser:
    """Parser of `exo trial`."""
    parser = argparse.ArgumentParser(
        prog="exo trial",
        description="Tries the device side and measures it. exo_device/docs/trials.md explains every figure.",
    )
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="TRIAL")

    fuzz = _add(kinds, "fuzz", "random frames: no crash, no wrong motor", _fuzz)
    fuzz.add_argument("--frames", type=int, default=1_000_000, metavar="N", help="per firmware (default: %(default)s)")

    soak = _add(kinds, "soak", "a long time on a bus that loses frames", _soak)
    soak.add_argument("--minutes", type=float, default=30.0, help="(default: %(default)g)")
    soak.add_argument(
        "--stretch", type=float, default=30.0, metavar="S", help="kept on disk this often (s, default: %(default)g)"
    )
    soak.add_argument("--rate", type=float, default=200.0, metavar="HZ", help="of the bus (default: %(default)g)")
    soak.add_argument(
        "--loss", type=float, default=0.05, metavar="SHARE", help="of the replies that get lost (default: %(default)g)"
    )
    soak.add_argument("--device", default="hip_ankle", help="name or YAML (default: %(default)s)")

    kill = _add(kinds, "kill", "kill -9 of each process of a running graph", _kill)
    kill.add_argument(
        "--patient",
        action="store_true",
        help="long watchdogs, for a busy machine: tries the trial, its times mean nothing",
    )
    kill.add_argument("--times", type=int, default=50, metavar="N", help="of each process (default: %(default)s)")
    kill.add_argument("--processes", default=",".join(VICTIMS), metavar="NAMES", help="(default: %(default)s)")
    kill.add_argument("--rate", type=float, default=200.0, metavar="HZ", help="of the bus (default: %(default)g)")

    faults = _add(kinds, "faults", "from each kind of fault to zero torque", _faults)
    faults.add_argument(
        "--patient",
        action="store_true",
        help="long watchdogs, for a busy machine: tries the trial, its times mean nothing",
    )
    faults.add_argument("--times", type=int, default=10, metavar="N", help="of each kind (default: %(default)s)")
    faults.add_argument("--kinds", default="", metavar="NAMES", help="with commas (default: all)")
    faults.add_argument("--rate", type=float, default=200.0, metavar="HZ", help="of the bus (default: %(default)g)")

    jitter = _add(kinds, "jitter", "how regular the motor bus is while a policy runs", _jitter)
    jitter.add_argument("--rates", default="200,500", metavar="HZ", help="with commas (default: %(default)s)")
    jitter.add_argument(
        "--seconds", type=float, default=60.0, metavar="S", help="at each rate (s, default: %(default)g)"
    )

    change = _add(kinds, "interchange", "the same policy on three drivers, walking", _interchange)
    change.add_argument(
        "--seconds",
        type=float,
        default=60.0,
        metavar="S",
        help="with assistance (simulated time, default: %(default)g)",
    )
    change.add_argument(
        "--baseline",
        type=float,
        default=30.0,
        metavar="S",
        help="without, before (simulated time, default: %(default)g)",
    )
    change.add_argument(
        "--pace",
        type=float,
        default=1.0,
        metavar="P",
        help="simulated over wall time; below 1 for a busy machine (default: %(default)g)",
    )
    change.add_argument("--drivers", default="", metavar="NAMES", help="with commas (default: all)")
    change.add_argument(
        "--again", action="store_true", help="the first driver once more: how much two equal walks differ"
    )
    change.add_argument("--controller", default="spline", help="(default: %(default)s)")
    change.add_argument("--speed", type=float, default=1.25, metavar="V", help="(m/s, default: %(default)g)")
    return parser


def _add(kinds, name: str, text: str, make: Callable) -> argparse.ArgumentParser:
    parser = kinds.add_parser(name, help=text, description=text.capitalize() + ".")
    parser.add_argument(
        "--output", default="runs", metavar="DIR", help="folder that gets the trial's folder (default: %(default)s)"
    )
    parser.add_argument(
        "--resume", default="", metavar="TRIAL", help="go on in this trial's folder, with the same options"
    )
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a figure misses its target")
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    parser.set_defaults(make=make)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code. Raises a ValueError of one line when the trial cannot run."""
    chosen = build_parser().parse_args(arguments)
    from exo_bringup.trials.conduct import conduct

    return conduct(chosen.make(chosen, _folder(chosen)), seed=chosen.seed, strict=chosen.strict)


def _folder(chosen: argparse.Namespace) -> Path:
    if not chosen.resume:
        return RunFolder.create(chosen.output, f"trial-{chosen.kind}").path
    folder = Path(chosen.resume)
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder of a trial to resume")
    return folder


def _fuzz(chosen: argparse.Namespace, folder: Path) -> Trial:
    from exo_bringup.trials.fuzz import FuzzTrial

    return FuzzTrial(folder, frames=chosen.frames, seed=chosen.seed)


def _soak(chosen: argparse.Namespace, folder: Path) -> Trial:
    from exo_bringup.trials.soak import SoakTrial

    return SoakTrial(
        folder,
        minutes=chosen.minutes,
        stretch_s=chosen.stretch,
        rate_hz=chosen.rate,
        loss=chosen.loss,
        device=chosen.device,
        seed=chosen.seed,
    )


def _kill(chosen: argparse.Namespace, folder: Path) -> Trial:
    from exo_bringup.trials.kill import KillTrial

    victims = _names("process", chosen.processes, VICTIMS)
    return KillTrial(
        folder, times=chosen.times, victims=victims, bus_rate_hz=chosen.rate, seed=chosen.seed, patient=chosen.patient
    )


def _faults(chosen: argparse.Namespace, folder: Path) -> Trial:
    from exo_bringup.trials.faults import KINDS, FaultsTrial

    kinds = _names("fault", chosen.kinds, KINDS)
    return FaultsTrial(
        folder, times=chosen.times, kinds=kinds, bus_rate_hz=chosen.rate, seed=chosen.seed, patient=chosen.patient
    )


def _jitter(chosen: argparse.Namespace, folder: Path) -> Trial:
    from exo_bringup.trials.jitter import JitterTrial

    try:
        rates = tuple(float(rate) for rate in chosen.rates.split(","))
    except ValueError:
        raise UserError(f"--rates {chosen.rates}: give numbers with commas between them") from None
    return JitterTrial(folder, rates_hz=rates, seconds=chosen.seconds)


def _interchange(chosen: argparse.Namespace, folder: Path) -> Trial:
    from exo_bringup.trials.interchange import InterchangeTrial
    from exo_bringup.trials.walking_graph import DRIVERS

    drivers = _names("driver", chosen.drivers, tuple(DRIVERS))
    return InterchangeTrial(
        folder,
        seconds=chosen.seconds,
        baseline_s=chosen.baseline,
        pace=chosen.pace,
        drivers=drivers,
        again=chosen.again,
        controller=chosen.controller,
        speed_mps=chosen.speed,
        seed=chosen.seed,
    )


def _names(what: str, text: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """Names with commas between them, all for none. Raises UserError for an unknown one."""
    names = tuple(name.strip() for name in text.split(",") if name.strip()) or known
    for name in names:
        if name not in known:
            raise UserError(f"unknown {what} '{name}': choose of {', '.join(known)}")
    return names
