# SPDX-License-Identifier: Apache-2.0
"""The first stage: a network learns to want the activations that the teacher would want in the network's own states.

Ross et al. 2011 (AISTATS, DAgger): what is learned from are the states that the student gets itself into, labelled by the
teacher; in the first rounds the teacher steers a share of the episodes. While people walk a round, the network learns from
the rounds before. Everything is in the run folder after every round, so that a killed training goes on where it was.
"""

from __future__ import annotations

import json
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from exo_lab.csv_log import CsvLog
from exo_lab.pool import progress_bar
from exo_lab.rl.runner import replace_tensors, resuming
from exo_lab.rl.workers import WorkerPool
from exo_lab.train.nerves.config import ImitationConfig
from exo_lab.train.nerves.env import Lesson
from exo_sim.body.muscle_groups import MUSCLES_BY_SIDE
from exo_sim.human.senses import SENSES_SIZE, muscle_mirror_index, senses_mirror_map

STATE_FILE, ROUNDS_FOLDER, METRICS_FILE = "imitation.safetensors", "rounds", "imitation.csv"
#: Added to the standard deviation of what is sensed: what hardly varies must not become loud.
LEAST_DEVIATION = 0.05

MUSCLES = len(MUSCLES_BY_SIDE)


class Student(torch.nn.Module):
    """A multilayer perceptron as exo_policy.networks.MlpPolicy computes it.

    Args:
        hidden: sizes of the hidden layers.
    """

    def __init__(self, hidden: tuple[int, ...]):
        super().__init__()
        self.sizes = (SENSES_SIZE, *hidden, MUSCLES)
        self.layers = torch.nn.ModuleList(
            torch.nn.Linear(inputs, outputs) for inputs, outputs in zip(self.sizes[:-1], self.sizes[1:], strict=True)
        )
        self.register_buffer("mean", torch.zeros(SENSES_SIZE))
        self.register_buffer("deviation", torch.ones(SENSES_SIZE))

    @classmethod
    def of(cls, tensors: Mapping[str, np.ndarray]) -> Student:
        """The network whose `tensors` these are."""
        layers = sum(name.endswith(".weight") for name in tensors)
        student = cls(tuple(tensors[f"layer{i}.weight"].shape[0] for i in range(layers - 1)))
        with torch.no_grad():
            for name, value in student._named().items():
                value.copy_(torch.from_numpy(tensors[name]))
        return student

    def _named(self) -> dict[str, torch.Tensor]:
        """Its own tensors by their names in a checkpoint."""
        named = {"obs_mean": self.mean, "obs_std": self.deviation}
        for i, layer in enumerate(self.layers):
            named |= {f"layer{i}.weight": layer.weight, f"layer{i}.bias": layer.bias}
        return named

    def forward(self, observation: torch.Tensor) -> torch.Tensor:
        """Wanted activations (n, 80) for observations (n, SENSES_SIZE)."""
        x = (observation - self.mean) / self.deviation
        for layer in self.layers[:-1]:
            x = torch.nn.functional.elu(layer(x))
        return self.layers[-1](x)

    def tensors(self) -> dict[str, np.ndarray]:
        """As tensors of a checkpoint."""
        return {name: value.detach().numpy().copy() for name, value in self._named().items()}


class Memory:
    """The newest rounds, in memory and as one file each in a folder.

    Args:
        folder: of the files; those that are there are read.
        size: observations remembered; older rounds are deleted.
    """

    def __init__(self, folder: Path, size: int):
        self._folder, self._size = folder, size
        folder.mkdir(parents=True, exist_ok=True)
        self._rounds: deque[tuple[Path, np.ndarray, np.ndarray]] = deque()
        for file in sorted(folder.glob("*.safetensors")):
            try:
                kept = load_file(file)
            except (SafetensorError, OSError):
                continue  # of a training that was killed while it wrote; the round is walked again
            self._rounds.append((file, kept["observation"].numpy(), kept["wanted"].numpy()))
        self._joined: tuple[np.ndarray, np.ndarray] | None = None

    def __len__(self) -> int:
        return sum(len(observation) for _, observation, _ in self._rounds)

    def add(self, number: int, lesson: Lesson) -> None:
        """Remembers a round."""
        file = self._folder / f"{number:06d}.safetensors"
        replace_tensors(
            file, {"observation": torch.from_numpy(lesson.observation), "wanted": torch.from_numpy(lesson.wanted)}
        )
        self._rounds.append((file, lesson.observation, lesson.wanted))
        while len(self) - len(self._rounds[0][1]) >= self._size:
            self._rounds.popleft()[0].unlink(missing_ok=True)
        self._joined = None

    def whole(self) -> tuple[np.ndarray, np.ndarray]:
        """All that is remembered: observations and what was wanted."""
        if self._joined is None:
            self._joined = (
                np.concatenate([observation for _, observation, _ in self._rounds]),
                np.concatenate([wanted for _, _, wanted in self._rounds]),
            )
        return self._joined

    def forget(self) -> None:
        """Deletes all files: the stage is complete."""
        for file in self._folder.glob("*.safetensors"):
            file.unlink(missing_ok=True)


class Imitation:
    """The stage in its folder.

    Args:
        pool: of NervesEnv.
        config: of the stage.
        folder: of the run.
        seed: of network and batches.
        on_check: called with (student, row of metrics) every `check_every_rounds` and at the end.

    Attributes:
        student: the network.
        samples: control periods walked by one person.

    Raises:
        CheckpointError: a state that cannot be gone on with.
    """

    def __init__(
        self,
        pool: WorkerPool,
        config: ImitationConfig,
        folder: Path,
        seed: int,
        on_check: Callable[[Student, dict[str, float]], None],
    ):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        self._pool, self._config, self._folder, self._on_check = pool, config, folder, on_check
        self.student = Student(config.hidden_layers)
        self._optimiser = torch.optim.Adam(self.student.parameters(), config.learning_rate)
        self._random = np.random.default_rng(seed)
        self._memory = Memory(folder / ROUNDS_FOLDER, config.remembered)
        self._progress: dict[str, Any] = {"round": 0, "samples": 0, "seconds": 0.0}
        index, sign = senses_mirror_map()
        self._index, self._sign = torch.from_numpy(index), torch.from_numpy(sign)
        self._muscles = torch.from_numpy(muscle_mirror_index())
        self._stop = False
        self._log = CsvLog(folder / METRICS_FILE)
        if (folder / STATE_FILE).exists():
            self._restore(folder / STATE_FILE)
        self._log.forget_after("round", self._progress["round"])

    @property
    def samples(self) -> int:
        """Control periods walked by one person so far."""
        return self._progress["samples"]

    @property
    def complete(self) -> bool:
        """Whether all rounds have been walked."""
        return self._progress["round"] >= self._config.rounds

    def run(self) -> bool:
        """Walks and learns all rounds that are left, or until SIGINT or SIGTERM; returns whether it is complete."""
        handlers = {s: signal.signal(s, self._request_stop) for s in (signal.SIGINT, signal.SIGTERM)}
        config = self._config
        try:
            with progress_bar() as bar:
                task = bar.add_task("imitating", total=config.rounds, completed=self._progress["round"])
                while not self.complete and not self._stop:
                    row = self._round()
                    words = f"imitating: error {row['wanted_rmse']:.4f}, {row['walked_s_a_fall']:.1f} s a fall"
                    bar.update(task, completed=row["round"], description=words)
                    if self.complete or row["round"] % config.check_every_rounds == 0:
                        self._on_check(self.student, row)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        return self.complete

    def _request_stop(self, *_: Any) -> None:
        self._stop = True

    def _round(self) -> dict[str, float]:
        started, config, number = time.monotonic(), self._config, self._progress["round"]
        begun = len(self._memory) > 0
        share = max(0.0, 1.0 - number / config.teacher_rounds) if config.teacher_rounds else 0.0
        student = (self.student.sizes if begun else None, self.student.tensors())
        answers = self._pool.ask_later("imitate", *student, share, config.round_steps)
        rate = config.learning_rate * (config.last_learning_rate / config.learning_rate) ** (number / config.rounds)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        loss = self._learn() if begun else float("nan")
        lesson = Lesson.joined(answers())
        self._memory.add(number, lesson)
        if not begun:
            self._normalise(lesson)
        self._progress["round"] = number + 1
        self._progress["samples"] += len(lesson.observation)
        self._progress["seconds"] += time.monotonic() - started
        row = {
            "round": number + 1,
            "samples": self._progress["samples"],
            "seconds": self._progress["seconds"],
            "teacher_share": share,
            "learning_rate": rate,
            "wanted_rmse": float(np.sqrt(lesson.squared_error)),
            "fit_rmse": float(np.sqrt(loss)),
            "falls": lesson.falls,
            "walked_s_a_fall": lesson.walked_s / max(lesson.falls, 1),
        }
        self._log.add(row)
        self._save()
        return row

    def _normalise(self, lesson: Lesson) -> None:
        """What is sensed is taken relative to how it varies in the first round, and its mirror image."""
        observation = torch.from_numpy(lesson.observation.astype(np.float32))
        both = torch.cat([observation, self._sign * observation[:, self._index]])
        self.student.mean.copy_(both.mean(dim=0))
        self.student.deviation.copy_(both.std(dim=0) + LEAST_DEVIATION)

    def _learn(self) -> float:
        observation, wanted = self._memory.whole()
        losses = []
        for _ in range(self._config.batches):
            rows = self._random.integers(len(observation), size=self._config.batch)
            x = torch.from_numpy(observation[rows].astype(np.float32))
            y = torch.from_numpy(wanted[rows].astype(np.float32))
            if self._random.random() < 0.5:
                x, y = self._sign * x[:, self._index], y[:, self._muscles]
            loss = torch.nn.functional.mse_loss(self.student(x), y)
            self._optimiser.zero_grad()
            loss.backward()
            self._optimiser.step()
            losses.append(float(loss.detach()))
        return float(np.mean(losses))

    def _save(self) -> None:
        tensors = {f"student.{name}": value for name, value in self.student.state_dict().items()}
        for index, entry in self._optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": value for name, value in entry.items()}
        progress = {**self._progress, "random": self._random.bit_generator.state}
        replace_tensors(
            self._folder / STATE_FILE,
            {n: v.contiguous().clone() for n, v in tensors.items()},
            {"progress": json.dumps(progress)},
        )

    def _restore(self, file: Path) -> None:
        with resuming(file) as (tensors, progress):
            self.student.load_state_dict(
                {name.removeprefix("student."): v for name, v in tensors.items() if name.startswith("student.")}
            )
            state: dict[int, dict[str, torch.Tensor]] = {}
            for name, value in tensors.items():
                if name.startswith("optimiser."):
                    _, index, key = name.split(".", 2)
                    state.setdefault(int(index), {})[key] = value
            groups = self._optimiser.state_dict()["param_groups"]
            self._optimiser.load_state_dict({"state": state, "param_groups": groups})
            self._random.bit_generator.state = progress.pop("random")
        self._progress = progress
