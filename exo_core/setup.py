# SPDX-License-Identifier: Apache-2.0
from setuptools import find_packages, setup

package_name = "exo_core"

setup(
    name=package_name,
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{package_name}"]),
        (f"share/{package_name}", ["package.xml", "LICENSE", "CHANGELOG.rst"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    description="What all exo_gait packages share",
    license="Apache-2.0",
    # how colcon sees that `colcon test` is to run pytest
    extras_require={"test": ["pytest", "pytest-timeout"]},
)
