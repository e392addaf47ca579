# SPDX-License-Identifier: Apache-2.0
"""The wearer: MyoLegs scaled to a subject, wearing a device, and how its nervous system shares out torque."""
