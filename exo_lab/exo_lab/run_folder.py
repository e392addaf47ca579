# SPDX-License-Identifier: Apache-2.0
"""The folder that a run leaves behind."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import yaml

from exo_core.errors import UserError
from exo_core.yaml_file import YamlError, read_mapping

#: No run was asked for more; what says so was written by no run.
FASTEST_MPS = 100.0


class RunFolder:
    """Names of the files in a run folder."""

    def __init__(self, path: str | Path):
        self.path = Path(path).resolve()
        self.recording = self.path / "recording.mcap"
        self.summary = self.path / "summary.json"
        self.record = self.path / "run.json"
        self.curves = self.path / "curves.csv"
        self.strides = self.path / "strides.json"
        self.picture = self.path / "gait.png"
        self.configuration = self.path / "config.yaml"
        self.logs = self.path / "logs"

    @classmethod
    def create(cls, output: str | Path, name: str) -> RunFolder:
        """Make `<output>/<UTC time>-<name>` with its logs folder, this user's alone. Raises UserError if it fails."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        base = Path(output) / f"{stamp}-{name}"
        path, count = base, 1
        try:
            while True:
                try:
                    path.mkdir(mode=0o700, parents=True)
                    break
                except FileExistsError:
                    if not base.is_dir():  # a file is in the way, counting on would not end
                        raise
                    count += 1
                    path = base.with_name(f"{base.name}-{count}")
            folder = cls(path)
            folder.logs.mkdir(mode=0o700)
        except OSError as error:
            raise UserError(
                f"cannot make the run folder {path}: {error.strerror}; choose another place with --output"
            ) from error
        return folder

    @classmethod
    def existing(cls, path: str | Path) -> RunFolder:
        """A folder that a run wrote. Raises UserError if it lacks what a report needs."""
        folder = cls(path)
        for file in (folder.configuration, folder.curves, folder.strides):
            if not file.is_file():
                raise UserError(f"{folder.path} is not the folder of a finished run: it has no {file.name}")
        return folder

    def write_configuration(self, configuration: dict) -> None:
        """Write config.yaml."""
        self.configuration.write_text(yaml.safe_dump(configuration, sort_keys=True), encoding="utf-8")

    def read_configuration(self) -> dict:
        """Content of config.yaml. Raises UserError if it is not what a run wrote."""
        try:
            content = read_mapping(self.configuration, "the configuration of a run")
        except YamlError as error:
            raise UserError(str(error)) from error
        if "seed" not in content:
            raise UserError(f"{self.configuration} is not the configuration of a run")
        speed = content.get("speed_mps", 1.0)
        wrong = [name for name in ("subject", "device", "controller") if not isinstance(content.get(name, ""), str)]
        wrong += [] if isinstance(speed, (int, float)) and 0.0 <= speed < FASTEST_MPS else ["speed_mps"]
        wrong += [] if isinstance(content.get("phases", []), list) else ["phases"]
        if wrong:
            raise UserError(f"{self.configuration} is damaged: {wrong[0]} is {str(content[wrong[0]])[:40]!r}")
        return content
