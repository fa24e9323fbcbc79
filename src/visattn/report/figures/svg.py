"""Building SVG elements; text and attributes are escaped by the XML writer."""

from xml.etree.ElementTree import Element, SubElement, tostring

Value = str | int | float


def root(**attributes: Value) -> Element:
    """Start a drawing.

    >>> written(root(class_="strip", aria_hidden="true"))
    '<svg class="strip" aria-hidden="true" />'
    """
    return Element("svg", _names(attributes))


def draw(parent: Element, tag: str, text: str | None = None, /, **attributes: Value) -> Element:
    """Add an element; `stroke_width` becomes `stroke-width`, and `class_` becomes `class`.

    >>> svg = root()
    >>> _ = draw(svg, "text", "a < b", x="50%", stroke_width=1.50)
    >>> written(svg)
    '<svg><text x="50%" stroke-width="1.5">a &lt; b</text></svg>'
    """
    child = SubElement(parent, tag, _names(attributes))
    child.text = text
    return child


def at(parent: Element, x: float, y: float, **attributes: Value) -> Element:
    """Add a nested drawing whose origin lies at (x %, y %); inside it, units are pixels."""
    return draw(parent, "svg", x=percent(x), y=percent(y), overflow="visible", **attributes)


def percent(value: float) -> str:
    """Write a place as a percentage.

    >>> percent(12.5), percent(100)
    ('12.5%', '100%')
    """
    return f"{_short(value)}%"


def written(element: Element) -> str:
    """Write a drawing as text to be placed in HTML."""
    return tostring(element, encoding="unicode")


def _names(attributes: dict[str, Value]) -> dict[str, str]:
    return {
        name.rstrip("_").replace("_", "-"): value if isinstance(value, str) else _short(value)
        for name, value in attributes.items()
    }


def _short(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
