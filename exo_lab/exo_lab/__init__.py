# SPDX-License-Identifier: Apache-2.0
"""The laboratory, which a robot does not install.

train: environments, rewards, curricula, stages. rl: PPO, rollouts in worker processes. evaluate: studies and their
figures. report: what studies and runs look like on paper.
"""
