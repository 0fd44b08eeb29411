"""`course bench` says what it measured, and leaves the project as it was."""

import json
import resource
import sys

import pytest

from course import cli
from course.bench import command, contender_process, results, serving
from course.steps import ROOT


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """What was measured last, in place of measuring for minutes."""
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    found = {}
    for name, module in (("bench", command), ("serve", serving)):
        path = ROOT / "bench" / "results" / f"{name}.json"
        found[name] = json.loads(path.read_text())
        # To be told from what was measured before.
        found[name]["machine"]["processor"] = f"new {name}"
        what = {"bench": "bench", "serve": "measure"}[name]
        answer = found[name]
        monkeypatch.setattr(module, what, lambda *_, answer=answer: answer)
    return found


def state():
    """All that `course bench` may write, with its text."""
    folders = (ROOT / "bench", ROOT / "book" / "src")
    files = (path for folder in folders for path in folder.rglob("*"))
    return {path: path.read_bytes() for path in files if path.is_file()}


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["course", "bench", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.app()
    return ended.value.code


@pytest.mark.parametrize("options", [(), ("--serve",)])
def test_json_and_nothing_else(measured, monkeypatch, capfd, options):
    """The results of this run on stdout, and no file is written."""
    before = state()
    assert run(monkeypatch, *options, "--json") == 0
    out, _ = capfd.readouterr()
    assert json.loads(out) == measured["serve" if options else "bench"]
    assert state() == before
    assert not results.FOLDER.exists()


@pytest.mark.parametrize("options", [(), ("--serve",)])
def test_kept_when_asked(measured, monkeypatch, capfd, options):
    """`--save` keeps the results; stdout is still the JSON alone."""
    assert run(monkeypatch, *options, "--json", "--save") == 0
    out, errors = capfd.readouterr()
    name = "serve" if options else "bench"
    assert json.loads(out) == measured[name]
    assert json.loads((results.FOLDER / f"{name}.json").read_text()) == measured[name]
    assert "written to" in errors


def test_a_table_for_people(measured, monkeypatch, capfd):
    """Without --json, tables, and still no file."""
    before = state()
    assert run(monkeypatch) == 0
    assert "Tokens per second" in capfd.readouterr().out
    assert state() == before


@pytest.mark.parametrize(("platform", "unit"), [("linux", 1024), ("darwin", 1)])
def test_peak_memory_without_proc(monkeypatch, platform, unit):
    """Where there is no /proc: kilobytes on Linux, bytes on macOS."""
    monkeypatch.setattr(contender_process, "Path", lambda _: contender_process)
    monkeypatch.setattr(contender_process, "read_text", missing, raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert contender_process.peak_memory() >= most * unit
    assert contender_process.peak_memory() < 2 * most * unit


def missing(**_):
    raise FileNotFoundError
