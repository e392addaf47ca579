# SPDX-License-Identifier: Apache-2.0
"""Reports of runs and studies: one figure style, one page template, one module of sections for each study.

Read in this order: style (colours and numbers), figures (the kinds of figures in matplotlib), page (blocks and the
template), study (what reports of studies share), then run, human, exo or impaired, which say what each report shows.
"""
