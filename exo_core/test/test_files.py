# SPDX-License-Identifier: Apache-2.0
"""Files that others must not read, replace or lead astray, and text from outside in a log."""

import os
import stat
import subprocess
import sys

import pytest

from exo_core import files
from exo_core.errors import LONGEST_LINE_BYTES, UserError, one_line
from exo_core.files import named_file, open_lock_file, read_limited, runtime_folder, whole_file


@pytest.fixture
def shared_tmp(tmp_path, monkeypatch):
    """A machine without a folder of this user's own: only the temporary one, where another may have been first."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "none"))
    monkeypatch.setattr(files.tempfile, "gettempdir", lambda: str(tmp_path))
    uid = os.getuid()
    monkeypatch.setattr(files, "USER_FOLDERS", str(tmp_path / "none"))
    return tmp_path / f"exo_gait-{uid}"


def test_the_runtime_folder_is_this_users_alone(shared_tmp):
    assert runtime_folder() == shared_tmp and runtime_folder() == shared_tmp, "made once, found again"
    assert stat.S_IMODE(shared_tmp.stat().st_mode) == 0o700


def test_the_runtime_folder_is_preferably_the_systems(tmp_path, monkeypatch):
    tmp_path.chmod(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert runtime_folder() == tmp_path / "exo_gait"


def test_a_runtime_folder_that_others_may_write_to_is_refused(shared_tmp):
    shared_tmp.mkdir()
    shared_tmp.chmod(0o777)
    with pytest.raises(UserError, match="may be written to by others"):
        runtime_folder()


def test_a_link_in_place_of_the_runtime_folder_is_refused(shared_tmp, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    shared_tmp.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="is no folder"):
        runtime_folder()


def test_a_runtime_folder_of_another_user_is_refused(shared_tmp, monkeypatch):
    runtime_folder()
    somebody = os.getuid() + 1
    monkeypatch.setattr(files.os, "getuid", lambda: somebody)
    monkeypatch.setattr(files.tempfile, "gettempdir", lambda: str(shared_tmp.parent))
    shared_tmp.rename(shared_tmp.with_name(f"exo_gait-{somebody}"))
    with pytest.raises(UserError, match="belongs to user"):
        runtime_folder()


def test_a_lock_follows_no_link_and_waits_for_no_pipe(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "made_by_link")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        with pytest.raises(UserError, match="cannot be locked"):
            open_lock_file(tmp_path / name)
    assert not (tmp_path / "made_by_link").exists()
    os.close(open_lock_file(tmp_path / "lock"))
    assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o600


def test_only_a_plain_file_of_the_allowed_size_is_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "fits").write_bytes(b"0123")
    (tmp_path / "large").write_bytes(b"01234")
    assert read_limited(tmp_path / "fits", 4) == b"0123"
    with pytest.raises(ValueError, match="larger than"):
        read_limited(tmp_path / "large", 4)
    for path in (tmp_path / "pipe", "/dev/zero", tmp_path):
        with pytest.raises(ValueError, match="no plain file"):
            read_limited(path, 4)


def test_what_a_private_process_writes_is_its_users_alone(tmp_path):
    code = f"""
from pathlib import Path
from exo_core.files import keep_private, whole_file
keep_private()
with whole_file({str(tmp_path / "whole")!r}) as file:
    file.write("75 kg")
Path({str(tmp_path / "plain")!r}).write_text("75 kg")
Path({str(tmp_path / "folder")!r}).mkdir()
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"whole": 0o600, "plain": 0o600, "folder": 0o700}


def test_a_file_that_fails_leaves_the_old_one_and_nothing_else(tmp_path):
    (tmp_path / "file").write_text("old")
    with pytest.raises(RuntimeError), whole_file(tmp_path / "file") as file:
        file.write("half")
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["file"] and (tmp_path / "file").read_text() == "old"


def test_foreign_text_forges_no_line_and_hides_none():
    foreign = "a\x1b[2J\x1b[32m\n[INFO] [1.1] [device_node]: DISARMED\r\u202e\ud800\0" + "A" * 200_000
    line = one_line(foreign)
    assert line.startswith(r"a\x1b[2J\x1b[32m [INFO]") and line.endswith("A...")
    assert line.isprintable() and len(line.encode()) <= LONGEST_LINE_BYTES
    assert one_line("hüfte  links\n") == "hüfte links"
    assert len(one_line("ü" * 1000, 64).encode()) <= 64


@pytest.mark.parametrize(
    "name", ["x" * 5000, "~nobody-of-this-name/hip", "\0", "", ".", "/dev/null", "\x1b[2J\nforged"]
)
def test_a_name_that_is_no_file_is_one_short_line_whatever_it_is(tmp_path, name):
    (tmp_path / "hip.yaml").write_text("")
    assert named_file("device", "hip", tmp_path) == tmp_path / "hip.yaml"
    with pytest.raises(UserError, match="names there are: hip") as caught:
        named_file("device", name, tmp_path)
    assert len(str(caught.value)) < 400 and "\n" not in str(caught.value) and "\x1b" not in str(caught.value)
