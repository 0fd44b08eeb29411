"""Prints all mistakes as Markdown, for the book's page "If the check complains"."""

from course.check.mistakes.table import Mistake, all_mistakes
from course.steps import get_step


def to_markdown() -> str:
    """A section for each step, and in it each mistake under its id."""
    parts = []
    for number, mistakes in all_mistakes().items():
        title = "In every step"
        if number:
            title = get_step(number).heading
        parts.append(f"## {title}")
        parts.extend(_entry(mistake) for mistake in mistakes)
    return "\n\n".join(parts) + "\n"


def _entry(mistake: Mistake) -> str:
    heading = mistake.id.replace("-", " ").capitalize()
    what, why, look = (
        text.replace("<|", r"\<|")  # Markdown would take it for a tag.
        for text in (mistake.what, mistake.why, mistake.look)
    )
    return f"### {heading} {{#{mistake.id}}}\n\n{what} {why}\n\n*Where to look:* {look}"


if __name__ == "__main__":
    print(to_markdown(), end="")
