"""The GPT-2 that runs in the book's pages, in a browser.

What it computes is compared with the solutions and with Hugging Face's tokenizer.
"""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from book.explorers import weights, words
from book.explorers.demo import softmax
from book.explorers.live import BARS, TEXT
from course.steps import DEMO_MODEL
from tests.project.browser import OVERFLOWING, Visit, faults_of
from tests.project.test_book_browser import data_of, same_numbers

TEXTS = [
    "a",
    "Once upon a time, there lived a brave goat called Clara",
    "The quick brown fox jumps over the lazy dog. " * 12,
    "Grüße, 漢字 und 😀",
]
# What byte-level BPE and its pattern tell apart, and what they must not.
SCRIPTS = [
    "abc XYZ .,!?'\"-\n\t",
    "äöüßéèñçøå ÀÉ",
    "абвгд Жз αβγδ Ω",
    "漢字 かな カナ 한글",
    "العربية עברית",
    "हिन्दी தமிழ் ไทย",
    "😀🎉👨‍👩‍👧👍🏽❤️🇩🇪",
    "\u00a0\u2003\u3000\u200b\ufeff\u0085\r\n  ",
    "0123456789²³½Ⅷ٣१",
]
WHOLE = [
    "<|endoftext|>",
    "'s",
    "'t",
    "'re",
    "'ve",
    "'m",
    "'ll",
    "'d",
    "'S",
    " Clara",
    " the",
]
PIECES = [st.text(alphabet, min_size=1, max_size=8) for alphabet in SCRIPTS]
CORPUS = st.lists(st.one_of(*PIECES, st.sampled_from(WHOLE)), max_size=8).map("".join)


@pytest.fixture(scope="module")
def server(book_server):
    """Where the pages are."""
    return book_server


@pytest.fixture(scope="module")
def ask(browser, built):
    """Ask the model in a page that was opened from a folder."""
    visited = Visit(browser.new_context(), built.as_uri())
    page = visited.go("introduction.html")
    page.evaluate("() => explorers.gpt2.ask('next', '')")

    def ask(script, *arguments):
        return page.evaluate(script, list(arguments))

    yield ask
    assert not visited.faults
    assert len(page.workers) == 1


@pytest.fixture
def live(visit):
    """The first page, and the model on it."""

    def start(**options):
        page = visit(**options).go("introduction.html")
        app = page.locator('figure[data-explorer="live"] .explorer-app')
        app.wait_for()
        return page, app

    return start


@pytest.mark.parametrize("name", ["demo.weights.js", "demo.tokenizer.js"])
def test_model_is_what_the_script_makes(name):
    """Otherwise: python -m book.explorers.weights"""
    committed = (weights.OUTPUT / name).read_text("utf-8")
    assert weights.make_all()[name] == committed


NEXT = """async ([text, written]) => {
    const { logits, shares, ...rest } =
        await explorers.gpt2.ask("next", text, written);
    return { logits: [...logits], shares: [...shares], ...rest };
}"""


@pytest.mark.parametrize("text", TEXTS)
def test_logits_are_those_of_the_solutions(text, ask, logits_after, demo):
    answer = ask(NEXT, text, [])
    expected = logits_after(text)
    np.testing.assert_allclose(answer["logits"], expected, rtol=0, atol=1e-3)
    np.testing.assert_allclose(
        answer["shares"], softmax(expected), rtol=2e-3, atol=1e-7
    )
    ids = demo.tokenizer.encode(text).ids
    assert answer["ids"] == ids
    assert answer["text"] == text
    assert answer["room"] == demo.config.n_positions - len(ids)


def test_cache_keeps_what_begins_alike_and_nothing_else(ask, logits_after):
    first, second = "The brave goat was called Clara.", "The brave fox ran away"
    for text in [first, second, first, first + " She", "The", first]:
        logits = ask(NEXT, text, [])["logits"]
        np.testing.assert_allclose(logits, logits_after(text), rtol=0, atol=1e-3)


def test_written_tokens_come_after_the_text(ask, demo):
    ids = demo.tokenizer.encode(" loved her").ids
    answer = ask(NEXT, "Clara", ids)
    assert answer["text"] == "Clara loved her"
    assert answer["logits"] == ask(NEXT, "Clara loved her", [])["logits"]


def test_empty_text_begins_as_a_story_does(ask, logits_after):
    np.testing.assert_allclose(
        ask(NEXT, "", [])["logits"], logits_after("<|endoftext|>"), rtol=0, atol=1e-3
    )


def test_of_a_long_text_the_end_is_read(ask, demo):
    text = "The fox ran to the mill. " * 60
    answer = ask(NEXT, text, [])
    assert answer["ids"] == demo.tokenizer.encode(text).ids[-demo.config.n_positions :]
    assert answer["room"] == 0


TOKENIZE = """([text]) => {
    const { tokenizer } = explorers.gpt2;
    const ids = tokenizer.encode(text);
    return [ids, tokenizer.decode(ids), ids.map((id) => tokenizer.piece(id))];
}"""


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.from_file(str(DEMO_MODEL / "tokenizer.json"))


@given(CORPUS)
def test_tokenizer_is_that_of_hugging_face(ask, tokenizer, text):
    ids, decoded, pieces = ask(TOKENIZE, text)
    assert ids == tokenizer.encode(text).ids
    assert decoded == text
    if all(ord(letter) < 128 for letter in text):
        assert "".join(pieces) == text


@pytest.mark.parametrize(
    ("name", "what"), [("attention", "attention"), ("residual", "lens")]
)
def test_model_says_what_the_explorers_have(name, what, ask):
    for sentence in data_of(name)["sentences"]:
        text = "".join(sentence["tokens"])
        came = ask("async ([what, text]) => explorers.gpt2.ask(what, text)", what, text)
        sentence.pop("try", None)
        same_numbers(name, came, sentence)


def test_model_walks_the_chain_of_the_explorer(ask):
    data = data_of("chain")
    place = [data.pop(name) for name in ("block", "head")]
    counts = [data.pop(name) for name in ("blocks", "heads")]
    assert all(where < count for where, count in zip(place, counts, strict=True))
    came = ask(
        "async ([...about]) => explorers.gpt2.ask('chain', ...about)",
        data["text"],
        *place,
        data["at"],
    )
    same_numbers("chain", came, data)


def test_model_keeps_what_the_explorer_has(ask):
    data = data_of("cache")
    came = ask("async ([text]) => explorers.gpt2.ask('cache', text)", data["text"])
    same_numbers("cache", came, data)


@pytest.mark.parametrize("text", ["", "漢😀" * 200])
def test_any_prompt_leaves_room_to_write(text, ask, demo):
    came = ask("async ([text]) => explorers.gpt2.ask('cache', text)", text)
    assert len(came["keys"]) == sum(came["read"]) == len(came["tokens"]) - 1
    assert len(came["tokens"]) <= demo.config.n_positions


LOOKUP = "async ([text]) => explorers.gpt2.ask('lookup', text)"


def test_model_speculates_as_the_explorer_has_it(ask):
    for text in data_of("speculation")["texts"]:
        same_numbers("speculation", ask(LOOKUP, text["text"]), text)


@pytest.mark.parametrize(
    "text", ["", "The end. The end. The end. The", "漢😀" * 200, "fox " * 50]
)
def test_lookup_changes_no_text(text, ask):
    """However long, and where the model ends it."""
    came = ask(LOOKUP, text)
    tokens, passes = came["tokens"], came["passes"]
    start = passes[0]["length"]
    written = ask(
        """async ([text, count]) => {
            const { tokens } = await explorers.gpt2.ask("cache", text, count);
            return tokens;
        }""",
        text,
        19,
    )
    assert written[start : len(tokens)] == tokens[start:]
    assert len(tokens) == start + 19 or tokens[-1] == "<|endoftext|>"
    assert sum(each["kept"] for each in passes) == len(tokens) - start


# The first page


def shown_bars(app):
    bars = app.get_by_role("group").get_by_role("button").all()
    return [
        (bar.locator("span").inner_text(), bar.locator("small").inner_text())
        for bar in bars
    ]


def expected_bars(logits, tokenizer):
    shares = softmax(logits)
    best = np.argsort(-shares, kind="stable")[:BARS]
    return [
        (words.shown(tokenizer.decode([i])), words.percent(words.per_mille(shares[i])))
        for i in best.tolist()
    ]


def wait_for_first_bar(page, app, word):
    page.wait_for_function(
        "([bar, word]) => bar.innerText === word",
        arg=[app.locator(".live-bars span").first.element_handle(), word],
    )


def wait_for_bars(page, app, expected):
    """Only of the likeliest is the order sure: small shares may swap places."""
    wait_for_first_bar(page, app, expected[0][0])
    assert shown_bars(app)[:3] == expected[:3]


def test_click_goes_on_with_the_text(live, logits_after, tokenizer):
    page, app = live()
    field = app.get_by_role("textbox")
    text = TEXT
    assert field.input_value() == text
    expected = expected_bars(logits_after(text), tokenizer)
    assert shown_bars(app)[:3] == expected[:3]
    app.get_by_role("button", name="flute").click()
    text += " flute"
    wait_for_bars(page, app, expected_bars(logits_after(text), tokenizer))
    assert field.input_value() == text
    app.get_by_role("button", name="Start over").click()
    wait_for_bars(page, app, expected)
    assert field.input_value() == TEXT


def test_reader_types(live, logits_after, tokenizer):
    page, app = live()
    field = app.get_by_role("textbox")
    for text in ["Once upon a time, there", "Once upon", "Felix the otter lived in"]:
        field.fill(text)
        wait_for_bars(page, app, expected_bars(logits_after(text), tokenizer))
        assert field.input_value() == text


def test_model_writes_until_it_is_stopped(live):
    page, app = live()
    field = app.get_by_role("textbox")
    app.get_by_role("button", name="Let it write").click()
    page.wait_for_function(
        "([field, length]) => field.value.length > length",
        arg=[field.element_handle(), len(TEXT) + 30],
    )
    app.get_by_role("button", name="Stop").click()
    # Answers come in order: after this one, the last token's is there.
    page.evaluate("() => explorers.gpt2.ask('next', '')")
    stopped = field.input_value()
    assert stopped.startswith(TEXT)
    page.wait_for_timeout(500)
    assert field.input_value() == stopped


def test_model_ends_its_story(ask, live):
    text, best = "Once upon a time", None
    while best != 0:
        answer = ask(NEXT, text, [] if best is None else [best])
        text, best = answer["text"], int(np.argmax(answer["logits"]))
    page, app = live()
    field = app.get_by_role("textbox")
    field.fill(text)
    wait_for_first_bar(page, app, "the end")
    app.get_by_role("button", name="the end").click()
    app.get_by_text("ends the text").wait_for()
    assert field.input_value() == text


def test_full_context_takes_no_more(live):
    _, app = live()
    field = app.get_by_role("textbox")
    text = "The fox ran to the mill. " * 60
    field.fill(text)
    app.get_by_role("group").get_by_role("button").first.click()
    app.get_by_text("reads no more tokens").wait_for(timeout=60_000)
    assert field.input_value() == text


def test_without_the_weights_the_page_says_so(visit):
    visited = visit()
    visited.page.route("**/demo.weights.js", lambda route: route.abort())
    page = visited.go("introduction.html")
    app = page.locator('figure[data-explorer="live"] .explorer-app')
    before = shown_bars(app)
    app.get_by_role("group").get_by_role("button").first.click()
    app.get_by_text("could not be loaded").wait_for()
    assert shown_bars(app) == before
    assert visited.faults
    visited.faults.clear()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_live_model_is_accessible_when_used(theme, width, live):
    page, app = live(width=width, color_scheme=theme)
    app.get_by_role("group").get_by_role("button").first.click()
    app.get_by_role("textbox").focus()
    assert faults_of(page, part='figure[data-explorer="live"]') == []
    assert page.evaluate(OVERFLOWING) == []


def test_keyboard_alone_is_enough(live):
    page, app = live()
    field = app.get_by_role("textbox")
    field.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_function(
        "([field, text]) => field.value !== text",
        arg=[field.element_handle(), TEXT],
    )
    page.keyboard.press("ArrowRight")
    assert page.url.endswith("introduction.html"), "mdBook turned the page"


def test_reader_types_into_the_tokenizer(visit, tokenizer):
    page = visit().go("step_05.html")
    app = page.locator('figure[data-explorer="tokens"] .explorer-app')
    numbers = app.get_by_role("radio").locator("small")
    app.get_by_text("Choose one.").wait_for()
    for text in ["The lighthouse", "fox fox", "Grüße 😀<|endoftext|>", ""]:
        app.get_by_role("textbox").fill(text)
        assert list(map(int, numbers.all_inner_texts())) == tokenizer.encode(text).ids
    app.get_by_role("textbox").fill(" fox")
    app.get_by_role("radio").last.click()
    stages = app.get_by_role("listitem").all_inner_texts()
    assert stages[0] == "␣ · f · o · x"
    assert stages[-1] == "␣fox"
    assert all(
        len(after.split()) < len(before.split()) for before, after in pairwise(stages)
    )


@pytest.mark.parametrize(
    ("name", "page_name"), [("attention", "step_07.html"), ("residual", "step_08.html")]
)
def test_explorer_reads_the_readers_sentence(name, page_name, visit, tokenizer):
    page = visit(width=360).go(page_name)
    figure = f'figure[data-explorer="{name}"]'
    app = page.locator(f"{figure} .explorer-app")
    given = data_of(name)["sentences"]
    own = app.get_by_role("textbox")
    assert not own.is_visible()
    app.get_by_role("combobox").select_option(index=len(given))
    text = "Ivy met Oscar the turtle."
    own.fill(text)
    ids = tokenizer.encode(text).ids
    tokens = app.locator(".tokens").get_by_role("radio")
    expect_count(tokens, len(ids))
    written = tokens.locator("span").all_inner_texts()
    assert written == [
        words.chip(tokenizer.decode([token_id]), first=i == 0)
        for i, token_id in enumerate(ids)
    ]
    assert faults_of(page, part=figure) == []
    assert page.evaluate(OVERFLOWING) == []
    app.get_by_role("combobox").select_option(index=1)
    expect_count(tokens, len(given[1]["tokens"]))
    assert not own.is_visible()


def expect_count(items, count):
    items.nth(count - 1).wait_for()
    items.nth(count).wait_for(state="detached")


def test_chain_follows_the_reader(visit, tokenizer):
    page = visit(width=360).go("step_07.html")
    app = page.locator('figure[data-explorer="chain"] .explorer-app')
    app.get_by_role("combobox", name="Sentence").select_option(index=1)
    text = "Ivy met Oscar the turtle 😀."
    app.get_by_role("textbox").fill(text)
    rows = app.locator("tbody tr")
    expect_count(rows, len(tokenizer.encode(text).ids))
    app.get_by_role("combobox", name="Block").select_option("4")
    app.get_by_text("Block 4, head 2").wait_for()
    app.get_by_role("combobox", name="Who asks").select_option("Oscar")
    app.get_by_text("The query of “Oscar”").wait_for()
    app.get_by_role("slider").press("End")
    assert faults_of(page, part='figure[data-explorer="chain"]') == []
    assert page.evaluate(OVERFLOWING) == []


def test_explorers_of_a_page_follow_the_live_model(visit, tokenizer):
    page = visit().go("inside.html")
    text = "Felix the fox met Clara the goat."
    page.locator('figure[data-explorer="live"]').get_by_role("textbox").fill(text)
    for name in ("attention", "residual"):
        app = page.locator(f'figure[data-explorer="{name}"] .explorer-app')
        tokens = app.locator(".tokens").get_by_role("radio")
        expect_count(tokens, len(tokenizer.encode(text).ids))
        assert app.get_by_role("textbox").input_value() == text


@pytest.mark.parametrize(
    ("name", "page_name"), [("sampling", "step_12.html"), ("dials", "step_16.html")]
)
def test_dials_turn_on_the_readers_text(
    name, page_name, visit, logits_after, tokenizer
):
    page = visit().go(page_name)
    app = page.locator(f'figure[data-explorer="{name}"] .explorer-app')
    app.get_by_role("combobox").select_option(index=len(data_of(name)["prompts"]))
    text = "Felix the otter lived in"
    app.get_by_role("textbox").fill(text)
    app.locator("caption", has_text=text).wait_for()
    rows = app.locator("tbody tr").all()[:3]
    before = [
        (row.locator("th").inner_text(), row.locator("td").nth(1).inner_text())
        for row in rows
    ]
    assert before == expected_bars(logits_after(text), tokenizer)[:3]


def test_cache_keeps_the_readers_prompt(visit, tokenizer):
    page = visit(width=360).go("step_15.html")
    app = page.locator('figure[data-explorer="cache"] .explorer-app')
    app.get_by_role("combobox").select_option(index=1)
    text = "Ivy met Oscar the turtle."
    app.get_by_role("textbox").fill(text)
    count = len(tokenizer.encode(text).ids)
    expect_count(app.locator("tbody tr"), count)
    app.get_by_role("slider").press("End")
    expect_count(app.locator("tbody tr"), count + 5)
    assert page.evaluate(OVERFLOWING) == []


def test_lookup_follows_the_reader(visit):
    page = visit(width=360).go("step_19.html")
    app = page.locator('figure[data-explorer="speculation"] .explorer-app')
    app.get_by_role("combobox").select_option(
        index=len(data_of("speculation")["texts"])
    )
    text = "Ivy met Oscar the turtle. Ivy met Oscar the"
    app.get_by_role("textbox").fill(text)
    app.locator(".written", has_text=text).wait_for()
    assert "“Oscar the” stands earlier, too." in app.get_by_role("status").inner_text()
    app.get_by_role("slider").press("End")
    assert faults_of(page, part='figure[data-explorer="speculation"]') == []
    assert page.evaluate(OVERFLOWING) == []
