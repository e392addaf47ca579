# SPDX-License-Identifier: Apache-2.0
"""curves.csv there and back, and what it says about damaged files."""

import os

import numpy as np
import pytest

from exo_sim.errors import GaitError
from exo_sim.gait.curves import COLUMNS, PHASE_PERCENT, Curve, CurveTable


def _curve(condition="a", speed=1.25, side="r", variable="hip_flexion", sd=np.nan):
    return Curve(
        condition, speed, side, variable, PHASE_PERCENT, np.sin(PHASE_PERCENT / 10), np.full(PHASE_PERCENT.shape, sd)
    )


def test_write_and_read(tmp_path):
    table = CurveTable([_curve(), _curve(side="l", sd=0.25), _curve("b", 1.0), _curve("b", 1.5)])
    path = tmp_path / "new" / "curves.csv"
    table.write(path)
    first, second = path.read_text().splitlines()[:2]
    assert first == ",".join(COLUMNS) == "condition,speed_mps,side,variable,phase_percent,mean,sd"
    assert second == "a,1.25,r,hip_flexion,0,0,"
    back = CurveTable.read(path)
    assert [curve.key for curve in back] == [curve.key for curve in table]
    for mine, original in zip(back, table, strict=False):
        np.testing.assert_allclose(mine.mean, original.mean, rtol=1e-5)
        np.testing.assert_array_equal(np.isnan(mine.sd), np.isnan(original.sd))
    table.write(tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == path.read_bytes()
    assert [entry.name for entry in path.parent.iterdir()] == ["curves.csv"]


def test_get():
    table = CurveTable([_curve(), _curve("b", 1.0), _curve("b", 1.5)])
    assert table.get("a", "hip_flexion", "r").speed_mps == 1.25
    assert table.get("b", "hip_flexion", "r", 1.5).speed_mps == 1.5
    with pytest.raises(GaitError, match="several speeds.*1.0, 1.5"):
        table.get("b", "hip_flexion", "r")
    with pytest.raises(GaitError, match="conditions: .'a', 'b'"):
        table.get("c", "hip_flexion", "r")
    with pytest.raises(GaitError, match="already"):
        table.add(_curve())
    with pytest.raises(GaitError, match="equally long"):
        table.add(Curve("x", 1.0, "r", "y", PHASE_PERCENT, np.zeros(3), np.zeros(3)))


def test_bad_files(tmp_path):
    with pytest.raises(GaitError, match="cannot read"):
        CurveTable.read(tmp_path / "missing.csv")
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("a,b\n1,2\n")
    with pytest.raises(GaitError, match="lacks the column"):
        CurveTable.read(wrong)
    wrong.write_text(",".join(COLUMNS) + "\na,1.25,r,hip_flexion,0,many,\n")
    with pytest.raises(GaitError, match="damaged"):
        CurveTable.read(wrong)
    wrong.write_text(",".join(COLUMNS) + "\na,1.25,r\n")
    with pytest.raises(GaitError, match="damaged"):
        CurveTable.read(wrong)
    with pytest.raises(GaitError, match="cannot write"):
        CurveTable([_curve()]).write(wrong / "curves.csv")


def test_a_file_that_a_spreadsheet_saved_is_read_and_a_cut_one_is_named(tmp_path):
    path = tmp_path / "curves.csv"
    CurveTable([_curve(), _curve(side="l")]).write(path)
    whole = path.read_bytes()
    path.write_bytes(b"\xef\xbb\xbf" + whole.replace(b"\n", b"\r\n"))  # a byte order mark and Windows' line ends
    assert len(CurveTable.read(path)) == 2
    for end, words in (
        (whole.index(b"\n", len(whole) * 3 // 4) + 1, "is cut: hip_flexion of a, side l, ends at"),
        (whole.index(b"hip", len(whole) * 3 // 4) + 3, "damaged: cut in line 1"),
    ):
        path.write_bytes(whole[:end])
        with pytest.raises(GaitError, match=words):
            CurveTable.read(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(GaitError, match="Permission denied"):
        CurveTable([_curve()]).write(tmp_path / "curves.csv")
