"""What the course adds to mdBook's pages, in a browser: progress, copying, keys."""

import io

import pytest
from rich.console import Console

from course import book
from course.steps import STEPS


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("book")
    book.build(Console(file=io.StringIO()), folder=folder)
    return folder


@pytest.fixture
def visit(browser, folder):
    """Open a page as a reader who has never been here, from the folder."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()

    def go_to(name):
        path, _, rest = name.partition("#")
        page.goto((folder / path).as_uri() + (f"#{rest}" if rest else ""))
        return page

    yield go_to
    context.close()


def test_progress(visit):
    """A tick is kept, shown beside the chapter and counted, until it is taken away."""
    page = visit("step_03.html")
    assert page.inner_text(".progress-summary") == f"0 of {len(STEPS)} steps done"
    page.check(".step-done input")
    assert page.inner_text(".progress-summary") == f"1 of {len(STEPS)} steps done"

    page = visit("step_07.html")
    assert not page.is_checked(".step-done input")
    page.focus(".step-done input")
    page.keyboard.press("Space")
    assert page.inner_text(".progress-summary") == f"2 of {len(STEPS)} steps done"
    done = page.eval_on_selector_all(
        "a.done", "links => links.map((link) => link.getAttribute('aria-label'))"
    )
    assert done == ["03 · Layer normalization, done", "07 · Multi-head attention, done"]

    page = visit("step_03.html")
    page.uncheck(".step-done input")
    page = visit("setup.html")
    assert page.inner_text(".progress-summary") == f"1 of {len(STEPS)} steps done"
    assert page.locator(".step-done").count() == 0


def test_damaged_progress(visit):
    """Whatever lies in the browser's storage, the page works."""
    page = visit("step_03.html")
    page.check(".step-done input")
    page.evaluate("localStorage.setItem(Object.keys(localStorage)[0], '{damaged')")
    page = visit("step_03.html")
    assert page.inner_text(".progress-summary") == f"0 of {len(STEPS)} steps done"


def test_copying(visit):
    """What is copied is the command, without its prompt; reports are not copied."""
    page = visit("how_a_step_works.html")
    blocks = page.eval_on_selector_all(
        "pre > code",
        "codes => codes.map((code) => [code.className, code.textContent, "
        "code.parentElement.querySelector('.clip-button') !== null])",
    )
    for kind, text, can_be_copied in blocks:
        assert can_be_copied == ("language-text" not in kind), text
        if "language-console" in kind:
            assert text.startswith(("pixi ", "course ")), text


def test_sidebar_with_the_keyboard(visit):
    """The button for the contents answers Enter and the space bar."""
    page = visit("setup.html")
    for key, hidden in (("Enter", "true"), ("Space", "false")):
        page.focus("#mdbook-sidebar-toggle")
        page.keyboard.press(key)
        sidebar = page.locator("#mdbook-sidebar")
        assert sidebar.get_attribute("aria-hidden") == hidden


def test_link_into_what_is_folded(visit):
    """A link to a mistake unfolds the list that holds it."""
    page = visit("if_the_check_complains.html#step-07")
    assert page.locator("details[open]").count() == 0
    page = visit("if_the_check_complains.html#scaled-by-head-dim")
    page.wait_for_selector("details#step-07[open]")
    assert page.locator("details[open]").count() == 1
