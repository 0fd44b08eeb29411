"""Checks that say themselves that they do not apply here, in a toy step."""

import json
import sys

import pytest

from course.check import plugin
from course.check.report import as_text

CHECKS = '''
import pytest

def test_first(step):
    """first: a check that applies"""
    assert step.GPT2Config

@pytest.mark.skipif({condition}, reason="only where the moon is full")
def test_second(step):
    """second: a check that may not apply"""
    {second}

def test_third(step):
    """third: another that applies"""
    {third}
'''


class Collector:
    def pytest_sessionfinish(self, session):
        self.result = session.config.stash[plugin.RESULTS][1]


@pytest.fixture
def check(tmp_path, monkeypatch):
    def run(*, condition=True, second="pass", third="pass", text=CHECKS):
        path = tmp_path / "test_step_01.py"
        path.write_text(text.format(condition=condition, second=second, third=third))
        collector = Collector()
        options = ["-q", "-p", "course.check.plugin", "-p", "no:cacheprovider"]
        options += ["--solutions", f"--rootdir={tmp_path}", str(path)]
        with monkeypatch.context() as patch:
            # Restored afterwards, whatever stood there before.
            patch.setitem(sys.modules, path.stem, None)
            del sys.modules[path.stem]
            pytest.main(options, plugins=[collector])
        return collector.result

    return run


def test_left_out(check):
    """It is neither right nor wrong; the report says why it was not run."""
    result = check()
    assert result.passed
    assert result.first_failure is None
    checks = json.loads(json.dumps(result.to_json()))["checks"]
    assert [check["name"].partition(":")[0] for check in checks] == ["first", "third"]
    assert "– second  left out: only where the moon is full" in as_text(result)


def test_applies(check):
    """Where its condition does not hold, it is checked like any other."""
    assert check(condition=False).passed
    result = check(condition=False, second="assert 0")
    assert not result.passed
    assert result.first_failure.name.startswith("second")


def test_what_follows_is_checked(check):
    """It does not hide a failure behind it."""
    result = check(third="assert 0")
    assert not result.passed
    assert result.first_failure.name.startswith("third")


def test_nothing_applies(check):
    """Where nothing was checked, nothing is right."""
    text = '''
import pytest

@pytest.mark.skip(reason="never")
def test_only(step):
    """only: a check"""
'''
    assert not check(text=text).passed


@pytest.mark.parametrize("which", ["second", "third"])
def test_no_way_out(check, which):
    """A skip that the check did not ask for, as from the reader's code, is none."""
    assert not check(condition=False, **{which: "pytest.skip('done')"}).passed
