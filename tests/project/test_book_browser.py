"""The book in a browser, and the explorers' data against the demo model.

The tests in the browser need Chromium and Playwright; elsewhere they are skipped.
"""

import math
import re

import numpy as np
import pytest

from book.explorers import (
    cache,
    chain,
    make,
    mask,
    pages,
    residual,
    sampling,
    speculation,
    words,
)
from book.explorers.demo import Demo, softmax
from course.check.loading import load_solution
from course.steps import ROOT
from tests.project.browser import OVERFLOWING, faults_of

BOOK = ROOT / "book"
EXPLORERS = tuple(make.EXPLORERS)
# By how much a number may differ from machine to machine; shares by a thousandth.
TOLERANCES = {
    "mask": 0,
    "sampling": 0.005,
    "dials": 0.005,
    "chain": 0.002,
    "cache": 0.002,
    "pages": 0,
    "speculation": 0,
    "rounding": 0.0005,
}


def data_of(name):
    return make.read_data(make.OUTPUT / f"{name}.data.js")


def chapters():
    """The pages of the book, from its table of contents."""
    summary = (BOOK / "src" / "SUMMARY.md").read_text("utf-8")
    return [f"{name}.html" for name in re.findall(r"\]\(([\w/]+)\.md\)", summary)]


# The data, without a browser


@pytest.fixture(scope="module")
def made():
    return make.make_all()


def same_numbers(name, actual, expected, where=""):
    """Numbers may differ by a rounding, and tokens of next to no probability too."""
    # JavaScript has one kind of number, and writes 0.0 as 0.
    kinds = {type(actual), type(expected)}
    assert len(kinds) == 1 or kinds == {int, float}, where
    if isinstance(expected, dict):
        assert actual.keys() == expected.keys(), where
        for key, value in expected.items():
            if key == "top":
                same_top(actual[key], value, f"{where}.{key}")
            elif key == "next":
                assert abs(actual[key][0] - value[0]) <= 1, where
                assert math.isclose(actual[key][1], value[1], rel_tol=0.1, abs_tol=2)
            else:
                same_numbers(name, actual[key], value, f"{where}.{key}")
    elif isinstance(expected, list):
        assert len(actual) == len(expected), where
        for i, value in enumerate(expected):
            same_numbers(name, actual[i], value, f"{where}[{i}]")
    elif isinstance(expected, (int, float)):
        tolerance = TOLERANCES.get(name, 1)
        assert abs(actual - expected) <= tolerance, f"{where}: {actual} for {expected}"
    else:
        assert actual == expected, where


def same_top(actual, expected, where):
    shares = [*expected[1::2], 0]
    for i, share in enumerate(expected[1::2]):
        assert abs(actual[2 * i + 1] - share) <= 1, where
        others = [shares[i + 1], *shares[max(0, i - 1) : i]]
        if all(abs(share - other) > 2 for other in others):
            assert actual[2 * i] == expected[2 * i], where


@pytest.mark.parametrize("name", EXPLORERS)
def test_data_are_what_the_script_makes(name, made, tmp_path):
    """Otherwise: python -m book.explorers.make"""
    fresh = tmp_path / "data.js"
    fresh.write_text(made[f"{name}.data.js"], "utf-8")
    same_numbers(name, data_of(name), make.read_data(fresh))


@pytest.mark.parametrize("name", EXPLORERS)
def test_static_pictures_show_the_data(name):
    committed = (make.OUTPUT / f"{name}.html").read_text("utf-8")
    assert committed == make.fragment(name, data_of(name))
    assert "\n\n" not in committed


def test_files_are_small():
    sizes = {path.name: path.stat().st_size for path in make.OUTPUT.iterdir()}
    assert sum(sizes.values()) < 400_000, sizes


@pytest.mark.parametrize("name", ["sampling", "dials"])
def test_logits_give_the_distribution_of_the_solutions(name, logits_after):
    for prompt in data_of(name)["prompts"]:
        logits = logits_after(prompt["text"])
        np.testing.assert_allclose(
            softmax(np.array(prompt["logits"])),
            softmax(logits),
            rtol=2e-3,
            atol=1e-9,
        )


def test_last_layer_says_what_the_solutions_say(demo, logits_after):
    for sentence in data_of("residual")["sentences"]:
        for end in (3, 7, len(sentence["tokens"])):
            text = "".join(sentence["tokens"][:end])
            logits = logits_after(text)
            token, share = sentence["stages"][-1][end - 1]["top"][:2]
            best = int(logits.argmax())
            assert demo.tokenizer.decode([best]) == token
            assert abs(1000 * softmax(logits)[best] - share) <= 1


def test_attention_rows_sum_to_one():
    for sentence in data_of("attention")["sentences"]:
        for heads in sentence["weights"]:
            for rows in heads:
                for i, row in enumerate(rows):
                    assert len(row) == i + 1
                    assert abs(sum(row) - 1000) <= len(row) / 2 + 1


def test_kept_keys_are_those_of_reading_again():
    data, demo = data_of("cache"), Demo()
    ids = demo.encode("".join(data["tokens"]))[:-1]
    again = chain.chain(demo.model, ids, cache.BLOCK, cache.HEAD, at=0)
    for name in ("keys", "values"):
        np.testing.assert_allclose(data[name], again[name], rtol=0, atol=1e-3)


def test_every_page_has_one_owner():
    """And each text that waits goes on waiting until there is what it needs."""
    data = data_of("pages")
    for step in data["steps"]:
        given = [page for table in step["tables"].values() for page in table]
        assert sorted(given + step["free"]) == list(range(data["pages"]))
        assert len(step["tables"]) <= pages.PLACES
        for name, table in step["tables"].items():
            assert len(table) == math.ceil(step["tokens"][name] / data["page_size"])
    why = [why for step in data["steps"] for why in step["waiting"].values()]
    for reason in ("the batch is full", "3 pages needed, 2 free", "E comes first"):
        assert reason in why
    assert set(data["steps"][-1]["done"]) | {"F"} == set(data["texts"])


def test_lookup_is_told_what_the_model_says():
    """After the text and after each proposed token, also of what is thrown away."""
    demo, step = Demo(), load_solution(19)
    id_of = {demo.piece(i): i for i in range(demo.model.config.vocab_size)}
    for text in data_of("speculation")["texts"]:
        tokens = [id_of[token] for token in text["tokens"]]
        end = len(tokens)
        assert end - len(demo.encode(text["text"])) == speculation.NEW_TOKENS
        for each in text["passes"]:
            before = tokens[: each["length"]]
            room = min(speculation.NUM_PROPOSALS, end - len(before) - 1)
            proposal = [id_of[token] for token in each["proposal"]]
            if not each["pause"]:
                assert proposal == step.find_proposal(before, 2, room)
            says = [id_of[token] for token in each["says"]]
            for place, said in enumerate(says):
                assert demo.logits([*before, *proposal[:place]]).argmax() == said
            after = each["length"] + each["kept"]
            assert tokens[each["length"] : after] == says[: each["kept"]]
            assert each["rolled_back"] == after - 1


# The browser


@pytest.fixture(scope="module")
def server(book_server):
    """Where the pages are."""
    return book_server


@pytest.fixture(params=["http", "file"])
def anywhere(request, built):
    """Where the book is: on a server, and in a folder."""
    if request.param == "file":
        return built.as_uri()
    return request.getfixturevalue("server")


@pytest.mark.sample(5)
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("name", [*chapters(), "index.html"])
def test_page_loads_and_fits(name, width, visit):
    page = visit(width=width).go(name)
    assert page.locator("main h1").count() > 0
    assert page.evaluate(OVERFLOWING) == []


@pytest.mark.sample(5)
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", chapters())
def test_page_is_accessible(name, theme, visit):
    page = visit(color_scheme=theme).go(name)
    assert theme in page.locator("html").get_attribute("class").split()
    # A theme changes colours and nothing else.
    assert faults_of(page, rules=["color-contrast"] if theme == "dark" else None) == []


def test_folder_needs_no_server(built, visit):
    """Every page of the built book opens as a file, and the explorers work there."""
    visited = visit(built.as_uri())
    ready = set()
    for name in chapters():
        page = visited.go(name)
        assert page.locator("main h1").is_visible()
        for explorer in page.locator("figure[data-explorer]").all():
            each = explorer.get_attribute("data-explorer")
            ready.add(each)
            app = explorer.locator(".explorer-app")
            assert app.is_visible()
            assert not explorer.locator(".explorer-static").is_visible()
            status = explorer.get_by_role("status")
            before = status.inner_text()
            answering(app, each).click()
            assert status.inner_text() != before
    assert ready == set(EXPLORERS)


def answering(app, name):
    """A part of an explorer that answers when it is touched."""
    parts = {
        "live": app.get_by_role("button").first,
        "tokens": app.get_by_role("radio").nth(1),
        "attention": app.get_by_role("radiogroup").first.get_by_role("radio").nth(1),
        "mask": app.locator("tbody td").first,
        "sampling": app.get_by_role("button", name="Draw", exact=True),
        "dials": app.get_by_role("button", name="Draw", exact=True),
        "residual": app.get_by_role("radio").nth(1),
        "rounding": app.get_by_role("slider").nth(1),
    }
    return parts.get(name, app.get_by_role("button", name="Next"))


def test_solutions_open(visit):
    visited = visit()
    steps = [name for name in chapters() if re.fullmatch(r"step_\d\d.html", name)]
    assert len(steps) >= 12
    for name in steps:
        page = visited.go(name)
        details = page.locator("details", has_text="Show solution").first
        code = details.locator("pre code").first
        assert not code.is_visible(), name
        details.locator("summary").first.click()
        assert code.is_visible(), name
        assert re.search(r"^(class|def) ", code.inner_text(), re.MULTILINE), name


def background(page):
    return page.evaluate("getComputedStyle(document.documentElement).backgroundColor")


def test_themes_switch_and_stay(visit):
    page = visit(color_scheme="light").go("introduction.html")
    light = background(page)
    page.locator("#mdbook-theme-toggle").click()
    page.locator("#mdbook-theme-dark").click()
    assert "dark" in page.locator("html").get_attribute("class").split()
    dark = background(page)
    assert dark != light
    page.reload()
    assert background(page) == dark


@pytest.mark.parametrize("key", ["/", "click"])
def test_search_finds_causal(key, anywhere, visit):
    page = visit(anywhere).go("introduction.html")
    if key == "click":
        page.locator("#mdbook-search-toggle").click()
    else:
        page.keyboard.press(key)
    page.locator("#mdbook-searchbar").press_sequentially("causal")
    results = page.locator("#mdbook-searchresults a")
    results.first.wait_for()
    assert any("step_02.html" in link.get_attribute("href") for link in results.all())


@pytest.mark.parametrize("width", [360, 1280])
def test_map_leads_to_the_chapters(width, anywhere, visit):
    page = visit(anywhere, width=width).go("step_07.html")
    lookup = page.get_by_role("link", name="wte: step 05, Token embeddings")
    colour = "e => getComputedStyle(e.querySelector('rect')).stroke"
    before = lookup.evaluate(colour)
    lookup.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    assert lookup.evaluate(colour) != before, "nobody sees where the focus is"
    page.keyboard.press("Enter")
    page.wait_for_url("**/step_05.html")
    page.get_by_role("link", name="attn: step 07").click()
    page.wait_for_url("**/step_07.html")


# The explorers


@pytest.fixture(scope="module")
def page_of(built):
    """The chapter that holds an explorer."""

    def find(name):
        for page in chapters():
            if f'data-explorer="{name}"' in (built / page).read_text("utf-8"):
                return page
        pytest.fail(f"no chapter includes explorers/{name}.html")

    return find


@pytest.fixture
def explorer(visit, page_of):
    def start(name, **options):
        page = visit(**options).go(page_of(name))
        app = page.locator(f'figure[data-explorer="{name}"] .explorer-app')
        app.wait_for()
        return page, app

    return start


def slide(slider, value):
    slider.fill(str(value))


def test_attention_explorer(explorer):
    data = data_of("attention")
    page, app = explorer("attention")
    address = page.url
    heads = app.get_by_role("radiogroup", name="Block and head")
    line = app.get_by_role("radiogroup", name="Token that looks")
    tokens = line.get_by_role("radio")
    sentence = data["sentences"][0]

    def assert_shows(sentence, layer, head, at, chosen=None):
        row = sentence["weights"][layer][head][at]
        expected = [words.percent(weight) for weight in row]
        expected += ["later"] * (len(sentence["tokens"]) - len(row))
        assert line.locator("small").all_inner_texts() == expected
        says = app.get_by_role("status").inner_text()
        assert f"Block {layer}, head {head}:" in says
        if at:
            assert words.percent(max(row)) in says
        chosen = at if chosen is None else chosen
        assert tokens.nth(chosen).get_attribute("aria-checked") == "true"
        assert line.locator('[aria-checked="true"]').count() == 1

    start = sentence["try"]
    assert_shows(sentence, start["layer"], start["head"], start["from"])
    heads.get_by_role("radio", name="Block 1, head 2").click()
    tokens.nth(5).click()
    page.mouse.move(0, 0)
    assert_shows(sentence, 1, 2, 5)
    tokens.nth(9).hover()
    assert_shows(sentence, 1, 2, 9, chosen=5)
    page.mouse.move(0, 0)
    assert_shows(sentence, 1, 2, 5)

    tokens.nth(5).focus()
    page.keyboard.press("ArrowRight")
    assert_shows(sentence, 1, 2, 6)
    page.keyboard.press("Home")
    assert_shows(sentence, 1, 2, 0)
    page.keyboard.press("ArrowLeft")
    assert_shows(sentence, 1, 2, 0)
    page.keyboard.press("End")
    assert_shows(sentence, 1, 2, len(sentence["tokens"]) - 1)
    heads.locator('[aria-checked="true"]').focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert_shows(sentence, 2, 3, len(sentence["tokens"]) - 1)
    assert page.url == address, "mdBook turned the page"

    for number, sentence in enumerate(data["sentences"]):
        app.get_by_role("combobox").select_option(index=number)
        start = sentence["try"]
        assert_shows(sentence, start["layer"], start["head"], start["from"])
        tokens.nth(0).click()
        app.get_by_role("button").click()
        page.mouse.move(0, 0)
        assert_shows(sentence, start["layer"], start["head"], start["from"])


def test_chain_explorer(explorer):
    data = data_of("chain")
    _, app = explorer("chain")
    rows = app.locator("tbody tr")
    back, onward = (app.get_by_role("button", name=name) for name in ("Back", "Next"))

    def shown(name):
        cells = app.locator(f"td.{name}").all_inner_texts()
        return [cell.replace("−", "-") for cell in cells if cell]

    def two_digits(numbers):
        return pytest.approx(numbers, abs=0.0051)

    assert rows.locator("th").all_inner_texts() == [
        words.chip(token, i == 0) for i, token in enumerate(data["tokens"])
    ]
    assert back.get_attribute("aria-disabled") == "true"
    for name in ("products", "scores"):
        assert shown(name[:-1]) == []
        onward.click()
        assert [float(cell) for cell in shown(name[:-1])] == two_digits(data[name])
    onward.click()
    later = len(data["tokens"]) - 1 - data["at"]
    assert shown("mask") == ["0"] * (data["at"] + 1) + ["-∞"] * later
    onward.click()
    weights = [words.percent(words.per_mille(weight)) for weight in data["weights"]]
    assert shown("weight") == weights
    onward.click()
    assert app.locator("tfoot canvas").count() == 1
    assert onward.get_attribute("aria-disabled") == "true"
    app.get_by_role("slider").press("Home")
    assert shown("product") == []


def test_mask_explorer(explorer):
    data = data_of("mask")
    page, app = explorer("mask")
    address = page.url
    length, past = app.get_by_role("slider").all()
    rows = app.locator("tbody tr")

    def assert_shows(length, past):
        counts = data["zeros"][f"{length},{past}"]
        expected = [["0"] * n + ["−∞"] * (length + past - n) for n in counts]
        assert [row.locator("td").all_inner_texts() for row in rows.all()] == expected
        caption = app.locator("caption").inner_text()
        assert f"causal_mask({length}, {past})" in caption
        assert f"[{length}, {length + past}]" in caption

    assert_shows(*mask.STATIC)
    for each_length in range(1, data["longest_sequence"] + 1):
        for each_past in (0, 2, data["most_past_tokens"]):
            slide(length, each_length)
            slide(past, each_past)
            assert_shows(each_length, each_past)
    length.focus()
    page.keyboard.press("ArrowLeft")
    assert_shows(data["longest_sequence"] - 1, data["most_past_tokens"])
    past.focus()
    page.keyboard.press("Home")
    assert_shows(data["longest_sequence"] - 1, 0)

    status = app.get_by_role("status")
    rows.nth(1).locator("td").nth(2).click()
    assert (
        "position 1 and looks at position 2, which is later: −∞" in status.inner_text()
    )
    page.keyboard.press("ArrowDown")
    assert "position 2 and looks at itself: 0" in status.inner_text()
    page.keyboard.press("ArrowLeft")
    assert "looks at position 1, which is earlier: 0" in status.inner_text()
    assert page.url == address, "mdBook turned the page"


def test_cache_explorer(explorer):
    data = data_of("cache")
    _, app = explorer("cache")
    onward, step = app.get_by_role("button", name="Next"), app.get_by_role("slider")
    tokens = [words.chip(token, i == 0) for i, token in enumerate(data["tokens"])]
    prompt, passes = data["read"][0], len(data["read"])

    def assert_shows(number):
        length = prompt + number
        now = prompt if number == 0 else 1
        read = sum(prompt + i for i in range(number + 1))
        rows = [
            row.locator("th, td").all_inner_texts()[:3]
            for row in app.locator("tbody tr").all()
        ]
        kept = ["kept"] * (length - now) + ["computed"] * now
        assert rows == [
            [token, "computed", cell] for token, cell in zip(tokens, kept, strict=False)
        ]
        [this, together] = app.locator("tfoot tr").all_inner_texts()
        assert this.split() == [
            *("this", "pass", str(length), "rows", str(now)),
            "row" if now == 1 else "rows",
        ]
        assert together.split()[2::2] == [str(read), str(length)]
        assert f"chooses “{tokens[length]}”" in app.get_by_role("status").inner_text()
        assert app.locator("canvas").count() == 2 * length

    assert_shows(0)
    for number in range(1, passes):
        onward.click()
        assert_shows(number)
    assert onward.get_attribute("aria-disabled") == "true"
    step.press("ArrowLeft")
    assert_shows(passes - 2)


@pytest.mark.parametrize(
    ("bits", "times", "whose"), [(8, 1, 0), (8, 1, 1), (4, 1, 0), (8, 20, 0), (3, 7, 1)]
)
def test_rounding_explorer(bits, times, whose, explorer):
    data = data_of("rounding")
    _, app = explorer("rounding")
    status = app.get_by_role("status")
    slide(app.get_by_label("Bits"), bits)
    slide(app.get_by_label("Largest weight"), times)
    app.get_by_role("combobox").select_option(index=whose)

    weights, most = np.array(data["weights"]), 2 ** (bits - 1) - 1
    weights[np.abs(weights).argmax()] *= times
    largest = max(np.abs(weights).max(), data["largest"] if whose else 0)
    scale = largest / most
    whole = np.rint(weights / scale)
    back = whole * scale
    for row, *expected in zip(
        app.locator("tbody tr").all(),
        *(weights, weights / scale, whole, back, back - weights),
        strict=False,
    ):
        cells = row.locator("th, td").all_inner_texts()
        numbers = [float(cell.replace("−", "-")) for cell in cells]
        assert numbers == pytest.approx(expected, abs=0.0051)
        assert numbers[2] == expected[2]
    assert app.locator("tbody tr").count() == data["shown"]
    says = status.inner_text().replace("−", "-")
    *_, used, steps, off, exact, rounded = map(float, re.findall(r"-?\d+\.?\d*", says))
    assert (used, steps) == (len(set(whole)), 2 * most + 1)
    assert off == pytest.approx(np.abs(back - weights).max(), abs=6e-5)
    assert exact == pytest.approx(weights @ data["input"], abs=6e-5)
    assert rounded == pytest.approx(back @ data["input"], abs=6e-5)
    if (bits, whose) == (8, 0):
        [by_step_17], [its_scale] = load_solution(17).quantize_rows(
            weights[None].astype(np.float32)
        )
        assert by_step_17.tolist() == whole.tolist()
        assert its_scale == pytest.approx(scale)
    assert app.locator(".levels .steps").count() == 1


def slots_of(step, size, pages):
    """The memory, slot by slot, from page tables and counts of tokens."""
    memory = {
        (page, slot): f"{name}{entry * size + slot}"
        for name, table in step["tables"].items()
        for entry, page in enumerate(table)
        for slot in range(size)
        if entry * size + slot < step["tokens"][name]
    }
    return [
        [memory.get((page, slot), "") for slot in range(size)] for page in range(pages)
    ]


def test_pages_explorer(explorer):
    data = data_of("pages")
    _, app = explorer("pages")
    onward, step = app.get_by_role("button", name="Next"), app.get_by_role("slider")
    texts, pool = (app.locator("table").nth(number) for number in range(2))

    def cells_of(table):
        rows = table.locator("tbody tr").all()
        return [row.locator("td").all_inner_texts() for row in rows]

    for number, each in enumerate(data["steps"]):
        assert cells_of(pool) == slots_of(each, data["page_size"], data["pages"])
        fresh = pool.locator(".new").all_inner_texts()
        assert sorted(fresh) == sorted(
            f"{name}{place}"
            for name in each["tables"]
            for place in range(each["cached"][name], each["tokens"][name])
        )
        shown = dict(zip(data["texts"], cells_of(texts), strict=True))
        for name, (tokens, standing) in shown.items():
            assert tokens == str(each["tokens"].get(name, ""))
            assert standing == pages.standing(each, name)
        says = app.get_by_role("status").inner_text()
        for name, why in each["waiting"].items():
            assert f"{name} waits: {why}." in says
        for name in each["left"]:
            assert f"{name} is done:" in says
        assert step.input_value() == str(number + 1)
        if each is not data["steps"][-1]:
            onward.click()
    step.press("Home")
    assert cells_of(pool)[0] == ["A0", "A1", "A2", "A3"]


def test_speculation_explorer(explorer):
    _, app = explorer("speculation")
    rows, written = app.locator("tbody tr"), app.locator(".written")
    step, status = app.get_by_role("slider"), app.get_by_role("status")

    def go_on():
        app.get_by_role("button", name="Next").click()

    def columns():
        cells = [row.locator("th, td").all_inner_texts() for row in rows.all()]
        return [list(column) for column in zip(*cells, strict=True)]

    for number, text in enumerate(data_of("speculation")["texts"]):
        app.get_by_role("combobox").select_option(index=number)
        for count, each in enumerate(text["passes"], start=1):
            length, kept = each["length"], each["kept"]
            proposal = [words.shown(token) for token in each["proposal"]]
            says = [words.shown(token) for token in each["says"]]
            read = [words.shown(text["tokens"][length - 1]), *proposal]
            assert status.inner_text().startswith(f"Pass {count}.")
            if proposal:
                empty = [""] * len(says)
                assert columns() == [read, [*proposal, ""], empty, empty]
                size, start = each["found"]
                found = [*text["tokens"][start : start + size]]
                found += text["tokens"][length - size : length]
                assert written.locator(".looked-up").all_text_contents() == found
                go_on()
                assert columns()[2] == says
                go_on()
                verdicts = columns()[3]
                assert verdicts[: kept - 1] == ["agrees"] * (kept - 1)
                bonus = kept == len(says)
                assert verdicts[kept - 1] == ("bonus" if bonus else "in its place")
                assert set(verdicts[kept:]) <= {"thrown away"}
                rolled = f"from {length + len(proposal)} tokens to {length + kept - 1}."
                assert (rolled in status.inner_text()) == (not bonus)
            else:
                assert columns()[:3] == [read, [""], says]
                assert ("A pause" in status.inner_text()) == each["pause"]
            text_now = "".join(text["tokens"][: length + kept])
            assert written.text_content() == text_now
            if each is not text["passes"][-1]:
                go_on()
        assert step.input_value() == step.get_attribute("max")


def draws(seed, times):
    """What sampling.js draws: mulberry32."""
    mask = 0xFFFFFFFF
    state = seed
    for _ in range(times):
        state = (state + 0x6D2B79F5) & mask
        t = ((state ^ (state >> 15)) * (state | 1)) & mask
        t ^= (t + ((t ^ (t >> 7)) * (t | 61) & mask)) & mask
        yield (t ^ (t >> 14)) / 2**32


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("sampling", (0.7, 8, 1)),
        ("sampling", (1, 0, 1)),
        ("sampling", (0, 0, 1)),
        ("sampling", (1.5, 0, 0.9)),
        ("sampling", (0.4, 20, 0.5)),
        ("sampling", (2, 5, 0.05)),
        ("sampling", (1, 1, 1)),
        ("dials", (1.2, 1.5, 0, 1, 0.1)),
        ("dials", (1, 2, 0, 1, 0.3)),
        ("dials", (2, 0.8, 10, 0.9, 0.05)),
        ("dials", (1.4, 0, 0, 1, 0)),
        ("dials", (1.1, 3, 0, 0.7, 0)),
        ("dials", (1, 1, 0, 1, 1)),
    ],
)
def test_sampling_explorer(name, values, explorer):
    data = data_of(name)
    page, app = explorer(name)
    sliders = app.get_by_role("slider").all()
    settings = dict(zip(data["settings"], values, strict=True))
    for slider, (dial, value) in zip(sliders, settings.items(), strict=True):
        slide(slider, 51 if dial == "top_k" and value == 0 else value)
    seed = app.get_by_label("Seed")
    seed.fill("7")
    seed.press("Tab")
    rows = app.locator("tbody tr")

    for number, prompt in enumerate(data["prompts"]):
        app.get_by_role("combobox").select_option(index=number)
        logits = np.array(prompt["logits"])
        order = np.argsort(-logits, kind="stable")
        before = softmax(logits)
        if settings["temperature"]:
            after = sampling.past_dials(logits, prompt["ids"], settings)
        else:
            penalty = settings.get("repetition_penalty", 1)
            step = load_solution(16)
            penalized = step.penalize_repetition(logits, prompt["ids"], penalty)
            after = np.eye(len(logits))[penalized.argmax()]
        app.get_by_role("button", name="Draw 100").press("Enter")
        ends = after[order].cumsum()
        counts = np.bincount(
            order[[int((ends <= u * ends[-1]).sum()) for u in draws(7, 100)]],
            minlength=len(logits),
        )
        shown = [row.locator("th, td").all_inner_texts() for row in rows.all()]
        for token, cells in zip(order[: data["bars"]], shown, strict=False):
            share = words.percent(words.per_mille(after[token]))
            assert cells[0] == sampling.marked(data, prompt["ids"], token)
            assert cells[2] == words.percent(words.per_mille(before[token]))
            assert cells[3] == (share if after[token] else "out")
            assert int(cells[4]) == counts[token]
        others = order[data["bars"] :]
        assert int(shown[-1][4]) == counts[others].sum()
        app.get_by_role("button", name="Start over").click()
        app.get_by_role("button", name="Draw", exact=True).click()
        first = order[int((ends <= next(draws(7, 1)) * ends[-1]).sum())]
        says = app.get_by_role("status").inner_text()
        assert data["tokens"][first].strip() in says

    sliders[list(settings).index("temperature")].focus()
    page.keyboard.press("End")
    page.keyboard.press("Home")
    assert app.get_by_role("status").inner_text().startswith("Only “")


def test_residual_explorer(explorer):
    data = data_of("residual")
    page, app = explorer("residual")
    address = page.url
    stop = app.get_by_role("slider")
    tokens = app.get_by_role("radio")
    rows = app.locator("tbody tr")

    def assert_shows(sentence, stage, at):
        places = sentence["stages"][stage]
        marks = ["✓" if p.get("next", [0, 0])[1] == 1 else "→" for p in places]
        assert app.locator(".tokens small").all_inner_texts() == [
            f"{mark} {words.shown(place['top'][0])}"
            for mark, place in zip(marks, places, strict=True)
        ]
        says = app.get_by_role("status").inner_text()
        best, share = places[at]["top"][:2]
        assert f"“{words.shown(best)}”" in says
        assert f"({words.percent(share)})" in says
        assert f"{marks.count('✓')} of {len(places) - 1} next tokens" in says
        for row, each in zip(rows.all(), sentence["stages"], strict=True):
            top = each[at]["top"]
            pairs = zip(top[::2], top[1::2], strict=True)
            expected = " ".join(
                f"{words.shown(t)} {words.percent(s)}" for t, s in pairs
            )
            assert " ".join(row.locator("td").first.inner_text().split()) == " ".join(
                expected.split()
            )
        assert rows.nth(stage).get_attribute("aria-current") == "true"

    sentence = data["sentences"][0]
    last = len(sentence["stages"]) - 1
    at = residual.start_of(sentence)
    assert_shows(sentence, last, at)
    for stage in range(last + 1):
        slide(stop, stage)
        assert_shows(sentence, stage, at)
    stop.focus()
    page.keyboard.press("ArrowLeft")
    assert_shows(sentence, last - 1, at)
    tokens.nth(3).click()
    assert_shows(sentence, last - 1, 3)
    page.keyboard.press("ArrowLeft")
    assert_shows(sentence, last - 1, 2)
    page.keyboard.press("End")
    assert_shows(sentence, last - 1, len(sentence["tokens"]) - 1)
    assert page.url == address, "mdBook turned the page"
    for number, sentence in enumerate(data["sentences"]):
        app.get_by_role("combobox").select_option(index=number)
        assert_shows(sentence, last - 1, residual.start_of(sentence))


@pytest.mark.parametrize("name", EXPLORERS)
def test_explorer_answers_a_finger(name, explorer):
    _, app = explorer(name, width=360, has_touch=True, is_mobile=True)
    status = app.get_by_role("status")
    before = status.inner_text()
    answering(app, name).tap()
    assert status.inner_text() != before


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_explorers_are_accessible_when_used(theme, visit, page_of):
    """In the states with the strongest colours, and on a phone."""
    visited = visit(width=360, color_scheme=theme)
    for name in EXPLORERS:
        page = visited.go(page_of(name))
        app = page.locator(f'figure[data-explorer="{name}"] .explorer-app')
        if name in {"attention", "residual"}:
            app.get_by_role("combobox").select_option(index=3)
        if name in {"chain", "cache", "pages"}:
            app.get_by_role("slider").press("End")
        elif name == "rounding":
            app.get_by_role("combobox").select_option(index=1)
        elif name == "speculation":
            app.get_by_role("slider").fill("3")
        elif name == "live":
            app.get_by_role("button").first.click()
        elif name in {"sampling", "dials"}:
            app.get_by_role("button", name="Draw", exact=True).click()
        elif name == "mask":
            for slider in app.get_by_role("slider").all():
                slider.fill(slider.get_attribute("max"))
            app.locator("tbody td").last.click()
        else:
            app.get_by_role("radio").first.click()
        assert faults_of(page, part=f'figure[data-explorer="{name}"]') == []
        assert page.evaluate(OVERFLOWING) == []


@pytest.mark.parametrize("name", EXPLORERS)
def test_focus_is_visible(name, visit, page_of):
    page = visit().go(page_of(name))
    app = page.locator(f'figure[data-explorer="{name}"] .explorer-app')
    parts = app.locator("button, select, input, textarea, [tabindex]")
    parts = parts.filter(visible=True).all()
    page.keyboard.press("Tab")  # from here on, focus is the keyboard's
    for part in parts[:8]:
        part.focus()
        style = (
            "e => getComputedStyle(e).outlineStyle + getComputedStyle(e).outlineWidth"
        )
        assert part.evaluate(style) == "solid3px"


@pytest.mark.parametrize("name", EXPLORERS)
def test_without_javascript_the_picture_is_there(name, anywhere, visit, page_of):
    page = visit(anywhere, width=360, java_script_enabled=False).go(page_of(name))
    picture = page.locator(f'figure[data-explorer="{name}"] .explorer-static')
    assert picture.is_visible()
    assert picture.bounding_box()["height"] > 100
    texts = picture.locator('svg[role="img"][aria-label], table caption')
    assert texts.count() == 1
    assert page.locator(".explorer-app").count() == 0


@pytest.mark.parametrize("name", EXPLORERS)
def test_picture_stays_when_the_data_do_not_come(name, visit, page_of):
    visited = visit()
    visited.page.route("**/*.data.js", lambda route: route.abort())
    page = visited.go(page_of(name))
    assert page.locator(f'figure[data-explorer="{name}"] .explorer-static').is_visible()
    assert page.locator(f'figure[data-explorer="{name}"] .explorer-app').count() == 0
    assert visited.faults  # The console says so; and this test that faults are seen.
    visited.faults.clear()
