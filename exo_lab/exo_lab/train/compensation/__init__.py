# SPDX-License-Identifier: Apache-2.0
"""How a walker learns to make up for weakness: habits found group by group, then taught to its network."""
