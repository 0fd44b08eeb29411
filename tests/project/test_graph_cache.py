"""Graphs that are kept on disk: found again, and never a wrong one."""

import numpy as np
import pytest
from max.driver import CPU
from max.dtype import DType
from max.experimental.nn import Linear
from max.experimental.tensor import Tensor
from max.graph import TensorType

from course.model import graph_cache

WEIGHTS = {
    "weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "bias": np.ones(2, dtype=np.float32),
}
X = np.array([[1, 2, 3]], dtype=np.float32)


@pytest.fixture(scope="module")
def compiled():
    """A layer, compiled."""
    x_type = TensorType(DType.float32, ["rows", 3], device=CPU())
    return Linear(3, 2).compile(x_type, weights=WEIGHTS)


@pytest.fixture
def compile_it(compiled):
    """Hands over the compiled layer, and counts how often."""

    def run():
        run.count += 1
        return compiled

    run.count = 0
    return run


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def load(key, compile_it, weights=WEIGHTS):
    graph = graph_cache.kept_or_compiled(key, compile_it, weights, CPU())
    return graph(Tensor.from_dlpack(X)).to_numpy()


def test_compiled_once(cache, compile_it, monkeypatch):
    """The second time the graph comes from the disk, with the weights of that time."""
    expected = X @ WEIGHTS["weight"].T + WEIGHTS["bias"]
    np.testing.assert_allclose(load("a", compile_it), expected)
    np.testing.assert_allclose(load("a", compile_it), expected)
    other = {**WEIGHTS, "bias": np.zeros(2, dtype=np.float32)}
    np.testing.assert_allclose(load("a", compile_it, other), expected - 1)
    assert compile_it.count == 1

    # Another key, another processor, another version: compiled anew.
    load("b", compile_it)
    assert compile_it.count == 2
    elsewhere = cache / "cpuinfo"
    elsewhere.write_text("model name : another\n")
    with monkeypatch.context() as patch:
        patch.setattr(graph_cache, "PROCESSOR", elsewhere)
        load("a", compile_it)
    assert compile_it.count == 3
    with monkeypatch.context() as patch:
        patch.setattr("importlib.metadata.version", lambda name: "99.0")
        load("a", compile_it)
    assert compile_it.count == 4


class Card:
    """What a graph's key looks at of an accelerator."""

    is_host = False
    api = "cuda"

    def __init__(self, architecture_name, model_name):
        self.architecture_name = architecture_name
        self.model_name = model_name

    def __repr__(self):
        return "Device(type=gpu,id=0)"


def test_accelerators_told_apart():
    """Every card is `gpu:0` to MAX; one's graph is not another's."""
    cards = [Card("sm_80", "A100"), Card("sm_90", "H100"), Card("sm_90", "H200")]
    assert len({graph_cache._digest("a", card) for card in cards}) == len(cards)


@pytest.mark.parametrize("damage", [b"", b"not a graph", None])
def test_damaged(cache, compile_it, damage, caplog):
    """A file that is cut off or no graph at all is compiled and written again."""
    expected = load("a", compile_it)
    [path] = (cache / "gpt2-from-scratch-in-max" / "graphs").iterdir()
    path.write_bytes(path.read_bytes()[:1000] if damage is None else damage)
    np.testing.assert_array_equal(load("a", compile_it), expected)
    assert compile_it.count == 2
    assert str(path) in caplog.text  # Or a defect would compile anew each time, unseen.
    load("a", compile_it)
    assert compile_it.count == 2


def test_defects_show(cache, compile_it):
    """What is wrong with us is not mended by compiling, and not hidden by it."""
    load("a", compile_it)
    with pytest.raises(ValueError, match="bias"):
        load("a", compile_it, {"weight": WEIGHTS["weight"]})
    assert compile_it.count == 1


def test_no_cache(tmp_path, monkeypatch, compile_it):
    """Where nothing can be written, it is compiled every time."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    load("a", compile_it)
    load("a", compile_it)
    assert compile_it.count == 2
