"""The pictures of README: three reports of the check, and the live page.

`python -m book.readme` makes both; with --check it compares the reports and writes
nothing. The page is photographed with Chromium, where there is one.
"""

from __future__ import annotations

import io
import re
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright
from rich.console import Console

from book.generated import write_or_check
from book.reports import check_mistake
from course import book
from course.check.report import print_report

PICTURES = Path(__file__).resolve().parent / "readme"
SHOWN = (2, 7, 10)
"""The chapters whose usual mistake is shown."""
WIDTH = 76


def reports() -> str:
    """What the check says about three mistakes, as it looks in a terminal."""
    console = Console(
        record=True,
        file=io.StringIO(),
        width=WIDTH,
        highlight=False,
        force_terminal=True,
    )
    for number in SHOWN:
        console.print(f"$ course check {number}")
        print_report(check_mistake(number), console)
        console.print()
    picture = console.export_svg(title="course check", unique_id="report")
    # Rich would fetch a font from elsewhere: the reader's own will do.
    return re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)


def photograph(target: Path) -> None:
    """The live GPT-2 of the book's first page, after a few words of its own."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        book.build(Console(file=io.StringIO()), folder=Path(folder))
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 900, "height": 900})
        page.goto(f"{Path(folder).as_uri()}/index.html")
        live = page.locator('[data-explorer="live"]')
        live.get_by_role("textbox").fill("The little fox")
        live.get_by_role("button", name="was").wait_for(timeout=60_000)
        live.get_by_role("button", name="was").click()
        page.wait_for_timeout(2_000)
        live.screenshot(path=target)
        browser.close()


def main(arguments: list[str]) -> int:
    """Make the pictures, or compare."""
    files = {"mistakes.svg": reports()}
    status = write_or_check(PICTURES, files, "python -m book.readme", arguments)
    if not arguments and shutil.which("chromium"):
        photograph(PICTURES / "live.png")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
