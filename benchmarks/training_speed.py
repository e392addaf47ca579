# SPDX-License-Identifier: Apache-2.0
"""Where the time of the human's training goes: environment steps a second with learning, and a profile of a step."""

from __future__ import annotations

import cProfile
import csv
import ctypes
import pstats
import tempfile
import time
from pathlib import Path

import mujoco
import numpy as np

from exo_device.devices import find_device
from exo_lab.train.config import HumanTrainingConfig, load_training_config
from exo_lab.train.walking_env import WalkingEnv
from exo_policy.checkpoint import load_checkpoint
from exo_sim.body.batch_step import STAGES
from exo_sim.body.model import build_body
from exo_sim.body.native import compute_paths, function_address, muscle_paths
from exo_sim.body.subject import Subject
from exo_sim.human.checkpoint import load_human, shipped_human
from exo_sim.human.observation import NOMINAL_SPEED_MPS, POLICY_RATE_HZ
from exo_sim.human.walkers import Walkers

#: Steps of the environments before the clock starts: caches, and what is compiled at first use.
WARM_UP_STEPS = 20
WARM_UP_ITERATIONS = 2
#: Parts of an environment step, by the functions that do them.
PARTS = {
    "coordination, muscle paths and physics": "batch_step.py:_advance",
    "joint goals": "walkers.py:_goals",
    "observation": "walking_env.py:_observe",
    "reward": "rewards.py:imitation_reward",
    "new episodes": "walking_env.py:_reset_one",
}
_STAGE_CALLS = 300
_MID_STANCE = 0.3


def env_step_profile(config: HumanTrainingConfig, device: str, steps: int) -> dict[str, float]:
    """CPU time (microseconds) of one environment step and of its parts, without exploration noise.

    The steps' median is told, which says most on a machine that is not idle.
    """
    env, policy = WalkingEnv(config, device, seed=1), load_human()
    result = env.reset()
    profile, times = cProfile.Profile(), []
    for step in range(WARM_UP_STEPS + steps):
        action = policy(result.observation)
        began = time.thread_time()
        if step >= WARM_UP_STEPS:
            profile.enable()
        result = env.step(action)
        profile.disable()
        times.append(time.thread_time() - began)
    total = float(np.median(times[WARM_UP_STEPS:])) / env.count
    stats = pstats.Stats(profile).stats
    spent = {f"{Path(file).name}:{name}": entry[3] for (file, _, name), entry in stats.items()}
    whole = spent["walking_env.py:step"]
    parts = {label: 1e6 * total * spent.get(key, 0.0) / whole for label, key in PARTS.items()}
    parts["other"] = 1e6 * total - sum(parts.values())
    return {"environment step": 1e6 * total, **parts}


def physics_profile(config: HumanTrainingConfig, device: str) -> dict[str, float]:
    """CPU time (microseconds) of mj_step and of the stages that replace it, on a body in mid-stance."""
    body = build_body(Subject(), find_device(device), config.physics_rate_hz, accelerometer=False)
    walkers = Walkers([body])
    walkers.place(0, _MID_STANCE, NOMINAL_SPEED_MPS)
    data = walkers.datas[0]
    paths, scratch = muscle_paths(body.model), np.zeros((body.model.nv + 2, 6))
    addresses = [
        array.ctypes.data
        for array in (
            data.site_xpos,
            data.geom_xpos,
            data.geom_xmat,
            body.model.geom_size,
            data.xaxis,
            data.xanchor,
            data.ten_length,
            data.ten_J,
        )
    ]
    signature = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)

    def stage(name: str) -> float:
        function = signature(function_address(name))
        return _shortest(lambda: function(body.model._address, data._address))

    state = data.qpos.copy(), data.qvel.copy(), data.act.copy()

    def mujocos_step() -> None:
        data.qpos[:], data.qvel[:], data.act[:] = state
        mujoco.mj_step(body.model, data)

    times = {
        "mj_step": _shortest(mujocos_step),
        "mj_tendon (not used)": stage("mj_tendon"),
        "muscle paths (instead of it)": _shortest(lambda: compute_paths(paths, *addresses, scratch)),
    }
    # the integrator would move the body on
    times |= {name: stage(name) for name in STAGES if name != "mj_Euler"}
    return times


def _shortest(function) -> float:
    """CPU time (microseconds) of a call, the shortest mean over several runs of many calls."""
    means = []
    for _ in range(7):
        began = time.thread_time()
        for _ in range(_STAGE_CALLS):
            function()
        means.append((time.thread_time() - began) / _STAGE_CALLS)
    return 1e6 * min(means)


def training_rate(config: HumanTrainingConfig, iterations: int) -> dict[str, float]:
    """Steps per second (wall time), and core time a step costs workers and learner (microseconds)."""
    # torch takes seconds to import
    from exo_lab.rl.config import METRICS_FILE
    from exo_lab.rl.runner import Trainer
    from exo_lab.rl.workers import WorkerPool
    from exo_lab.train.learners import human_mirror
    from exo_lab.train.train_human import WalkingEnvFactory
    from exo_lab.train.walking_env import Curriculum

    pool = WorkerPool(WalkingEnvFactory(config), config.workers, seed=1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            trainer = Trainer(
                pool,
                config.ppo,
                human_mirror(),
                max_episode_steps=round(config.episode_s * POLICY_RATE_HZ),
                folder=Path(folder),
                seed=1,
                curriculum=Curriculum(config.curriculum),
                on_save=lambda algorithm, row: None,
            )
            trainer.algorithm.load_policy(load_checkpoint(shipped_human(), kind="human")[0])
            samples = config.ppo.steps_per_iteration * pool.count
            trainer.run(WARM_UP_ITERATIONS * samples)
            workers, learner = sum(pool.ask("cpu_seconds")), time.process_time()
            trainer.run((WARM_UP_ITERATIONS + iterations) * samples)
            workers, learner = sum(pool.ask("cpu_seconds")) - workers, time.process_time() - learner
            with (Path(folder) / METRICS_FILE).open() as stream:
                rows = list(csv.DictReader(stream))[WARM_UP_ITERATIONS:]
    finally:
        pool.close()
    rates = [float(row["samples_per_s"]) for row in rows]
    return {
        "steps_per_s": float(np.median(rates)),
        "fastest_steps_per_s": max(rates),
        "learning_share": float(np.median([float(row["learning_share"]) for row in rows])),
        "workers_us": 1e6 * workers / samples / iterations,
        "learner_us": 1e6 * learner / samples / iterations,
    }


def report(iterations: int) -> list[str]:
    """Lines for the terminal."""
    config = load_training_config(None)
    rate = training_rate(config, iterations)
    lines = [
        f"training with learning: {rate['steps_per_s']:.0f} environment steps a second (fastest iteration "
        f"{rate['fastest_steps_per_s']:.0f}), {100 * rate['learning_share']:.0f} % of the time learning",
        f"core time a step: {rate['workers_us']:.0f} us in {config.workers} workers, "
        f"{rate['learner_us']:.0f} us in the learner",
    ]
    for title, times in (
        ("one environment step (20 ms)", env_step_profile(config, config.devices[0], 100)),
        ("one physics step", physics_profile(config, config.devices[0])),
    ):
        lines += ["", f"| {title} | us of CPU |", "|---|---|"]
        lines += [f"| {name} | {value:.1f} |" for name, value in times.items()]
    return lines
