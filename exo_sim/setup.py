# SPDX-License-Identifier: Apache-2.0
from setuptools import find_packages, setup

package_name = "exo_sim"
DATA_SUFFIXES = ("json", "csv", "yaml", "safetensors")

setup(
    name=package_name,
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    # every data file beside the code, at any depth, is installed with it
    package_data={
        "": [f"*.{suffix}" for suffix in DATA_SUFFIXES]
        + [f"**/*.{suffix}" for suffix in DATA_SUFFIXES]
        + ["gait/data/LICENSE"]
    },
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{package_name}"]),
        (f"share/{package_name}", ["package.xml", "LICENSE", "CHANGELOG.rst"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    description="A muscle-driven human that walks in an exoskeleton, simulated in MuJoCo",
    license="Apache-2.0",
    # how colcon sees that `colcon test` is to run pytest
    extras_require={"test": ["pytest", "pytest-timeout"]},
    entry_points={"console_scripts": ["simulator_node = exo_sim.programs:simulator_node"]},
)
