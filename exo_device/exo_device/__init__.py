# SPDX-License-Identifier: Apache-2.0
"""The device side of exo_gait: description, drivers, safety supervisor and the node that joins them."""
