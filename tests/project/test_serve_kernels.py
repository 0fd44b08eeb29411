"""Which kernels `course serve` runs on, and in which dtype."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from course.errors import Misuse
from course.model.instructions import Instructions
from course.model.kernel_package import KERNELS, KernelsUnavailable
from course.serve import kernels
from course.serve.kernels import find_sources, use_kernels
from course.skeleton import make_skeleton
from course.steps import STEPS, get_step
from tests.project.finished import finish
from tests.project.serving import Served

PROMPTS = ["The", "Once upon a time", "A little fox ran to the " * 5, "“Who is there?”"]


@pytest.fixture
def told(monkeypatch):
    """What the process of the server tells its parent."""
    notes = []
    monkeypatch.setattr(kernels.parent, "tell", lambda note: notes.append(note))
    return notes


@pytest.fixture
def folder(tmp_path):
    """A model that was handed over, as far as it matters."""
    (tmp_path / "config.json").write_text('{"n_layer": 4}')
    return tmp_path


def config(folder):
    return json.loads((folder / "config.json").read_text())


def test_solutions_run_on_ours():
    assert find_sources("solutions", "int8") == KERNELS


def test_readers_kernel_is_among_them(tmp_path, monkeypatch):
    """Of a reader who has done Part II, it is their Mojo file that is compiled."""
    finish(tmp_path, STEPS)
    mojo_file = tmp_path / "step_17.mojo"
    mojo_file.write_text(mojo_file.read_text() + "\n# mine\n")
    monkeypatch.setenv("COURSE_STEPS_DIR", str(tmp_path))
    sources = find_sources("steps", "float32")
    assert (sources / "few_rows.mojo").read_text() == mojo_file.read_text()


def test_without_part_two(tmp_path, monkeypatch):
    """Stock operations serve the reader's Part I; in other dtypes nothing does."""
    finish(tmp_path, STEPS)
    (tmp_path / "step_15.py").write_text(make_skeleton(get_step(15)))
    monkeypatch.setenv("COURSE_STEPS_DIR", str(tmp_path))
    assert find_sources("steps", "float32") is None
    with pytest.raises(Misuse, match="--dtype int8 needs the kernels of step 17"):
        find_sources("steps", "int8")


def test_kernels_are_named(folder, told, monkeypatch):
    """config.json names them, and the user is told."""
    fast = Instructions({"int8": "dot products, tiles"})
    monkeypatch.setattr(kernels, "package", lambda sources: sources / "k.mojoc")
    monkeypatch.setattr(kernels, "instructions", lambda _: fast)
    use_kernels(folder, "int8", folder, on_cpu=True)
    named = {"package": str(folder / "k.mojoc"), "dtype": "int8"}
    assert config(folder) == {"n_layer": 4, "mojo_kernels": named}
    assert told == ["using Mojo kernels, int8 weights in dot products and tiles"]


def no_package(sources):
    raise KernelsUnavailable("few_rows.mojo: error: no.")


@pytest.mark.parametrize(
    ("on_cpu", "why"),
    [(True, "few_rows.mojo: error: no."), (False, "The Mojo kernels are for the CPU.")],
)
def test_no_kernels(folder, told, monkeypatch, on_cpu, why):
    """One sentence, and MAX's operations; in other dtypes there are none."""
    monkeypatch.setattr(kernels, "package", no_package)
    use_kernels(KERNELS, "float32", folder, on_cpu)
    assert config(folder) == {"n_layer": 4}
    assert told == [f"{why} Using MAX's own operations instead."]
    with pytest.raises(Misuse, match=f"--dtype bfloat16 needs the kernels. {why}"):
        use_kernels(KERNELS, "bfloat16", folder, on_cpu)


@pytest.mark.thorough
def test_int8_like_course_generate(course):
    """In batches of mixed lengths, the tokens of `course generate --dtype int8`."""
    with Served("--dtype", "int8") as server:
        client = server.client()

        def ask(prompt):
            return client.completions.create(
                model="demo",
                prompt=prompt,
                temperature=0,
                max_tokens=24,
                extra_body={"return_token_ids": True, "ignore_eos": True},
            )

        with ThreadPoolExecutor(len(PROMPTS)) as pool:
            answers = list(pool.map(ask, PROMPTS))
        assert "int8 weights" in server.log()
    options = ("--greedy", "--max-new-tokens", "24", "--dtype", "int8", "--json")
    for prompt, answer in zip(PROMPTS, answers, strict=True):
        expected = json.loads(course("generate", prompt, *options).out)["token_ids"]
        assert answer.choices[0].token_ids[: len(expected)] == expected
