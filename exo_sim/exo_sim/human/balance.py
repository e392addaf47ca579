# SPDX-License-Identifier: Apache-2.0
"""Balance reflexes: what the body does about a tilting trunk and a drifting pelvis before the policy decides.

The leg that bears load turns the trunk back upright about its hip, as vestibular reflexes do; the leg that swings
reaches to where the body is going, as people place their feet (Hof 2008, Hum Mov Sci 27:112; Wang and Srinivasan
2014, Biol Lett 10:20140405). Yin et al. 2007 (SIMBICON) showed that these two rules alone stabilise a simulated
gait that follows joint angles. Who stands still sways about the ankles, which lean against the sway (the ankle
strategy: Horak and Nashner 1986, J Neurophysiol 55:1369), and sideways shifts the weight back from the leg that the
sway loads, with the hips (Winter et al. 1996, J Neurophysiol 75:2334). The policy works on top and may add to them or
take from them.
"""

from __future__ import annotations

import numpy as np

from exo_sim.gait.reference import JOINTS

#: Hip angle of the loaded leg per sine of trunk tilt (rad): the hip makes good twice the tilt.
TRUNK_GAIN_RAD = 2.0
#: Hip angle of the swinging leg per pelvis velocity (rad s/m): sideways, and forward beyond the commanded speed.
#: Chosen by how long a half-trained policy walks: 1.7 s without, 2.8 s with 0.4, 4.4 s with 0.7, 2.7 s with 1.0
#: sideways (16 walks each). SIMBICON uses 0.2 in both planes, on a gait that steps wider by itself.
SIDEWAYS_GAIN_RAD_S_PER_M = 0.6
FORWARD_GAIN_RAD_S_PER_M = 0.3
#: Ankle angle per lean of the pelvis over the feet (rad per leg length, rad s per leg length), and the lean of quiet
#: standing (leg lengths ahead of the heels). The lean was chosen by which of eight unperturbed bodies stood for 10 s
#: without a policy; the gains here and of the sway by how often the walker falls in coming to a stop from 0.6, 0.8, 1.0
#: and 1.25 m/s, asked for at 16 phases each (evaluation/stops.py): 2 of 64 without a device, 8 with an unpowered one at hips
#: and ankles, six of them from 0.6 m/s. With 2.25 rad, 0.68 rad s and no reflex against the sway it fell in 17,
#: forward, and 47, sideways. More damping of the sway (2.5 rad s) makes setting out harder: 5 of 20 fell then, none with 2.0.
ANKLE_GAIN_RAD = 3.4
ANKLE_RATE_GAIN_RAD_S = 1.3
STANDING_LEAN = 0.128
#: Hip angle of both legs per sideways sway of the pelvis from the middle of the feet (rad per leg length, rad s per leg
#: length), in standing on both feet.
SWAY_GAIN_RAD = 3.0
SWAY_RATE_GAIN_RAD_S = 2.0
#: Standing gives way to walking up to this commanded speed (m/s), as the reference does.
STANDING_ENDS_MPS = 0.5
#: A leg counts as loaded in proportion to its force, fully from this many body weights on.
FULL_LOAD_BW = 0.3
#: No reflex moves a hip by more than this (rad).
LIMIT_RAD = 0.35

_FLEXION = [JOINTS.index("hip_flexion_r"), JOINTS.index("hip_flexion_l")]
_ANKLE = [JOINTS.index("ankle_angle_r"), JOINTS.index("ankle_angle_l")]
_ADDUCTION = [JOINTS.index("hip_adduction_r"), JOINTS.index("hip_adduction_l")]
#: Adduction moves the right foot to the left (+y) and the left foot to the right.
_TO_LEFT = np.array([1.0, -1.0])


def balance_offsets(
    up: np.ndarray,
    velocity: np.ndarray,
    speed_command: np.ndarray,
    vertical_grf: np.ndarray,
    lean: np.ndarray,
    lean_rate: np.ndarray,
) -> np.ndarray:
    """Offsets to the joint goals (n, 14) in rad, zero but for the hips, and for the ankles in standing.

    Args:
        up: (n, 3) world's up in body axes (forward, left, up).
        velocity: (n, 3) m/s of the pelvis in heading axes (forward, left, up).
        speed_command: (n,) m/s.
        vertical_grf: (n, 2) body weights, right and left.
        lean: (n, 2) how far the pelvis is ahead of, and to the left of, the middle of both heels (leg lengths).
        lean_rate: (n, 2) velocity of the pelvis, forward beyond the commanded one and to the left (leg lengths a
            second): who sets out leans forward from the ankles before the first foot leaves the floor.
    """
    loaded = np.clip(vertical_grf / FULL_LOAD_BW, 0.0, 1.0)
    swinging = 1.0 - loaded
    faster = (velocity[:, 0] - speed_command)[:, None]
    standing = np.clip(1.0 - speed_command / STANDING_ENDS_MPS, 0.0, 1.0)
    flexion = loaded * TRUNK_GAIN_RAD * up[:, 0:1] + swinging * FORWARD_GAIN_RAD_S_PER_M * faster
    sway = standing * loaded.min(axis=1) * (SWAY_GAIN_RAD * lean[:, 1] + SWAY_RATE_GAIN_RAD_S * lean_rate[:, 1])
    adduction = _TO_LEFT * (
        loaded * TRUNK_GAIN_RAD * up[:, 1:2] + sway[:, None] + swinging * SIDEWAYS_GAIN_RAD_S_PER_M * velocity[:, 1:2]
    )
    offsets = np.zeros((len(up), len(JOINTS)))
    offsets[:, _FLEXION] = np.clip(flexion, -LIMIT_RAD, LIMIT_RAD)
    offsets[:, _ADDUCTION] = np.clip(adduction, -LIMIT_RAD, LIMIT_RAD)
    ankle = -standing * (ANKLE_GAIN_RAD * (lean[:, 0] - STANDING_LEAN) + ANKLE_RATE_GAIN_RAD_S * lean_rate[:, 0])
    offsets[:, _ANKLE] = np.clip(ankle, -LIMIT_RAD, LIMIT_RAD)[:, None]
    return offsets
