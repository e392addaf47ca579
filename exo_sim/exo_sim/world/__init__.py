# SPDX-License-Identifier: Apache-2.0
"""People in devices, one or many: how they walk and what is measured of it; training and evaluation stand on it."""
