# SPDX-License-Identifier: Apache-2.0
"""How patients walk and what a device does for them, as figures and one self-contained HTML file."""
