"""The checks of the steps run on the reader's files; see `course/check/plugin.py`."""

pytest_plugins = ["course.check.plugin"]
