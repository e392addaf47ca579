# SPDX-License-Identifier: Apache-2.0
"""Where this package's files lie: in the installed share folder, else in the source tree."""

from __future__ import annotations

from pathlib import Path

from exo_bringup.errors import BringupError

PACKAGE = "exo_bringup"
#: Begins the name of a patient of exo_sim's presets, where a subject is asked for.
PRESET_PREFIX = "preset:"
#: Kinds of configuration a user names on the command line, and their folders under share.
CONFIGURATION_FOLDERS = {
    "device": "config/devices",
    "subject": "config/subjects",
    "driver": "config/drivers",
}


def share_folder() -> Path:
    """Folder with launch, config, rviz and urdf."""
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

    Raises BringupError if the workspace is not built or not sourced.
    """
    hint = "build it with `make setup`, or with `colcon build` and `source install/setup.bash`"
    try:
        from ament_index_python.packages import PackageNotFoundError, get_package_prefix
    except ImportError as error:
        raise BringupError(f"ROS 2 is not in this Python environment: {hint}") from error
    try:
        path = Path(get_package_prefix(package)) / "lib" / package / executable
    except PackageNotFoundError as error:
        raise BringupError(f"package {package} is not built: {hint}") from error
    if not path.is_file():
        raise BringupError(f"package {package} has no program {executable}: {hint}")
    return path


def find_configuration(kind: str, name_or_path: str) -> Path:
    """File of a device or subject given by name (`hip_ankle`) or by path.

    A relative path is looked up from the working directory first and then from this package's share folder,
    so that `config/subjects/default.yaml` works from anywhere. A named patient, `preset:crouch`, is in no file of its
    own and stays as it is: whoever reads subjects knows it. Raises BringupError, which lists the names.
    """
    if kind == "subject" and str(name_or_path).startswith(PRESET_PREFIX):
        return Path(name_or_path)
    share = share_folder()
    folder = share / CONFIGURATION_FOLDERS[kind]
    given = Path(name_or_path).expanduser()
    for candidate in (given, share / given):
        if candidate.is_file():
            return candidate.resolve()
    if given.suffix not in (".yaml", ".yml") and len(given.parts) == 1:
        candidate = folder / f"{name_or_path}.yaml"
        if candidate.is_file():
            return candidate.resolve()
    known = ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
    raise BringupError(f"{kind} '{name_or_path}' is neither a file nor one of the names there are: {known}")
