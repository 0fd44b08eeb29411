"""A few words for drawing: boxes, arrows and text as SVG.

Colours and type come from the classes in `book/theme/pictures.css`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from html import escape

WIDTH = 340
"""Of every drawing: at 360 pixels of screen, text stays above 11 pixels."""


class Drawing:
    """An SVG that grows element by element; later elements lie on top."""

    def __init__(
        self, title: str, description: str, width: float, height: float, kind: str = ""
    ) -> None:
        """Start with an empty sheet.

        Args:
            title: What a screen reader says first.
            description: What can be seen, in words.
            width: In units of which a line of text is 13 high.
            height: In the same units.
            kind: A further class for the whole drawing.
        """
        self.classes = f"picture {kind}".strip()
        self.size = f"{number(width)} {number(height)}"
        self.role = "img"
        self.lines = [
            f"<title>{escape(title)}</title>",
            f"<desc>{escape(description)}</desc>",
        ]

    @contextmanager
    def link(self, address: str, title: str) -> Iterator[None]:
        """Make what is drawn meanwhile a link; the title says where it leads."""
        self.role = "group"  # What is inside an img, nobody can reach.
        self.lines.append(f'<a href="{escape(address)}"><title>{escape(title)}</title>')
        yield
        self.lines.append("</a>")

    def add(self, tag: str, classes: str, text: str = "", **attributes: object) -> None:
        """Add any element."""
        given = "".join(
            f' {name.replace("_", "-")}="{number(value)}"'
            for name, value in attributes.items()
        )
        body = f">{escape(text)}</{tag}>" if text else "/>"
        self.lines.append(f'<{tag} class="{classes}"{given}{body}')

    def text(self, x: float, y: float, text: str, classes: str = "mid") -> None:
        """Write text with its baseline at y."""
        self.add("text", classes, text, x=x, y=y)

    def rect(
        self, x: float, y: float, width: float, height: float, classes: str = "box"
    ) -> None:
        """Draw a rectangle with round corners."""
        radius = min(5, width / 4, height / 4)
        self.add(
            "rect", classes, x=x, y=y, width=width, height=height, rx=round(radius, 2)
        )

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        label: str,
        classes: str = "box",
        text_classes: str = "mid mono",
    ) -> None:
        """Draw a rectangle with its label in the middle."""
        self.rect(x, y, width, height, classes)
        self.text(x + width / 2, y + height / 2 + 4.5, label, text_classes)

    def plus(self, x: float, y: float, classes: str = "plain") -> None:
        """Draw the circle in which two vectors are added."""
        self.add("circle", classes, cx=x, cy=y, r=9)
        self.text(x, y + 5, "+", "mid strong")

    def arrow(
        self,
        points: Sequence[tuple[float, float]],
        classes: str = "",
        *,
        tip: bool = True,
    ) -> None:
        """Draw straight lines from point to point, with a tip at the end."""
        (x0, y0), (x1, y1) = points[-2:]
        length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
        dx, dy = (x1 - x0) / length, (y1 - y0) / length
        ends = list(points)
        if tip:
            ends[-1] = (x1 - 4 * dx, y1 - 4 * dy)
        self.path(ends, f"flow {classes}".strip())
        if tip:
            back = (x1 - 7 * dx, y1 - 7 * dy)
            left = (back[0] - 3.5 * dy, back[1] + 3.5 * dx)
            right = (back[0] + 3.5 * dy, back[1] - 3.5 * dx)
            corners = " ".join(
                f"{number(a)},{number(b)}" for a, b in [(x1, y1), left, right]
            )
            self.add("polygon", f"tip {classes}".strip(), points=corners)

    def path(self, points: Iterable[tuple[float, float]], classes: str) -> None:
        """Draw a line through points."""
        steps = " L".join(f"{number(x)} {number(y)}" for x, y in points)
        self.add("path", classes, d=f"M{steps}")

    def __str__(self) -> str:
        """The file. It has no blank line, which would end it within Markdown."""
        start = (
            f'<svg class="{self.classes}" role="{self.role}" '
            f'viewBox="0 0 {self.size}" xmlns="http://www.w3.org/2000/svg">'
        )
        return "\n".join([start, *self.lines, "</svg>", ""])


def number(value: object) -> str:
    """Write a number as short as it can be; leave other values alone."""
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return str(value)
