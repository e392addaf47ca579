# SPDX-License-Identifier: Apache-2.0
"""`exo view`: a viewer for a graph that runs already."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from exo_bringup.graph import NodeSpec
from exo_bringup.graph_lock import ros_domain_id
from exo_core.errors import UserError
from exo_device.devices import device_file


def run_viewer(chosen: argparse.Namespace) -> int:
    """Serve the page until a signal. Returns the exit code; raises UserError for bad options."""
    if not 0 <= chosen.viewer_port <= 65535:
        raise UserError(f"--viewer-port must be 0 to 65535, got {chosen.viewer_port}")
    device = str(device_file(chosen.device)) if chosen.device else ""
    os.environ["ROS_DOMAIN_ID"] = str(ros_domain_id(chosen.domain_id))
    spec = NodeSpec(
        "exo_bringup",
        "viewer_node",
        "viewer_node",
        chosen.namespace.strip("/"),
        parameters={"device_config": device, "host": chosen.viewer_host, "port": chosen.viewer_port},
    )
    try:
        from exo_bringup.viewer_node import main
    except ImportError as error:
        raise UserError(f"the viewer needs a built workspace: run `make setup` ({error})") from error
    with tempfile.TemporaryDirectory(prefix="exo_gait-view-") as folder:
        overrides = Path(folder) / "viewer_node.yaml"
        overrides.write_text(spec.parameter_yaml(), encoding="utf-8")
        return main(spec.command_line("exo view", overrides))
