# SPDX-License-Identifier: Apache-2.0
"""Device and policy on emulated motors, started and stopped as on a device computer."""

import os
import signal
import subprocess
import sys
import threading

#: Imports on a busy machine, and the graph's own patience (s).
PATIENCE_S = 150.0


def test_exo_hardware_comes_up_on_emulated_motors_and_ends_cleanly(domain, tmp_path):
    environment = dict(os.environ, TMPDIR=str(tmp_path), PYTHONUNBUFFERED="1")
    command = [
        sys.executable,
        "-m",
        "exo_bringup.cli",
        "hardware",
        "--use-mock-hardware",
        "--namespace",
        "mock",
        "--domain-id",
        str(domain),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        killer = threading.Timer(PATIENCE_S, process.kill)
        killer.start()
        try:
            # before it a busy machine may have kept the motors from answering in time, and the device says so
            first = next((line for line in process.stdout if not line.startswith("device_node: ")), "")
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE_S) == 0
        finally:
            killer.cancel()
            process.kill()
    assert first.startswith(f"the graph runs in ROS domain {domain}"), first
    settings = next((tmp_path / f"exo_gait-{os.getuid()}").glob("emulated-*.yaml"))
    assert "udp_multicast" in settings.read_text()
