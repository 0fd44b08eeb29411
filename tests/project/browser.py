"""What the tests in a browser share; the fixtures are in conftest.py."""

import contextlib
import functools
import http.server
import shutil
import sys
import threading
from pathlib import Path

import pytest

FLAGS = [
    "--no-sandbox",
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


NO_BROWSER = (
    "no browser found: install `chromium` (Debian, Fedora, Arch) or `chromium-browser` "
    "(Ubuntu), or Google Chrome"
)


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *_):
        """Say nothing."""


@contextlib.contextmanager
def file_server(folder):
    """The port of a server of the files in a folder, on this machine."""
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield httpd.server_port
        httpd.shutdown()


def find_chromium():
    """The path of Chromium, or None."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if sys.platform == "darwin" and path is None:
        app = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
        path = app if Path(app).exists() else None
    return path


NO_FIREFOX = "no Firefox found: install `firefox-esr` (Debian) or `firefox`"


def find_firefox():
    """The path of Firefox, or None."""
    path = next(filter(None, map(shutil.which, ("firefox-esr", "firefox"))), None)
    app = Path("/Applications/Firefox.app/Contents/MacOS/firefox")
    return str(app) if path is None and app.exists() else path


class Visit:
    """A page that notes what goes wrong, and what it asks for."""

    def __init__(self, context, base):
        self.base = base
        self.faults = []
        self.page = context.new_page()
        self.page.set_default_timeout(10_000)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", self.note)
        self.page.on("request", self.asked)

    def note(self, message):
        if message.type in {"error", "warning"}:
            self.faults.append(f"console: {message.text}")

    def asked(self, request):
        if not request.url.startswith((self.base, "data:", "blob:")):
            self.faults.append(f"asks for {request.url}")

    def go(self, name):
        self.page.goto(f"{self.base}/{name}")
        return self.page


OVERFLOWING = """() => {
    const width = document.documentElement.clientWidth;
    const scrolls = (element) => {
        for (let e = element; e && e !== document.body; e = e.parentElement) {
            if (["auto", "scroll", "hidden"].includes(getComputedStyle(e).overflowX)) {
                return true;
            }
        }
        return false;
    };
    const wide = [...document.querySelectorAll("main *")].filter((element) => {
        const box = element.getBoundingClientRect();
        return box.width > 0 && (box.right > width + 1 || box.left < -1) &&
            !scrolls(element) && element.checkVisibility();
    });
    const names = wide.map((e) => e.outerHTML.slice(0, 80));
    if (document.documentElement.scrollWidth > width) {
        names.push(`the page is ${document.documentElement.scrollWidth} wide`);
    }
    return names;
}"""


def faults_of(page, part=None, rules=None):
    """What axe-core finds serious or critical."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    options = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = rules
    response = axe.Axe().run(page, context=part, options=options).response
    return [
        (fault["id"], node["target"], node["failureSummary"])
        for fault in response["violations"]
        if fault["impact"] in {"serious", "critical"}
        for node in fault["nodes"]
    ]
