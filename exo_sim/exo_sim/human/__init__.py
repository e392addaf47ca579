# SPDX-License-Identifier: Apache-2.0
"""The walking human: reference motion, observation, and the policy that moves the body's muscles."""
