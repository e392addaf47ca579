# SPDX-License-Identifier: Apache-2.0
"""Where this package's files lie: in the installed share folder, else in the source tree."""

from __future__ import annotations

from pathlib import Path

from exo_core.errors import UserError

PACKAGE = "exo_bringup"


def share_folder() -> Path:
    """Folder with launch, config, rviz, meshes and urdf."""
    try:
        from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
    except ImportError:
        return _source_folder()
    try:
        return Path(get_package_share_directory(PACKAGE))
    except PackageNotFoundError:
        return _source_folder()


def _source_folder() -> Path:
    return Path(__file__).resolve().parents[1]


def executable_path(package: str, executable: str) -> Path:
    """Program that `ros2 run package executable` would start.

    Raises UserError if the workspace is not built or not sourced.
    """
    hint = "build it with `make setup`, or with `colcon build` and `source install/setup.bash`"
    try:
        from ament_index_python.packages import PackageNotFoundError, get_package_prefix
    except ImportError as error:
        raise UserError(f"ROS 2 is not in this Python environment: {hint}") from error
    try:
        path = Path(get_package_prefix(package)) / "lib" / package / executable
    except PackageNotFoundError as error:
        if package == "rviz2":
            hint = "install ros-jazzy-rviz2, or leave out rviz:=true"
        raise UserError(f"package {package} is not there: {hint}") from error
    if not path.is_file():
        raise UserError(f"package {package} has no program {executable}: {hint}")
    return path
