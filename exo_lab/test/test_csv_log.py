# SPDX-License-Identifier: Apache-2.0
import math

import pytest

from exo_lab.csv_log import CsvLog


def test_rows_come_back_and_later_ones_may_bring_columns(tmp_path):
    file = tmp_path / "log.csv"
    assert CsvLog(file).rows == [] and not file.exists()
    log = CsvLog(file)
    log.add({"samples": 1e6, "loss": 1.0 / 3.0})
    log.add({"samples": 2e6, "loss": math.nan})
    again = CsvLog(file)
    assert again.rows[0] == {"samples": 1e6, "loss": pytest.approx(1.0 / 3.0, abs=1e-6)}
    assert math.isnan(again.rows[1]["loss"])
    again.add({"samples": 3e6, "loss": 0.1, "reward": 2.0})
    lines = file.read_text().splitlines()
    assert lines == ["samples,loss,reward", "1e+06,0.333333,", "2e+06,nan,", "3e+06,0.1,2"]
    again.add({"samples": 4e6})
    assert CsvLog(file).rows[-1] == {"samples": 4e6} and CsvLog(file).rows[0].keys() == {"samples", "loss"}
