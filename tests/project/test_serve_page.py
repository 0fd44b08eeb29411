"""The page of `course serve`, in a browser and with a model behind it.

The tests need Chromium and Playwright; elsewhere they are skipped.
"""

import json
import re
import urllib.request
from urllib.parse import urlsplit

import pytest

from tests.project.browser import (
    FLAGS,
    OVERFLOWING,
    faults_of,
    file_server,
    find_chromium,
)

BEGINNING = "Once upon a time"
UNREACHABLE = "The server cannot be reached."


def ask(server, path, **request):
    """What the API answers to GET, or with a request to POST."""
    data = json.dumps(request).encode() if request else None
    headers = {"Content-Type": "application/json"}
    asked = urllib.request.Request(f"{server}{path}", data, headers)
    with urllib.request.urlopen(asked, timeout=60) as response:
        return json.load(response)


@pytest.fixture(scope="module")
def model(server):
    return ask(server, "/v1/models")["data"][0]["id"]


@pytest.fixture
def greedily(server, model):
    """How the API goes on with a text, always with the most likely token."""

    def complete(prompt, max_tokens):
        options = {"model": model, "max_tokens": max_tokens, "temperature": 0}
        body = ask(server, "/v1/completions", prompt=prompt, **options)
        return body["choices"][0]["text"]

    return complete


@pytest.fixture
def chat(visit):
    """Open the page, with settings; the model's text is the same each time."""

    def start(settings=(), **options):
        visited = visit(**options)
        page = visited.go("")
        page.get_by_text("Settings").click()
        chosen = {"Temperature": 0, "Most new tokens": 40} | dict(settings)
        for label, value in chosen.items():
            page.get_by_label(label).fill(str(value))
        return visited

    return start


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory, server):
    """Pages of another origin."""
    folder = tmp_path_factory.mktemp("elsewhere")
    icon = '<!DOCTYPE html><link rel="icon" href="data:,">'
    (folder / "link.html").write_text(f'{icon}<a href="{server}/">Write</a>')
    (folder / "frame.html").write_text(f'{icon}<iframe src="{server}/"></iframe>')
    with file_server(folder) as port:
        yield f"http://localhost:{port}"


def write(page, text):
    page.locator("#prompt").fill(text)
    page.get_by_role("button", name="Write").click()


def text_of(page):
    return page.get_by_role("log").text_content()


def wait_until_done(page):
    page.locator('#text[aria-busy="false"]').wait_for(state="attached")


def stub(page, status=200, body="", **options):
    """Let the page find this in place of the API's answer."""
    page.route(
        "**/v1/completions",
        lambda route: route.fulfill(status=status, body=body, **options),
    )


# Writing


def test_model_has_its_name(chat, model):
    page = chat().page
    page.get_by_text(model, exact=True).wait_for()


def test_text_is_the_greedy_one(chat, greedily):
    page = chat().page
    write(page, BEGINNING)
    wait_until_done(page)
    assert text_of(page) == BEGINNING + greedily(BEGINNING, 40)


def test_text_grows(chat):
    page = chat().page
    page.evaluate("""() => {
        window.lengths = [];
        const text = document.getElementById("text");
        new MutationObserver(() => window.lengths.push(
            [text.textContent.length, text.getAttribute("aria-busy")]
        )).observe(text, { childList: true, subtree: true });
    }""")
    write(page, BEGINNING)
    wait_until_done(page)
    lengths = page.evaluate("window.lengths")
    busy = [length for length, is_busy in lengths if is_busy == "true"]
    assert busy == sorted(busy)
    assert len(set(busy)) >= 10
    speed = page.locator("#speed").inner_text()
    count, rate = re.match(r"(\d+) tokens · (\d+) tokens per second", speed).groups()
    assert int(count) == 40
    assert int(rate) > 5


def test_goes_on(chat, greedily):
    """With what there is, then with words of the reader."""
    page = chat({"Most new tokens": 10}).page
    page.locator("#prompt").fill(BEGINNING)
    page.locator("#prompt").press("Enter")
    wait_until_done(page)
    expected = BEGINNING + greedily(BEGINNING, 10)
    assert text_of(page) == expected
    page.get_by_role("button", name="Go on").click()
    page.wait_for_function(
        "n => document.getElementById('text').textContent.length > n", arg=len(expected)
    )
    wait_until_done(page)
    expected += greedily(expected, 10)
    assert text_of(page) == expected
    page.locator("#prompt").fill("The owl")
    page.locator("#prompt").press("Enter")
    wait_until_done(page)
    expected += " The owl"
    assert text_of(page) == expected + greedily(expected, 10)


def test_goes_on_to_the_end_of_the_context(chat, server, model):
    """As far as the model reads, though more is asked for."""
    visited = chat({"Most new tokens": 250})
    page = visited.page
    most = ask(server, "/v1/models")["data"][0]["max_model_len"]
    beginning = "the fox " * 40
    usage = ask(
        server,
        "/v1/completions",
        **{"model": model, "prompt": beginning.strip(), "max_tokens": 1},
    )["usage"]
    room = most - usage["prompt_tokens"]
    assert room < 250
    # Without an end before: a text of tokens that are all the same.
    page.route(
        "**/v1/completions",
        lambda route: route.continue_(
            post_data=json.dumps({**route.request.post_data_json, "ignore_eos": True})
        ),
    )
    write(page, beginning)
    wait_until_done(page)
    assert re.match(f"{room} tokens", page.locator("#speed").inner_text())
    assert page.get_by_role("alert").is_hidden()
    visited.faults.clear()


def test_new_text(chat):
    page = chat({"Most new tokens": 5}).page
    write(page, BEGINNING)
    wait_until_done(page)
    page.get_by_role("button", name="New text").click()
    assert text_of(page) == ""
    assert page.get_by_label("The beginning of a text").evaluate(
        "element => element === document.activeElement"
    )


def test_shift_enter_is_a_new_line(chat):
    page = chat().page
    page.locator("#prompt").press_sequentially("One")
    page.locator("#prompt").press("Shift+Enter")
    page.locator("#prompt").press_sequentially("two")
    assert page.locator("#prompt").input_value() == "One\ntwo"
    assert text_of(page) == ""


def test_seed_makes_the_same_text(chat):
    texts = []
    for _ in range(2):
        page = chat({"Temperature": 1, "Seed": 7, "Most new tokens": 20}).page
        write(page, BEGINNING)
        wait_until_done(page)
        texts.append(text_of(page))
    assert texts[0] == texts[1] != BEGINNING


def test_example_begins_a_text(chat):
    page = chat({"Most new tokens": 5}).page
    page.get_by_role("button", name=BEGINNING).click()
    wait_until_done(page)
    assert len(text_of(page)) > len(BEGINNING)


def test_text_is_not_markup(chat):
    page = chat({"Most new tokens": 5}).page
    write(page, "<b onclick='x'>The fox</b>")
    wait_until_done(page)
    assert text_of(page).startswith("<b onclick='x'>The fox</b>")
    assert page.locator("#text b").count() == 0


# Stopping


def test_stop_stops(chat):
    """A server that never ends is left, and the text so far stays."""
    page = chat().page
    # The first words of an answer; then nothing more comes, and no end.
    page.evaluate("""() => {
        const event = { choices: [{ text: " there", token_ids: [5] }] };
        window.fetch = async (address, { signal }) => new Response(new ReadableStream({
            start(controller) {
                const data = `data: ${JSON.stringify(event)}\\n\\n`;
                controller.enqueue(new TextEncoder().encode(data));
                signal.addEventListener("abort", () => {
                    window.aborted = true;
                    controller.error(signal.reason);
                });
            },
        }));
    }""")
    write(page, BEGINNING)
    page.get_by_text("there").wait_for()
    page.get_by_role("button", name="Stop").click()
    wait_until_done(page)
    assert page.evaluate("window.aborted")
    assert text_of(page) == f"{BEGINNING} there"
    assert "stopped" in page.locator("#speed").inner_text()
    assert page.get_by_role("alert").is_hidden()
    assert page.get_by_role("button", name="Go on").is_visible()


def test_stop_stops_the_real_server(chat, greedily):
    page = chat({"Most new tokens": 200}).page
    page.evaluate("""() => new MutationObserver(() => {
        if (document.getElementById("text").textContent.length > 60) {
            document.getElementById("stop").click();
        }
    }).observe(document.getElementById("text"), { childList: true, subtree: true })""")
    write(page, BEGINNING)
    wait_until_done(page)
    whole = BEGINNING + greedily(BEGINNING, 200)
    assert whole.startswith(text_of(page))
    assert 60 < len(text_of(page)) < len(whole)


# From whom


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "app.localhost"])
def test_by_every_name(visit, server, name):
    port = urlsplit(server).port
    page = visit(base=f"http://{name}:{port}").go("")
    write(page, BEGINNING)
    wait_until_done(page)
    assert page.get_by_role("alert").is_hidden()
    assert len(text_of(page)) > len(BEGINNING)


def test_link_from_elsewhere(visit, server, elsewhere):
    """Following a link to the page is fine; showing it within another is not."""
    visited = visit(base=elsewhere)
    page = visited.go("link.html")
    page.get_by_text("Write").click()
    page.wait_for_url(f"{server}/")
    page.get_by_text("demo", exact=True).wait_for()
    page = visited.go("frame.html")
    page.wait_for_timeout(500)
    assert not page.frames[1].locator("#prompt").count()
    visited.faults.clear()


@pytest.mark.parametrize(
    "options",
    [
        "{method: 'POST', body}",
        "{method: 'POST', body, mode: 'no-cors'}",
        "{method: 'POST', body: new Blob([body]), mode: 'no-cors'}",
        "{method: 'POST', body, headers: {'Content-Type': 'application/json'}}",
        "{method: 'GET'}",
        "{method: 'GET', mode: 'no-cors'}",
    ],
)
def test_requests_from_elsewhere(visit, server, elsewhere, options):
    """What a page of another origin sends is refused, and it cannot read why."""
    visited = visit(base=elsewhere)
    page = visited.go("link.html")
    path = "/v1/models" if "GET" in options else "/v1/completions"
    seen = []
    page.on("response", lambda response: seen.append((response.url, response.status)))
    read = page.evaluate(f"""async () => {{
        const body = '{{"prompt": "The", "max_tokens": 2}}';
        try {{
            const answer = await fetch("{server}{path}", {options});
            return await answer.text();
        }} catch {{
            return null;
        }}
    }}""")
    assert not read
    assert (f"{server}{path}", 200) not in seen
    visited.faults.clear()


def test_rebinding(browser, server):
    """A name from elsewhere that points to this machine: nothing is shown."""
    port = urlsplit(server).port
    rule = "--host-resolver-rules=MAP evil.example 127.0.0.1"
    deceived = browser.browser_type.launch(
        executable_path=find_chromium(), args=[*FLAGS, rule]
    )
    page = deceived.new_page()
    for path in ("", "v1/models", "chat.js"):
        assert page.goto(f"http://evil.example:{port}/{path}").status == 403
        assert page.goto(f"http://localhost:{port}/{path}").status == 200
    deceived.close()


# What can go wrong


def assert_says(page, *words):
    alert = page.get_by_role("alert")
    alert.wait_for()
    for part in words:
        assert part in alert.inner_text()
    wait_until_done(page)


def test_error_of_the_server_is_shown(chat):
    """And what was written is not lost."""
    visited = chat()
    page = visited.page
    long = "the fox " * 300
    write(page, long)
    assert_says(page, "The server refused this (400)", "256")
    assert page.locator("#prompt").input_value() == long.strip()
    assert text_of(page) == ""
    write(page, BEGINNING)
    wait_until_done(page)
    assert page.get_by_role("alert").is_hidden()
    assert len(text_of(page)) > len(BEGINNING)
    visited.faults.clear()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"error": {"message": "It is broken."}}', "It is broken."),
        ("Bad gateway", "Bad gateway"),
    ],
)
def test_failure_is_shown(body, words, chat):
    visited = chat()
    page = visited.page
    stub(page, status=502, body=body)
    write(page, BEGINNING)
    assert_says(page, "The server failed (502)", words)
    visited.faults.clear()


def test_error_within_the_text_is_shown(chat):
    events = [
        {"choices": [{"text": " there"}]},
        {"error": {"message": "Internal server error."}},
    ]
    page = chat().page
    stub(page, body="".join(f"data: {json.dumps(event)}\n\n" for event in events))
    write(page, BEGINNING)
    assert_says(page, "The server failed: Internal server error.")
    assert text_of(page) == f"{BEGINNING} there"


def test_lost_connection_is_shown(chat):
    page = chat().page
    stub(page, body='data: {"choices": [{"text": " there"}]}\n\n')
    write(page, BEGINNING)
    assert_says(page, "The connection was lost")
    assert text_of(page) == f"{BEGINNING} there"


def test_server_that_is_gone_is_said(chat):
    visited = chat()
    page = visited.page
    page.route("**/v1/completions", lambda route: route.abort())
    write(page, BEGINNING)
    assert_says(page, UNREACHABLE)
    assert page.locator("#prompt").input_value() == BEGINNING
    visited.faults.clear()


def test_model_that_is_not_there_is_said(visit):
    visited = visit()
    visited.page.route("**/v1/models", lambda route: route.abort())
    page = visited.go("")
    assert_says(page, UNREACHABLE)
    visited.faults.clear()


def test_setting_out_of_range_is_said(chat):
    page = chat({"Temperature": 3}).page
    page.get_by_text("Settings").click()
    write(page, BEGINNING)
    assert page.get_by_label("Temperature").is_visible()
    assert text_of(page) == ""


# The looks


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_page_is_accessible(theme, chat):
    page = chat({"Most new tokens": 5}, color_scheme=theme).page
    assert faults_of(page) == []
    write(page, BEGINNING)
    wait_until_done(page)
    assert faults_of(page) == []
    stub(page, body="")
    page.get_by_role("button", name="Go on").click()
    assert_says(page, "The connection was lost")
    assert faults_of(page) == []


def test_dark_is_dark(chat):
    def brightness(theme):
        colour = chat(color_scheme=theme).page.evaluate(
            "getComputedStyle(document.body).backgroundColor"
        )
        return sum(map(int, re.findall(r"\d+", colour)[:3]))

    assert brightness("light") > 700
    assert brightness("dark") < 150


@pytest.mark.parametrize("width", [360, 1280])
def test_page_fits(width, chat):
    page = chat({"Most new tokens": 20}, width=width).page
    assert page.evaluate(OVERFLOWING) == []
    write(page, "A" * 200)
    wait_until_done(page)
    assert page.evaluate(OVERFLOWING) == []


def test_focus_is_visible_and_stays(chat):
    page = chat({"Most new tokens": 5}).page
    page.get_by_role("button", name="Write").focus()
    page.locator("#prompt").fill(BEGINNING)
    page.locator("#prompt").press("Tab")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) == "solid"
    page.keyboard.press("Enter")
    wait_until_done(page)
    assert page.evaluate("document.activeElement.id") == "write"
