"""A result as a picture: per case the medians as bars, with whiskers from lowest to highest.

SVG as text, the same for the same result. It brings its own background, light or dark as the reader
prefers, so that it is readable on any page.
"""

from dataclasses import dataclass
from html import escape
from statistics import median

from benchmarks.results import Result
from benchmarks.rounds import Case

WIDTH = 800
LEFT = 256
RIGHT = 700
ROW = 24
HEAD = 34
EDGE = 14
_STYLE = """
text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
.head { font-weight: 600; font-size: 13px }
.value { font-variant-numeric: tabular-nums }
.absent { fill: #59636e; font-style: italic }
.back { fill: #ffffff; stroke: #d1d9e0 }
.ours { fill: #2f7de1 } .limit { fill: #b3bac2 } .peer { fill: #e0a25e }
.whisker { stroke: #1f2328; stroke-width: 1.2 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .absent { fill: #9198a1 }
  .back { fill: #12161c; stroke: #3d444d }
  .ours { fill: #4493f8 } .limit { fill: #6e7681 } .peer { fill: #b4763b }
  .whisker { stroke: #e6edf3 }
}
"""


@dataclass(frozen=True)
class _Bar:
    """A contestant of a case: its colour, its name, and its samples or why there are none."""

    kind: str
    label: str
    samples: list[float]
    absent: str = ""


def number(value: float) -> str:
    """A figure for people: a whole number, or, where that would say little, three figures."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == round(value) else f"{value:.3g}"


def _kind(who: str, label: str) -> str:
    if who.startswith("pyesdb"):
        return "ours"
    return "limit" if "(limit)" in label else "peer"


def _bars(case: Case, labels: dict[str, str]) -> list[_Bar]:
    """The best one first."""
    sign = -1 if more_is_better(case) else 1
    best = sorted(case.samples, key=lambda who: (sign * median(case.samples[who]), who))
    bars = [_Bar(_kind(who, labels[who]), labels[who], case.samples[who]) for who in best]
    return bars + [_Bar("", labels[who], [], why) for who, why in sorted(case.absent.items())]


def more_is_better(case: Case) -> bool:
    """Rates and counts are; times and sizes are not."""
    return case.unit.endswith("/s") or case.unit == "appends"


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    kind = f' class="{kind}"' if kind else ""
    return f'<text{kind} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _drawn(bar: _Bar, y: float, top: float) -> list[str]:
    """One line of the picture; `top` is the figure at the right end of the scale."""
    found = [_text(LEFT - 8, y + 16, bar.label, anchor="end")]
    if not bar.samples:
        return [*found, _text(LEFT + 4, y + 16, _short(bar.absent), "absent")]
    ends = (min(bar.samples), median(bar.samples), max(bar.samples))
    low, middle, high = (LEFT + (RIGHT - LEFT) * figure / top for figure in ends)
    found.append(
        f'<rect class="{bar.kind}" x="{LEFT}" y="{y + 4:.1f}" width="{middle - LEFT:.1f}" '
        f'height="{ROW - 8}" rx="2"/>'
    )
    centre = y + ROW / 2
    path = f"M{low:.1f} {centre:.1f}H{high:.1f}"
    caps = "".join(f"M{x:.1f} {centre - 4:.1f}v8" for x in (low, high))
    found.append(f'<path class="whisker" d="{path}{caps}"/>')
    return [*found, _text(WIDTH - EDGE, y + 16, number(ends[1]), "value", "end")]


def _short(words: str, most: int = 80) -> str:
    return words if len(words) <= most else f"{words[: most - 3]}..."


def svg(result: Result, labels: dict[str, str]) -> str:
    """The picture of one row; `labels` are the names of contestants for people."""
    drawn: list[str] = []
    y = float(EDGE) / 2
    for case in result.cases:
        bars = _bars(case, labels)
        top = max((max(bar.samples) for bar in bars if bar.samples), default=1.0) or 1.0
        less = "" if more_is_better(case) else ", less is better"
        drawn.append(_text(EDGE, y + 22, f"{case.name} ({case.unit}{less})", "head"))
        y += HEAD
        for bar in bars:
            drawn += _drawn(bar, y, top)
            y += ROW
    height = y + EDGE
    back = f'width="{WIDTH - 1}" height="{height - 1:.0f}" rx="6"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(result.title)}"',
        f' viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" height="{height:.0f}">',
        f"<style>{_STYLE}</style>",
        f'<rect class="back" x="0.5" y="0.5" {back}/>',
        *drawn,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"
