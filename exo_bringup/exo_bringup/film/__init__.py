# SPDX-License-Identifier: Apache-2.0
"""A short film of a recorded walk, rendered off-screen: no display, no ROS 2, no GPU needed."""
