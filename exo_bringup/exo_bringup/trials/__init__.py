# SPDX-License-Identifier: Apache-2.0
"""`exo trial`: the device side tried until it fails or the figures are known."""
