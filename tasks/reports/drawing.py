"""The basics of every chart: its figure, its colours, its axes, its legend, and its SVG."""

import html
import io
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

# matplotlib knows no "currentColor": this stands for it until the SVG is written. Not black, which SVG leaves out.
INK = "#0a0b0c"
FAINT = 0.15
BLUE, ORANGE = "#3a8fd1", "#d55e00"
# One unit of a chart is one pixel of the page where there is room; on a phone a chart shrinks to about nine tenths.
UNITS_PER_INCH = 72


def new_figure(width: int, height: int) -> "Figure":
    """Return an empty figure, width and height in pixels of the page. Not of pyplot, which keeps every figure alive."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width / UNITS_PER_INCH, height / UNITS_PER_INCH), layout="constrained")


def plain(axes: "Axes", title: str, along: str) -> None:
    """Draw axes with a title, a name for the horizontal one, and a faint grid, without a frame."""
    axes.set_title(title, loc="left", color=INK, fontsize=13, fontweight="bold")
    axes.set_xlabel(along, color=INK, fontsize=11)
    axes.minorticks_off()
    axes.tick_params(which="both", length=0, colors=INK, labelsize=11)
    axes.grid(color=INK, alpha=FAINT)
    axes.spines[:].set_visible(False)


def percent_ticks(of_errors: bool = False) -> "FuncFormatter":
    """Return the labels of an axis of shares; with `of_errors` each share of errors is called by its accuracy."""
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(lambda share, _: f"{100 * (1 - share if of_errors else share):.4g}\u00a0%")


def name_below(axes: "Axes") -> None:
    """Put the names of the many things in a chart, each with its look, in two columns below it."""
    looks, names = axes.get_legend_handles_labels()
    axes.figure.legend(
        looks,
        [name.replace("$", r"\$") for name in names],  # else what stands between two is taken for a formula
        loc="outside lower left",
        ncols=2,
        frameon=False,
        labelcolor=INK,
        fontsize=11,
        columnspacing=1.5,
        handlelength=1.5,
    )


def svg(figure: "Figure", label: str) -> str:
    """Return the figure as an `<svg>` element that may stand beside others in one page; the same figure, the same text.

    label: for screen readers.
    """
    import matplotlib

    drawn = io.StringIO()
    nameless = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    # The salt gives clip paths and markers an id that no other figure of the page has.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": label}):
        figure.savefig(drawn, format="svg", transparent=True, metadata=nameless)
    text = drawn.getvalue()
    text = text[text.index("<svg") :]
    for unwanted in (
        r"<metadata>.*?</metadata>",
        r"<style.*?</style>",  # would hold for the whole page
        r' id="[\w.]+_\d+"',  # numbered from 1 in every figure, and nothing refers to them
        r" font-family: [^;\"]*;",
    ):
        text = re.sub(unwanted, "", text, flags=re.DOTALL)
    text = text.replace(INK, "currentColor")
    return text.replace("<svg ", f'<svg role="img" aria-label="{html.escape(label)}" ', 1)
