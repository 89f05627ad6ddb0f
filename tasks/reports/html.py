"""One HTML page out of a template, which needs nothing but itself: it loads nothing from anywhere.

`page.html` is the frame that every page shares: head, style, verdict, and how to make it again. A template extends it.
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
    """The page of a template in this folder, with every filter of FILTERS by its name.

    Text stays text: what is meant as markup, such as a chart, has to be marked `safe`.
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
    pages.filters |= {one.__name__: one for one in FILTERS}
    return pages.get_template(template).render(values)
