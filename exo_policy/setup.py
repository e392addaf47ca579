# SPDX-License-Identifier: Apache-2.0
from setuptools import find_packages, setup

PACKAGE = "exo_policy"

setup(
    name=PACKAGE,
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    package_data={PACKAGE: ["checkpoints/**/*.json", "checkpoints/**/*.safetensors", "data/*.json", "data/LICENSE"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/" + PACKAGE]),
        ("share/" + PACKAGE, ["package.xml", "LICENSE", "CHANGELOG.rst"]),
    ],
    install_requires=["setuptools", "numpy", "scipy", "pydantic>=2", "safetensors"],
    zip_safe=False,
    description="Exoskeleton policies: contract, checkpoints, controllers and the policy node",
    license="Apache-2.0",
    # how colcon sees that `colcon test` is to run pytest
    extras_require={"test": ["pytest", "pytest-timeout"]},
    entry_points={"console_scripts": ["policy_node = exo_policy:start_policy_node"]},
)
