"""The book in Firefox: what is not sure to be as it is in Chromium.

The pages are opened from a folder. How everything looks is tested in Chromium.
"""

import numpy as np
import pytest
from tokenizers import Tokenizer

from book.explorers.live import TEXT as LIVE_TEXT
from book.explorers.words import percent
from course.steps import DEMO_MODEL
from tests.project.browser import OVERFLOWING, Visit
from tests.project.test_book_browser import EXPLORERS, data_of
from tests.project.test_book_live import NEXT, SCRIPTS, TEXTS, TOKENIZE


@pytest.fixture(params=[360, 1280])
def visited(request, firefox, built):
    """A visit of the folder; nothing may go wrong on it."""
    context = firefox.new_context(viewport={"width": request.param, "height": 900})
    visited = Visit(context, built.as_uri())
    yield visited
    context.close()
    assert not visited.faults


def test_live_model_computes_and_tokenizes(firefox, built, logits_after):
    """Its logits are the solutions', and its tokens Hugging Face's."""
    visited = Visit(firefox.new_context(), built.as_uri())
    page = visited.go("introduction.html")
    for text in TEXTS:
        answer = page.evaluate(NEXT, [text, []])
        expected = logits_after(text)
        np.testing.assert_allclose(answer["logits"], expected, rtol=0, atol=1e-3)
    tokenizer = Tokenizer.from_file(str(DEMO_MODEL / "tokenizer.json"))
    for text in SCRIPTS:
        ids, decoded, _ = page.evaluate(TOKENIZE, [text])
        assert ids == tokenizer.encode(text).ids
        assert decoded == text
    assert not visited.faults


def test_live_model_answers_the_reader(visited):
    page = visited.go("introduction.html")
    app = page.locator('figure[data-explorer="live"] .explorer-app')
    field = app.get_by_role("textbox")
    app.get_by_role("button", name="flute").click()
    page.wait_for_function(
        "([field, text]) => field.value === text",
        arg=[field.element_handle(), LIVE_TEXT + " flute"],
    )
    field.fill("Once upon a")
    app.get_by_role("button", name="time").wait_for()
    assert page.evaluate(OVERFLOWING) == []


def test_attention_is_explored_with_keys(visited):
    page = visited.go("step_07.html")
    app = page.locator('figure[data-explorer="attention"] .explorer-app')
    sentence = data_of("attention")["sentences"][0]
    tokens = app.get_by_role("radiogroup", name="Token that looks")
    app.get_by_role("radio", name="Block 1, head 2").click()
    tokens.get_by_role("radio").nth(5).click()
    page.keyboard.press("ArrowRight")
    page.mouse.move(0, 0)
    row = sentence["weights"][1][2][6]
    shown = tokens.locator("small").all_inner_texts()
    assert shown[: len(row)] == [percent(weight) for weight in row]
    assert page.evaluate(OVERFLOWING) == []


def test_map_leads_to_a_chapter_with_keys(visited):
    page = visited.go("step_07.html")
    page.get_by_role("link", name="wte: step 05, Token embeddings").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/step_06.html")


def test_every_explorer_is_there(visited, built):
    ready = set()
    for path in sorted(built.glob("*.html")):
        if 'class="explorer"' in path.read_text("utf-8"):
            page = visited.go(path.name)
            for explorer in page.locator("figure[data-explorer]").all():
                explorer.locator(".explorer-app").wait_for()
                ready.add(explorer.get_attribute("data-explorer"))
            assert page.evaluate(OVERFLOWING) == []
    assert ready == set(EXPLORERS)
