# SPDX-License-Identifier: Apache-2.0
"""How human the walker is: figures with targets, one idea a module, out of walks at several speeds.

Normative curves (Schwartz 2008) are taken at the commanded speed, interpolated between the five measured speeds in
v / sqrt(g L). Every figure is the mean over walks (both legs averaged within a walk) with its 95 % interval over seeds.
"""
