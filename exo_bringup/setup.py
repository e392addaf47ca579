# SPDX-License-Identifier: Apache-2.0
from glob import glob

from setuptools import find_packages, setup

PACKAGE = "exo_bringup"
SHARED_FOLDERS = {
    "launch": "*.launch.py",
    "config": "*.yaml",
    "config/security": "*.xml",
    "meshes": "*.stl",
    "rviz": "*.rviz",
    "urdf": "*.urdf",
}

setup(
    name=PACKAGE,
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml", "LICENSE", "CHANGELOG.rst"]),
        # `exo` goes to bin as well, so that it is on the PATH wherever the workspace is sourced
        ("bin", ["scripts/exo"]),
        *[
            (f"share/{PACKAGE}/{folder}", sorted(glob(f"{folder}/{pattern}")))
            for folder, pattern in SHARED_FOLDERS.items()
        ],
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    description="Starts, records, shows and reports the exo_gait graph",
    license="Apache-2.0",
    # how colcon sees that `colcon test` is to run pytest
    extras_require={"test": ["pytest", "pytest-timeout"]},
    entry_points={
        "console_scripts": [
            "exo = exo_bringup.cli:main",
            "recorder_node = exo_bringup.programs:recorder_node",
            "viewer_node = exo_bringup.programs:viewer_node",
            "visualization_node = exo_bringup.programs:visualization_node",
        ]
    },
)
