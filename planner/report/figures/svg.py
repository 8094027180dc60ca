"""SVG elements as text; everything a user wrote is escaped."""

from __future__ import annotations

from markupsafe import Markup, escape

Value = str | int | float | None


def element(name: str, *children: str, **attributes: Value) -> Markup:
    """Return an element.

    Args:
        name: of the element.
        children: text (escaped) or elements.
        attributes: `class_` becomes class, other underscores dashes; None is left out.
    """
    written = "".join(
        f' {_attribute(key)}="{escape(_short(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = Markup("").join(children)
    if not inside:
        return Markup(f"<{name}{written}/>")
    return Markup(f"<{name}{written}>") + inside + Markup(f"</{name}>")


def picture(width: float, height: float, label: str, *children: str, class_: str = "figure") -> Markup:
    """Return a picture that scales with its box and tells screen readers what it shows."""
    return element(
        "svg",
        element("title", label),
        *children,
        viewBox=f"0 0 {_short(width)} {_short(height)}",
        width=width,
        height=height,
        role="img",
        class_=class_,
    )


def _attribute(key: str) -> str:
    """Return the name of an attribute in SVG; viewBox and such stay as they are."""
    return key.rstrip("_").replace("_", "-")


def _short(value: Value) -> str:
    """Return a number with at most two decimals."""
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return str(value)


def shortened(text: str, most: int) -> str:
    """Return text cut to `most` characters, the middle left out."""
    if len(text) <= most:
        return text
    head = most // 2
    return f"{text[:head]}…{text[len(text) - (most - 1 - head) :]}"
