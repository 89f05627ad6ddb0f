"""Make an HTML page from a template. It needs nothing but itself: it loads nothing from anywhere.

`page.html` is the frame of every page: head, style, verdict, and how to make it again. The templates extend it.
"""

from pathlib import Path
from typing import Any

from tasks import words
from tasks.reports import figures

FILTERS = (
    words.percent,
    words.signed,
    words.decimal,
    words.p_value,
    words.counted,
    words.seconds,
    words.duration,
    words.moment,
    figures.digit,
    figures.explained,
)


def render(template: str, **values: Any) -> str:
    """Fill in a template of this room; every filter of FILTERS has its name there.

    Text stays text: markup, such as a chart, has to be marked `safe`.
    Raises: jinja2.UndefinedError if a value is missing.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters |= {function.__name__: function for function in FILTERS}
    return pages.get_template(template).render(values)
