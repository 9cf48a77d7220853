"""HTML made of elements: text is escaped unless it is markup already, so that no value can become code."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from serving.http import Answer
from serving.static import address

VOID = frozenset(("input", "link", "meta"))
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = ((b"content-security-policy", POLICY.encode()),)


class Markup(str):
    """Text that is HTML."""

    __slots__ = ()


def tag(element: str, /, *children: str, **attributes: str | bool | None) -> Markup:
    """One element.

    Args:
        element: Its name.
        children: What is in it.
        attributes: `for_` is `for`, `aria_label` is `aria-label`; those that are None or False are left out.
    """
    named = ((name.rstrip("_").replace("_", "-"), value) for name, value in attributes.items())
    listed = "".join(
        f" {name}" if value is True else f' {name}="{escape(value)}"'
        for name, value in named
        if value is not None and value is not False
    )
    opened = f"<{element}{listed}>"
    return Markup(opened if element in VOID else f"{opened}{join(*children)}</{element}>")


def join(*children: str) -> Markup:
    """Elements and text one after the other."""
    return Markup("".join(child if isinstance(child, Markup) else escape(child) for child in children))


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]], caption: str) -> Markup:
    """A table that scrolls by itself where it is wider than the window; the first cell of a row names it."""
    head = tag("tr", *(tag("th", cell, scope="col") for cell in header))
    body = (tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:])) for row in rows)
    whole = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", *body))
    return tag(
        "div", whole, class_=f"wide{' many' * (len(header) > 2)}", role="region", aria_label=caption, tabindex="0"
    )


def page(title: str, script: str, *body: Markup) -> Answer:
    """A whole document with its style and one script, both of this server."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("link", rel="icon", href="data:,"),
        tag("link", rel="stylesheet", href=address("style.css")),
        tag("script", src=address(script), defer=True),
    )
    document = f"<!doctype html>{tag('html', head, tag('body', *body), lang='en')}"
    return Answer(document.encode(), content_type=b"text/html; charset=utf-8", headers=HEADERS, cache=b"no-cache")
