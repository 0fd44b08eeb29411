"""`course bench` says what it measured, and leaves the project as it was."""

import json
import resource
import subprocess
import sys

import pytest
from rich.console import Console

from course import cli
from course.bench import command, contender_process, results, serving
from course.bench.contenders import CONTENDERS, peers
from course.bench.figures import COMPARED, OURS, best_peer, comparisons, goals
from course.bench.models import make_gpt2
from course.bench.tables import print_tables
from course.errors import Misuse
from course.process.launcher import environment
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


# ---- dtype by dtype


def invented(*names):
    """Results as if these had taken part: the n-th needs n seconds, then n + 1."""
    return {
        "machine": {"cores": 2, "processor": "a processor", "features": ["avx2"]},
        "weights_bytes": 497_774_208,
        "read_bandwidth": [20e9],
        "left_out": {"OpenVINO": "not installed: openvino"},
        "seconds": {
            name: {
                **{task: [float(n), n + 1.0] for task in COMPARED},
                "first token at 16": [n / 2, n / 2],
            }
            for n, name in enumerate(names, 1)
        },
        "peak_bytes": {},
        "same_tokens": dict.fromkeys(names, True),
        "start": {},
    }


def test_like_is_compared_with_like():
    """Each of the others beside ours in its dtype, in every task, round by round."""
    measured = invented("kernels int8", "CTranslate2 int8", "Hugging Face", "kernels")
    found = list(comparisons(measured))
    assert {(each.dtype, each.peer) for each in found} == {
        ("int8", "CTranslate2 int8"),
        ("float32", "Hugging Face"),
    }
    assert [each.task for each in found if each.dtype == "int8"] == list(COMPARED)
    for each in found:
        in_int8 = each.dtype == "int8"
        assert each.ratios == ([2 / 1, 3 / 2] if in_int8 else [3 / 4, 4 / 5])
        assert each.verdict == ("won" if in_int8 else "lost")


def test_the_best_is_the_fastest():
    """Whoever of the others in that dtype needs the least."""
    measured = invented("CTranslate2 int8", "OpenVINO", "CTranslate2", "Hugging Face")
    assert best_peer(measured, "float32", "prompt 16") == "OpenVINO"
    assert best_peer(measured, "bfloat16", "prompt 16") is None


def test_every_goal_is_shown(capsys):
    """Won, lost, or not measured: no line is left out, nor who did not take part."""
    measured = invented("kernels int8", "CTranslate2 int8", "kernels", "Hugging Face")
    verdicts = {goal.name: goal.verdict for goal in goals(measured)}
    assert len(verdicts) == len(goals(invented()))
    assert verdicts["prefill of 512, int8, over CTranslate2 int8"] == "won"
    assert "not measured" in verdicts.values()
    print_tables(measured, Console(width=160))
    said = capsys.readouterr().out
    for name in verdicts:
        assert name in said
    assert "not measured: OpenVINO; not installed: openvino" in said
    assert "2 cores, a processor: avx2" in said


def test_everybody_has_a_dtype_of_ours():
    """So no contender's figures are dropped unseen."""
    assert {entry.dtype for entry in CONTENDERS.values()} == {*OURS}


def test_an_unknown_contender():
    """Named, with those there are."""
    with pytest.raises(Misuse, match=r"--only 'kernel': .* There are: eager, compiled"):
        command.bench(1, ["kernel"], False, Console(quiet=True))


@pytest.fixture(scope="module")
def small_gpt2(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench") / "gpt2"
    make_gpt2(folder, n_layer=2, n_embd=64, n_head=2, n_positions=64)
    return folder


PROMPTS = [[[5, 50_000, 77]], [[1, 2, 3, 4], [9, 8, 7, 6], [50, 60, 70, 80]]]
WRITE = """
import json, sys
from pathlib import Path
from course.bench.contenders import CONTENDERS
name, folder, prompts = sys.argv[1:]
contender = CONTENDERS[name].kind(Path(folder), "float32")
texts = [contender.generate(p, n) for p in json.loads(prompts) for n in (6, 1)]
print(json.dumps(texts))
"""


def written(name, folder):
    """What a contender writes, in a process of its own: some end one that has MAX."""
    arguments = [sys.executable, "-c", WRITE, name, folder, json.dumps(PROMPTS)]
    ran = subprocess.run(
        arguments,
        capture_output=True,
        text=True,
        check=False,
        env=environment(PYTHONPATH=str(ROOT)),
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", peers("float32")[1:])
def test_peers_write_what_hugging_face_writes(small_gpt2, name):
    """So the others are given the same model, and do the same work."""
    if missing := CONTENDERS[name].missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    assert written(name, small_gpt2) == written("Hugging Face", small_gpt2)
