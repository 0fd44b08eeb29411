"""The cached answers of Hugging Face: used again only where they are still true."""

import os
import shutil
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from course.check import answers
from course.check.answers import Expected


def compute(case):
    """Stands for a check's question to Hugging Face; counts how often it is asked."""
    compute.asked += 1
    weights = {"a.weight": np.full((2, 3), float(len(str(case))), dtype=np.float32)}
    return Expected(weights, (np.arange(3),), np.ones(2))


@pytest.fixture(autouse=True)
def _fresh(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compute.asked = 0


def ask(cases=("x", "yy")):
    """Ask about the second case, as another process would."""
    return answers.reference(cases)(compute)("yy")


def cached_file():
    [path] = answers.cache_folder().iterdir()
    return path


def test_asked_only_once():
    """The second time, everything comes from the file, unchanged."""
    first = ask()
    assert compute.asked == 2
    again = ask()
    assert compute.asked == 2
    np.testing.assert_array_equal(again.weights["a.weight"], first.weights["a.weight"])
    np.testing.assert_array_equal(again.inputs[0], first.inputs[0])
    np.testing.assert_array_equal(again.output, first.output)
    assert again.output.dtype == first.output.dtype


def test_deleted():
    """Without the file, Hugging Face is asked again."""
    ask()
    cached_file().unlink()
    ask()
    assert compute.asked == 4


def test_other_versions(monkeypatch):
    """Answers of another version of a library are not used."""
    ask()
    monkeypatch.setattr(answers.importlib.metadata, "version", lambda name: "99")
    ask()
    assert compute.asked == 4


def test_other_cases():
    """Answers to other cases are not used."""
    ask()
    ask(("x", "yy", "zzz"))
    assert compute.asked == 5


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json"])
def test_other_demo_model(file, tmp_path, monkeypatch):
    """Answers about another demo model, or with another tokenizer, are not used."""
    model = tmp_path / "model"
    shutil.copytree(answers.DEMO_MODEL, model)
    monkeypatch.setattr(answers, "DEMO_MODEL", model)
    ask()
    ask()
    assert compute.asked == 2
    data = bytearray((model / file).read_bytes())
    data[-2] ^= 1
    (model / file).write_bytes(data)
    ask()
    assert compute.asked == 4


@pytest.mark.parametrize(
    "cases",
    [
        ("x/y", "yy"),
        ("yy", "yy/output", "yy/weight/a.weight"),
        ("", "yy", "/"),
        ({"top_p": 0.5}, "yy", "a\nb"),
        ("yy", "yy", "x"),
    ],
    ids=str,
)
def test_names_of_cases(cases):
    """A case may be called anything; it is found again under its name."""
    first, again = (answers.reference(cases)(compute) for _ in range(2))
    for case in cases:
        value = first(case).weights["a.weight"]
        asked = compute.asked
        assert again(case).weights.keys() == {"a.weight"}
        np.testing.assert_array_equal(again(case).weights["a.weight"], value)
        np.testing.assert_array_equal(again(case).output, first(case).output)
        assert compute.asked == asked


@pytest.mark.parametrize("where", [0, 70, -1])
def test_tampered(where):
    """One changed byte, and the file is not believed."""
    ask()
    path = cached_file()
    data = bytearray(path.read_bytes())
    data[where] ^= 1
    path.write_bytes(data)
    ask()
    assert compute.asked == 4


def test_cut_short():
    """Half a file is not believed."""
    ask()
    path = cached_file()
    path.write_bytes(path.read_bytes()[:100])
    ask()
    assert compute.asked == 4


def test_not_writable(capsys, monkeypatch):
    """A cache that cannot be written is slower, and that is said once."""
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    answers._say_once.cache_clear()
    ask()
    ask()
    assert compute.asked == 4
    assert capsys.readouterr().err.count("cannot be written") == 1


def test_no_pickle(tmp_path):
    """The file holds plain arrays: nothing in it can run."""
    ask()
    content = cached_file().read_bytes()[64:]
    (tmp_path / "plain.npz").write_bytes(content)
    with np.load(tmp_path / "plain.npz", allow_pickle=False) as arrays:
        assert "1/output" in arrays.files


def test_private():
    """Nobody else on the machine can write the answers."""
    ask()
    if sys.platform != "win32":
        mode = stat.S_IMODE(os.stat(Path(cached_file())).st_mode)
        assert not mode & 0o022
