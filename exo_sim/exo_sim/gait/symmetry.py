# SPDX-License-Identifier: Apache-2.0
"""Left-right symmetry of a figure that each side has."""

from __future__ import annotations

import math


def symmetry_index(right: float, left: float) -> float:
    """Symmetry index 200 |r - l| / (r + l), percent (Robinson 1987, J Manipulative Physiol Ther 10:172-176).

    0 is symmetric. NaN where the sum is not positive (the index has no meaning there) or a value is NaN.
    """
    total = right + left
    return 200.0 * abs(right - left) / total if total > 0 else math.nan
