# SPDX-License-Identifier: Apache-2.0
"""What the walker is held to. Laboratories disagree by 1.4 to 3.4 degrees in the offset of joint angles and by 1 to 3
degrees in their shape, hence shape is judged apart from offset."""

from __future__ import annotations

#: Share of walks without a fall, and mean speed against the commanded one (m/s).
SMALLEST_SHARE_WITHOUT_FALL = 0.95
LARGEST_SPEED_ERROR_MPS = 0.05
#: Joint angles against the norm: RMSE after the mean offset is removed (degrees), and correlation, by joint.
LARGEST_ANGLE_RMSE_DEG = 4.0
SMALLEST_ANGLE_R = {"hip": 0.95, "knee": 0.95, "ankle": 0.90}
#: Correlation of ground reaction force with the norm; largest vertical force in any stride (body weights) and the
#: speed it is judged at (m/s).
SMALLEST_VERTICAL_R, SMALLEST_FORE_AFT_R = 0.90, 0.85
LARGEST_IMPACT_BW, IMPACT_SPEED_MPS = 1.6, 1.25
#: Correlation of joint moments with the norm.
SMALLEST_MOMENT_R = {"hip": 0.85, "ankle": 0.85}
#: The peak of ankle push-off power lies within so many SD of the norm's, at these speeds (m/s).
PUSH_OFF_SD, PUSH_OFF_SPEEDS_MPS = 2.0, (1.0, 1.5)
#: Share of the stride on which muscle activation and EMG agree on being on or off.
SMALLEST_EMG_AGREEMENT = 0.70
#: Correlation of metabolic power with the measured curve over speeds; where a metre is cheapest (m/s).
SMALLEST_COST_R, CHEAPEST_SPEED_MPS = 0.95, (1.0, 1.5)
#: Share of pushes that the walker recovers from, and the speed they are tried at (m/s).
SMALLEST_SHARE_RECOVERED, PUSH_SPEED_MPS = 0.80, 1.25
#: Left-right symmetry index (%).
LARGEST_ASYMMETRY_PERCENT = 3.0
