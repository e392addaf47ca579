# SPDX-License-Identifier: Apache-2.0
"""The model card of a policy, filled from its evaluation and its manifest: nothing in it is written by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from exo_core.files import whole_file
from exo_lab.conditions import LEARNED
from exo_lab.evaluate.exo.population import CONDITIONS as POPULATION_CONDITIONS
from exo_lab.evaluate.exo.population import figure_name
from exo_policy.checkpoint import CheckpointError, load_checkpoint
from exo_sim.measurement import Figure

if TYPE_CHECKING:
    from exo_lab.report.device import DeviceStudy

CARD_NAME = "model_card.md"
#: Row, figure and decimals of the card's table.
ROWS = (
    ("gross cost (W/kg)", "gross_bhargava", 2),
    ("change from unpowered (%)", "gross_change_bhargava_from_unpowered", 1),
    ("change from no device (%)", "gross_change_bhargava_from_no_device", 1),
    ("change from unpowered, Umberger 2010 (%)", "gross_change_umberger_from_unpowered", 1),
    ("hip torque, r with the validated profile", "hip_profile_r", 3),
    ("ankle torque, r with the validated profile", "ankle_profile_r", 3),
    ("mechanical power given (W/kg)", "positive_power", 3),
    ("mechanical power taken (W/kg)", "negative_power", 3),
    ("falls", "falls", 0),
)
NOT_FOR = """## What it must not be used for

- Not on people, and not on hardware, without a safety case of its own: it was trained and measured in simulation
  alone. The safety supervisor is no substitute, and no compliance with any standard is claimed.
- Not outside the speeds and the range of wearers above; not for running, stairs, slopes, turning or standing up.
- Not as medical advice or treatment. Metabolic savings are those of a muscle model, which people have not confirmed.
- Not for another device than the one named: the checkpoint is refused where joints or rates differ, but torque
  limits, masses and delays that are far from those of the training are not noticed.
"""


def write_model_card(evaluation: DeviceStudy) -> Path:
    """Write model_card.md into the evaluation's folder; returns its path. Raises OSError."""
    path = evaluation.folder / CARD_NAME
    with whole_file(path) as file:
        file.write("\n".join(_lines(evaluation)) + "\n")
    return path


def _lines(evaluation: DeviceStudy) -> Iterator[str]:
    configuration = evaluation.configuration
    device = configuration["device_description"]
    policies = configuration["policies"]
    yield f"# Model card: {device['name']}"
    yield ""
    yield (
        f"A policy that answers joint angles and rates, a pelvis IMU, the wearer's mass and the device's limits with "
        f"torque at {', '.join(device['joints'])}, 100 times a second. {device['description']}."
    )
    yield ""
    yield "## What it was trained on"
    yield ""
    for policy in policies:
        yield (
            f"- `{policy['label']}`: seed {policy['training_seed']}, {policy['samples']} samples in its last stage, "
            f"sha256 `{policy['sha256']}`, git revision {policy['git_revision']}"
        )
    yield ""
    yield from _training(policies[0])
    yield "## What it reached"
    yield ""
    speeds = evaluation.speeds
    yield "| | " + " | ".join(f"{speed:g} m/s" for speed in speeds) + " |"
    yield "|---|" + "---|" * len(speeds)
    for title, name, digits in ROWS:
        row = [evaluation.figure(name, LEARNED, speed) for speed in speeds]
        if any(math.isfinite(known.value) for known in row):
            yield f"| {title} | " + " | ".join(_cell(known, digits) for known in row) + " |"
    yield ""
    judged = {name: known for name, known in evaluation.figures.items() if known.met is not None}
    missed = [name for name, known in judged.items() if not known.met]
    yield (
        f"{len(judged) - len(missed)} of {len(judged)} targets are met"
        + (f"; missed: {', '.join(f'`{name}`' for name in missed)}." if missed else ".")
    )
    yield (
        f"Measured offline and in lockstep with the safety supervisor, {configuration['seeds']} walks of "
        f"{configuration['duration']:g} s for each speed, condition and policy; in brackets the 95 % interval."
    )
    rates = [(condition, evaluation.figures.get(figure_name(condition))) for condition in POPULATION_CONDITIONS]
    if all(known is not None for _, known in rates):
        yield ""
        yield (
            "Among people drawn as in the training, at changing speeds, carrying loads, on slippery and on good floors, "
            "falls per minute of walking: "
            + ", ".join(f"{condition.replace('_', ' ')} {_cell(known, 2)}" for condition, known in rates)
            + ". These are a simulated walker's, who has no arms to catch a rail."
        )
    variants = [condition for condition in evaluation.conditions if condition.startswith(f"{LEARNED}:")]
    if variants:
        yield ""
        yield "| change from unpowered (%) | " + " | ".join(f"{speed:g} m/s" for speed in speeds) + " |"
        yield "|---|" + "---|" * len(speeds)
        for condition in variants:
            cells = (
                _cell(evaluation.figure("gross_change_bhargava_from_unpowered", condition, speed), 1)
                for speed in speeds
            )
            yield f"| {condition.split(':', 1)[1]} | " + " | ".join(cells) + " |"
    yield ""
    yield NOT_FOR.rstrip()


def _training(policy: dict) -> Iterator[str]:
    """Ranges that the training drew from, as far as the manifest tells."""
    try:
        _, manifest = load_checkpoint(policy["checkpoint"], kind="exo")
    except CheckpointError:
        return
    config = manifest.training.config
    if "wearing" not in config:
        return
    people, wearing = config["people"], config["wearing"]
    yield (
        f"A simulated person with 80 muscles (MyoLegs) at {_range(config['speed_range_mps'])} m/s, "
        f"{_range(people['height_range_m'])} m tall, {_range(people['mass_range_kg'])} kg, strength "
        f"{_range(people['strength_range'])} of the model's, friction {_range(people['friction_range'])} times the "
        f"usual, carrying {_range(wearing['payload_kg'])} kg. The device: delay {_range(wearing['delay_s'])} s, motor "
        f"bandwidth {_range(wearing['bandwidth_factor'])} times its own, strap stiffness "
        f"{_range(wearing['strap_stiffness_nm_per_rad'])} Nm/rad, joint sensors off by {wearing['position_offset_rad']} "
        f"rad (SD), the IMU tilted by {wearing['tilt_offset_rad']} rad (SD), the mass told wrong by "
        f"{100 * wearing['mass_error']:g} % (SD). No gait phase, torque profile or target gait entered reward or "
        f"observation."
    )
    yield ""


def _range(bounds) -> str:
    return " to ".join(f"{bound:g}" for bound in bounds)


def _cell(known: Figure, digits: int) -> str:
    if not math.isfinite(known.value):
        return "-"
    text = f"{known.value:.{digits}f}"
    text += f" [{known.low:.{digits}f}, {known.high:.{digits}f}]" if math.isfinite(known.low) else ""
    return text + known.left_out_words
