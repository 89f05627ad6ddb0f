"""How the tests of pages read one."""

import re
from html.parser import HTMLParser


class Page(HTMLParser):
    """What a browser would read: visible words, addresses, images, ids. Elements have to be closed in their order.

    text: the words but for those in charts, with plain spaces.
    """

    VOID = frozenset({"meta", "link", "img", "br"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses: list[tuple[str, str, str]] = []
        self.images: list[dict[str, str | None]] = []
        self.ids: list[str] = []
        self._words: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        assert self._open == []
        self.text = " ".join(" ".join(self._words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, attrs)
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script", "text"} & set(self._open):
            self._words.append(data)

    def _note(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.images += [found] if tag == "img" else []
        self.addresses += [
            (tag, name, value)
            for name, value in attrs
            if value and name in ("src", "href", "xlink:href", "srcset", "data")
        ]


def words(html: str) -> str:
    """The words of a page that is well-formed and free of holes."""
    text = Page(html).text
    assert not re.search(r"\b(nan|NaN|inf|None|Undefined)\b", text)
    return text


def assert_loads_nothing(html: str, *links: str) -> None:
    """Nor refers to anything outside itself, but for these links."""
    for tag, name, address in Page(html).addresses:
        allowed = address.startswith(("#", "data:")) or (tag == "a" and address in links)
        assert allowed, f"<{tag} {name}={address[:60]}>"
    assert not re.search(r"<(script|iframe|object|embed|base|form)\b|@import|@font-face", html, re.IGNORECASE)
    assert not re.search(r"url\((?!#)", html)
    addresses = set(re.findall(r"https?://[^\"' >]*", html))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}, "only names of XML vocabularies"
    assert "default-src 'none'" in html


def assert_links_lead_somewhere(html: str) -> None:
    """Those within the page; and no id is given twice."""
    page = Page(html)
    assert {address[1:] for _, _, address in page.addresses if address.startswith("#")} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
