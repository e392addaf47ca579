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


def test_after_a_kill_no_row_is_there_in_half_or_twice(tmp_path):
    file = tmp_path / "log.csv"
    log = CsvLog(file)
    for samples in (100, 200, 300, 12_345_678):
        log.add({"samples": samples, "reward": 0.001 * samples})
    file.write_bytes(file.read_bytes() + b"12345999,0.0")  # a kill cut this row off
    again = CsvLog(file)
    assert [row["samples"] for row in again.rows] == [100, 200, 300, 1.23457e7]
    again.forget_after("samples", 12_345_678)  # of six digits it says more than there were
    assert len(CsvLog(file).rows) == 4
    again.forget_after("samples", 200)  # the state that is left is of 200 samples
    again.add({"samples": 300, "reward": 0.5})
    assert file.read_text().splitlines() == ["samples,reward", "100,0.1", "200,0.2", "300,0.5"]
    file.write_bytes(b"sampl")
    assert CsvLog(file).rows == []
