# SPDX-License-Identifier: Apache-2.0
"""Harder conditions once the walker lasts longer; never back, so that a bad stretch does not flip the task."""

from __future__ import annotations

from typing import Any

from exo_lab.train.config import CurriculumStage


class Curriculum:
    """Maps training progress to settings of the environments.

    Args:
        stages: in order of `after_episode_s`.
    """

    def __init__(self, stages: tuple[CurriculumStage, ...]):
        self._stages, self._reached = stages, 0

    def __call__(self, samples: int, episode_s: float) -> dict[str, Any]:
        """Settings of the stage reached with this mean duration of episodes (s)."""
        while self._reached + 1 < len(self._stages) and episode_s >= self._stages[self._reached + 1].after_episode_s:
            self._reached += 1
        return self._settings()

    def resume(self, settings: dict[str, Any]) -> None:
        """Goes on from the stage with these settings; an unknown one starts at the first.

        What a stage has more today than when the settings were written is not compared.
        """
        for index, _ in enumerate(self._stages):
            self._reached = index
            if settings and settings == {name: self._settings().get(name) for name in settings}:
                return
        self._reached = 0

    def _settings(self) -> dict[str, Any]:
        return self._stages[self._reached].model_dump(mode="json", exclude={"after_episode_s"})
