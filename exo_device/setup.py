# SPDX-License-Identifier: Apache-2.0
from glob import glob

from setuptools import find_packages, setup

package_name = "exo_device"

setup(
    name=package_name,
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    package_data={package_name: ["config/*/*.yaml"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{package_name}"]),
        (f"share/{package_name}", ["package.xml", "LICENSE", "CHANGELOG.rst"]),
        (f"share/{package_name}/docs", sorted(glob("docs/*.md"))),
        (f"share/{package_name}/systemd", sorted(glob("systemd/*"))),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    description="The device side of an exoskeleton: drivers, safety supervisor and device node",
    license="Apache-2.0",
    # how colcon sees that `colcon test` is to run pytest
    extras_require={"test": ["pytest", "pytest-timeout"]},
    entry_points={
        "console_scripts": [
            "bench = exo_device:start_bench",
            "device_node = exo_device:start_device_node",
            "guardian = exo_device:start_guardian",
            "motor_emulator = exo_device:start_motor_emulator",
        ]
    },
)
