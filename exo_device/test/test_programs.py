# SPDX-License-Identifier: Apache-2.0
"""A signal while a program is still being imported ends it without a word."""

import signal
import subprocess
import sys

import pytest

PATIENCE_S = 30.0
SLOW = "import time\nprint('importing', flush=True)\ntime.sleep(60.0)\n"


@pytest.mark.parametrize("package", ["exo_device", "exo_policy"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_import_ends_a_program_quietly(tmp_path, package, number):
    pytest.importorskip(package)
    (tmp_path / "slow_module.py").write_text(SLOW)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from {package}.programs import start; start('slow_module')"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "importing\n"
        process.send_signal(number)
        said = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 128 + number and said == ("", "")


def test_start_returns_the_exit_code_of_main(tmp_path, monkeypatch):
    from exo_core.programs import SIGNALS, start

    (tmp_path / "quick_module.py").write_text("def main():\n    return 7\n")
    monkeypatch.syspath_prepend(tmp_path)
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        assert start("quick_module") == 7
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
