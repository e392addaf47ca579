# SPDX-License-Identifier: Apache-2.0
"""Colours, line styles and the style sheet of every report, in one place."""

from __future__ import annotations

#: Okabe and Ito's palette, told apart with any kind of colour vision; the same as in the picture of a run.
COLOURS = {"unassisted": "#0072B2", "assisted": "#D55E00"}
OTHER_COLOUR = "#CC79A7"
NORM_BAND, NORM_LINE = "#DDDDDD", "#888888"
INK, FAINT_INK, RULE = "#222222", "#666666", "#BBBBBB"
MET, MISSED = "#00674A", "#A83A00"
#: SVG stroke-dasharray by side.
DASHES = {"r": "", "l": "5 2"}
SIDE_NAMES = {"r": "right", "l": "left"}

#: Ends and steps of colour scales, dark for much: they keep their order in grey print.
#: Sequential and diverging schemes YlGnBu and PuOr of Brewer (2013), colorbrewer2.org: colour-blind safe.
SEQUENTIAL = ("#FFFFD9", "#C7E9B4", "#41B6C4", "#225EA8", "#081D58")
DIVERGING = ("#2D004B", "#8073AC", "#F7F7F7", "#E08214", "#7F3B08")

STYLE_SHEET = f"""
:root {{ color-scheme: light; }}
* {{ box-sizing: border-box; }}
body {{ margin: 0 auto; max-width: 1060px; padding: 28px 24px 60px; background: #fff; color: {INK};
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial,
  "Liberation Sans", sans-serif; }}
h1 {{ font-size: 26px; line-height: 1.2; margin: 0 0 4px; }}
h2 {{ font-size: 19px; margin: 38px 0 6px; padding-top: 10px; border-top: 2px solid {INK}; }}
h3 {{ font-size: 15px; margin: 18px 0 4px; }}
p {{ margin: 4px 0 10px; max-width: 78ch; }}
p.faint {{ color: {FAINT_INK}; font-size: 13.5px; }}
.lead {{ font-size: 19px; line-height: 1.4; margin: 14px 0 12px; max-width: none; }}
.note {{ border-left: 4px solid {MISSED}; padding: 6px 12px; background: #FBF3EE; margin: 10px 0;
  max-width: none; }}
.note ul {{ margin: 2px 0; padding-left: 18px; }}
.tiles {{ display: grid; grid-template-columns: repeat(4, 1fr); gap: 12px; margin: 14px 0; }}
.tile {{ border: 1px solid {RULE}; border-radius: 6px; padding: 8px 12px; }}
.tile b {{ display: block; font-size: 22px; line-height: 1.25; font-variant-numeric: tabular-nums; }}
.tile span {{ color: {FAINT_INK}; font-size: 13px; }}
.grid {{ display: grid; gap: 12px 16px; margin: 8px 0; }}
.c1 {{ grid-template-columns: 1fr; }} .c2 {{ grid-template-columns: 1fr 1fr; }}
.c3 {{ grid-template-columns: repeat(3, 1fr); }} .c4 {{ grid-template-columns: repeat(4, 1fr); }}
figure {{ margin: 0; break-inside: avoid; }}
figure svg {{ display: block; width: 100%; height: auto; }}
.legend {{ display: flex; flex-wrap: wrap; gap: 2px 18px; font-size: 13px; color: {FAINT_INK};
  margin: 4px 0; }}
.legend svg {{ vertical-align: middle; margin-right: 5px; }}
svg text {{ font-family: inherit; fill: {INK}; }}
svg .faint {{ fill: {FAINT_INK}; }}
svg .title {{ font-weight: 600; }}
table {{ border-collapse: collapse; margin: 8px 0 14px; font-size: 13.5px;
  font-variant-numeric: tabular-nums; }}
th, td {{ text-align: right; padding: 3px 12px 3px 0; border-bottom: 1px solid #E4E4E4;
  vertical-align: top; }}
th {{ font-weight: 600; border-bottom: 1px solid {INK}; }}
th:first-child, td:first-child, td.text, th.text {{ text-align: left; }}
td {{ white-space: nowrap; }} td:first-child, td.text {{ white-space: normal; }}
td.met {{ color: {MET}; font-weight: 600; text-align: left; }}
td.missed {{ color: {MISSED}; font-weight: 600; text-align: left; }}
td.number {{ text-align: right; }} h3 small {{ color: {FAINT_INK}; font-weight: 400; }}
pre {{ background: #F5F5F5; padding: 10px 12px; font-size: 12.5px; line-height: 1.4; white-space: pre-wrap;
  overflow-wrap: anywhere; border-radius: 4px; }}
.whole {{ white-space: nowrap; }}
.beside {{ display: flex; flex-wrap: wrap; gap: 0 32px; }} .beside h3:first-child {{ margin-top: 8px; }}
nav {{ font-size: 13.5px; margin: 10px 0; }} nav a {{ color: {COLOURS["unassisted"]}; margin-right: 14px; }}
@media (max-width: 720px) {{ .c2, .c3, .c4 {{ grid-template-columns: 1fr; }}
  .tiles {{ grid-template-columns: 1fr 1fr; }} table {{ display: block; overflow-x: auto; }} }}
@page {{ size: A4; margin: 14mm 13mm; }}
@media print {{
  body {{ max-width: none; padding: 0; font-size: 10.5pt; -webkit-print-color-adjust: exact;
    print-color-adjust: exact; }}
  h1 {{ font-size: 18pt; }} h2 {{ font-size: 13.5pt; margin-top: 16pt; }} .lead {{ font-size: 13pt; }}
  h2, h3, p, .legend {{ break-after: avoid; }} .tile, .legend, table, tr, pre {{ break-inside: avoid; }}
  p {{ break-inside: avoid; }} .c4 {{ grid-template-columns: repeat(3, 1fr); }} .tiles {{ padding-right: 1px; }}
  nav {{ display: none; }} table {{ font-size: 9pt; }} .tile b {{ font-size: 12.5pt; }}
}}
"""


def ramp(colours: tuple[str, ...], share: float) -> str:
    """Colour (#rrggbb) at a share from 0 to 1 of a scale; beyond its ends the end's colour."""
    place = min(max(share, 0.0), 1.0) * (len(colours) - 1)
    lower = min(int(place), len(colours) - 2)
    first, second = (tuple(int(c[i : i + 2], 16) for i in (1, 3, 5)) for c in colours[lower : lower + 2])
    return "#" + "".join(f"{round(a + (b - a) * (place - lower)):02X}" for a, b in zip(first, second))
