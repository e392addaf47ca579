# SPDX-License-Identifier: Apache-2.0
"""What every measuring command writes: figures with targets, summary.json, confidence intervals."""

from exo_sim.measurement.errors import MeasurementError
from exo_sim.measurement.figures import Figure, missed
from exo_sim.measurement.intervals import mean_interval, rate_interval, share_interval
from exo_sim.measurement.provenance import git_revision, versions
from exo_sim.measurement.summary import write_json, write_run_record, write_summary

__all__ = [
    "Figure",
    "MeasurementError",
    "git_revision",
    "mean_interval",
    "missed",
    "rate_interval",
    "share_interval",
    "versions",
    "write_json",
    "write_run_record",
    "write_summary",
]
