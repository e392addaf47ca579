# SPDX-License-Identifier: Apache-2.0
"""PPO through rsl_rl on any batch of environments in worker processes. Imported for training only."""
