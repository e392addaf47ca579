# SPDX-License-Identifier: Apache-2.0
"""What is measured by hand now and then: `python -m benchmarks.NAME` from the repository's root. Not installed."""

import os

# Read when numpy and torch are imported. Matrices this small are slower on several threads, and threads that wait
# actively take the cores from those who work.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
