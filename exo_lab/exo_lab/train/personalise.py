# SPDX-License-Identifier: Apache-2.0
"""`exo personalise`: goes on training a policy that serves everybody, with one wearer, within a coffee break.

First the policy learns to assist this wearer, who walks as before; then the wearer practises with it. For as long somebody
else, the same wearer, practises without power, so that it can be told what practice alone does.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from exo_device.description import DeviceDescription
from exo_device.devices import find_device
from exo_lab.conditions import LEARNED, PRACTISED, RESULT_FILE, UNPOWERED, find_policy
from exo_lab.rl.config import STATE_FILE
from exo_lab.train.command_line import EXIT_STOPPED, refuse_another_training, run_command
from exo_lab.train.exo_config import EXO, HUMAN, ExoTrainingConfig, StageConfig, load_exo_config
from exo_lab.train.learners import is_doubled
from exo_lab.train.motor_adaptation import AdaptationStage
from exo_lab.train.stages import Stage, StageInputs, copy_human
from exo_policy.checkpoint import checkpoint_files, load_checkpoint, require_contract
from exo_policy.controllers.learned import PATIENTS_TOLD, shipped_checkpoint
from exo_policy.manifest import Contract
from exo_policy.observation import STRENGTHS
from exo_sim.body.model import build_body
from exo_sim.body.subject import Subject, load_subject
from exo_sim.errors import SimError
from exo_sim.human.checkpoint import load_human, shipped_human
from exo_sim.human.pace import FASTEST_WALK_MPS, SLOWEST_WALK_MPS
from exo_sim.measurement import git_revision, write_json
from exo_sim.subjects import PRESET_PREFIX, presets

COMMAND = "exo personalise"
#: Ends the training (minutes), so that with start and check it takes less than 15; or that many steps of 10 ms.
MINUTES, SAMPLES = 12.5, 1_500_000
#: Share of these minutes in which the wearer practises with the fitted policy, and as long without power.
PRACTICE_SHARE = 0.25
PERSONALISE, WITH_POWER, WITHOUT_POWER = "personalise", "practice", "practice_without_power"
#: Device of the policy for patients that comes with the project.
USUAL_DEVICE = "hip_ankle"
#: Configurations of the trainings for patients, whose rewards are an impaired wearer's too.
IMPAIRED, TOLD = "exo_impaired", "exo_told"
#: Walkers as they were before: the wearer's without power, and everybody else's.
OTHERS_STEM = "others_"
#: Speeds that the wearer walks at, around the preferred one (m/s).
SPEED_SPREAD_MPS = 0.15
#: Exploration begins smaller than in a training from nothing (share of the torque limits).
INITIAL_STD = 0.15
#: The wearer carries little while being fitted (kg), and was weighed: SD of the error as a share.
PAYLOAD_KG, MASS_ERROR = (0.0, 3.0), 0.02


def parser() -> argparse.ArgumentParser:
    """Command line of `exo personalise`."""
    p = argparse.ArgumentParser(
        prog=COMMAND,
        description="Fit an exoskeleton policy to one wearer: it goes on "
        "training with this person alone, for some minutes. An interrupted fitting goes on.",
    )
    p.add_argument(
        "--subject",
        required=True,
        metavar="FILE_OR_PRESET",
        help="who wears it: a subject file or the name of a preset",
    )
    p.add_argument(
        "--exo",
        metavar="CHECKPOINT",
        help="policy to begin with: a folder that `exo train exo` wrote, or a "
        "checkpoint (default: the project's for patients, hip and ankle, which is told who is weak where)",
    )
    p.add_argument("--output", required=True, metavar="FOLDER", help="gets policy, settings, metrics and result.json")
    p.add_argument(
        "--human",
        default=None,
        help="checkpoint of the walker (default: the one that the policy's folder names, else the project's)",
    )
    p.add_argument("--device", default=None, help="name or YAML (default: the one that the policy was trained for)")
    p.add_argument(
        "--one-sided",
        action="store_true",
        help="let the policy treat the legs by different rules; without "
        "this it is its own mirror image, and what it does differently comes from how the wearer walks",
    )
    p.add_argument(
        "--config",
        nargs="+",
        default=[],
        metavar="YAML",
        help="changes to the default training configuration (reward, wearing, people)",
    )
    p.add_argument("--minutes", type=float, default=MINUTES, help="of training at most (default: %(default)g)")
    p.add_argument("--samples", type=int, default=SAMPLES, help="steps of 10 ms at most (default: %(default)s)")
    p.add_argument("--seed", type=int, default=1, help="of everything random (default: %(default)s)")
    p.add_argument("--workers", type=int, help="worker processes; as many as there are cores is best")
    return p


def main(argv: list[str] | None = None) -> int:
    """Runs the fitting; returns the exit code."""
    return run_command(COMMAND, personalise, parser().parse_args(argv))


@dataclass(frozen=True)
class InitialCheckpoints:
    """What a fitting begins with: paths without suffix; `state` only where the critic can be used."""

    device: DeviceDescription
    checkpoint: Path
    state: Path | None
    human: Path
    human_unpowered: Path


def personalise(options: argparse.Namespace) -> int:
    """Fits as the command line says.

    Raises:
        SimError, DeviceError, CheckpointError: a wrong subject, policy, device, human or configuration.
    """
    started = time.monotonic()
    wearer = _wearer(options.subject)
    config = load_exo_config(*options.config)
    impaired = bool(build_body(wearer, None, config.physics_rate_hz, accelerometer=False).deficit.any())
    beginning = find_initial_checkpoints(options, impaired)
    if impaired:
        told = _is_told(load_checkpoint(beginning.checkpoint, kind=EXO)[1].contract)
        config = load_exo_config(IMPAIRED, *((TOLD,) if told else ()), *options.config)
    config = fitting_config(config, options, wearer, beginning)
    folder = Path(options.output)
    refuse_another_training(
        folder,
        {
            "config": {
                **config.model_dump(mode="json"),
                "device": beginning.device.model_dump(mode="json"),
                "exo_sha256": load_checkpoint(beginning.checkpoint, kind=EXO)[1].sha256,
                "human_sha256": load_checkpoint(beginning.human, kind=HUMAN)[1].sha256,
            },
            "seed": options.seed,
            "git_revision": git_revision(),
        },
    )
    print(f"fitting {beginning.device.name} to {wearer.name}, {options.minutes:g} minutes at most", flush=True)
    settings = config.stages[0]
    stage = Stage(settings, folder / f"1_{settings.name}", config, beginning.device, options.seed)
    before = StageInputs(beginning.human, beginning.checkpoint, beginning.state)
    practised, control = (
        _adaptation_stage(options, number, name, config, beginning.device)
        for number, name in enumerate((WITH_POWER, WITHOUT_POWER), start=2)
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        stopped = not stage.finished and not stage.run(before)
        if not (stopped or practised.finished):
            practised.run(beginning.human, stage.outputs(before).device)
        if not (stopped or control.finished):
            control.run(beginning.human_unpowered, None)
    except KeyboardInterrupt:
        stopped = True
    if stopped:
        print("stopped; the same command goes on", file=sys.stderr)
        return EXIT_STOPPED
    fitted = stage.outputs(before)
    others = {}
    for condition, human in ((UNPOWERED, beginning.human_unpowered), (LEARNED, beginning.human)):
        others[condition] = f"{OTHERS_STEM}{condition}"
        copy_human(human, folder / others[condition])
    write_json(
        folder / RESULT_FILE,
        {
            "device": beginning.device.name,
            "checkpoint": str(fitted.device.relative_to(folder)),
            "humans": {
                UNPOWERED: others[UNPOWERED],
                PRACTISED: str(control.human.relative_to(folder)),
                LEARNED: str(practised.human.relative_to(folder)),
            },
            "humans_of_others": others,
            "wearer": wearer.model_dump(mode="json", exclude_defaults=True) | {"name": wearer.name},
            "seed": options.seed,
            "stage": PERSONALISE,
            "symmetric": config.symmetric,
        },
    )
    print(f"checkpoint {fitted.device}.safetensors, {(time.monotonic() - started) / 60.0:.1f} minutes")
    return 0


def _adaptation_stage(
    options: argparse.Namespace, number: int, name: str, config: ExoTrainingConfig, device: DeviceDescription
) -> AdaptationStage:
    return AdaptationStage(
        name, Path(options.output) / f"{number}_{name}", config, device, options.seed, PRACTICE_SHARE * options.minutes
    )


def find_initial_checkpoints(options: argparse.Namespace, impaired: bool) -> InitialCheckpoints:
    """Policy, device and walkers that the command line names, for a wearer who is impaired or not.

    Raises:
        SimError, DeviceError, CheckpointError: one that cannot be used.
    """
    policy = find_policy(options.exo or _shipped(options.device or USUAL_DEVICE), options.device)
    device = find_device(policy.device)
    if device is None:
        raise SimError("--device none has no policy to fit; name a device")
    checkpoint = checkpoint_files(policy.checkpoint)[0].with_suffix("")
    human, unpowered = (
        Path(options.human or policy.human(condition, None) or shipped_human(impaired))
        for condition in (LEARNED, UNPOWERED)
    )
    for walker in (human, unpowered):
        load_human(walker)
    state = checkpoint.parent / STATE_FILE
    # another structure of the policy needs another critic's state; and a state is of the policy saved with it
    usable = state.is_file() and not options.one_sided
    return InitialCheckpoints(device, checkpoint, state if usable else None, human, unpowered)


def _shipped(device: str) -> Path:
    description = find_device(device)
    checkpoint = None if description is None else shipped_checkpoint(description.joint_names, PATIENTS_TOLD)
    if checkpoint is None:
        raise SimError(
            f"no policy for patients comes with the project for the device {device}; name one with --exo "
            "(`exo train exo --config exo_impaired --device ...` makes one)"
        )
    return checkpoint


def fitting_config(
    config: ExoTrainingConfig, options: argparse.Namespace, wearer: Subject, beginning: InitialCheckpoints
) -> ExoTrainingConfig:
    """The configuration of a training with one wearer, for a policy like the one it begins with.

    Raises:
        SimError: minutes or samples out of range.
        CheckpointError: a policy whose observation or action this training cannot make.
    """
    if options.samples < 1 or not options.minutes > 0.0:
        raise SimError("--samples must be at least 1 and --minutes above 0")
    tensors, manifest = load_checkpoint(beginning.checkpoint, kind=EXO)
    hidden, doubled = manifest.network.sizes[1:-1], is_doubled(tensors)
    if doubled and not options.one_sided:
        hidden = tuple(size // 2 for size in hidden)
    middle = min(
        max(wearer.preferred_speed_mps, SLOWEST_WALK_MPS + SPEED_SPREAD_MPS), FASTEST_WALK_MPS - SPEED_SPREAD_MPS
    )
    fitted = config.model_copy(
        update={
            "wearer": wearer,
            "symmetric": not options.one_sided,
            "history": manifest.contract.history,
            "low_pass_hz": manifest.contract.action.low_pass_hz,
            "plantarflexion_only": _plantarflexes_only(manifest.contract),
            "tells_strengths": _is_told(manifest.contract),
            "speed_range_mps": (round(middle - SPEED_SPREAD_MPS, 3), round(middle + SPEED_SPREAD_MPS, 3)),
            "wearing": config.wearing.model_copy(update={"payload_kg": PAYLOAD_KG, "mass_error": MASS_ERROR}),
            "ppo": config.ppo.model_copy(update={"hidden_layers": tuple(hidden), "initial_std": INITIAL_STD}),
            "stages": (
                StageConfig(
                    name=PERSONALISE,
                    learns=(EXO,),
                    samples=options.samples,
                    minutes=(1.0 - 2.0 * PRACTICE_SHARE) * options.minutes,
                ),
            ),
        }
    )
    if options.workers:
        fitted = fitted.model_copy(update={"workers": options.workers})
    require_contract(manifest, fitted.contract(beginning.device.joint_names), beginning.checkpoint)
    return fitted


def _is_told(contract: Contract) -> bool:
    return any(term.name == STRENGTHS for term in contract.observation)


def _plantarflexes_only(contract: Contract) -> bool:
    ankles = [i for i, name in enumerate(contract.action.names) if name.startswith("ankle_angle")]
    return (
        bool(ankles) and contract.action.maximum is not None and all(contract.action.maximum[i] <= 0.0 for i in ankles)
    )


def _wearer(word: str) -> Subject:
    return load_subject(f"{PRESET_PREFIX}{word}" if word in presets() else word)


if __name__ == "__main__":
    sys.exit(main())
