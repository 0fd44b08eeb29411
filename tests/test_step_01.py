"""Step 01: the configuration, compared with the defaults of Hugging Face."""

import dataclasses
import json

import numpy as np

from course.check.answers import Expected, reference
from course.check.cases import NARROW, WIDE
from course.check.explaining import known

FIELDS = list(WIDE)


@reference(["defaults"])
def hugging_face(case):
    from transformers import GPT2Config

    config = GPT2Config()
    defaults = {name: getattr(config, name) for name in FIELDS}
    return Expected(output=np.array(json.dumps(defaults)))


def test_dataclass(step):
    """a dataclass: GPT2Config can be made from its fields"""
    if not dataclasses.is_dataclass(step.GPT2Config):
        raise known(1, "not-a-dataclass", step)


def test_fields(step):
    """fields: the seven that GPT-2 needs"""
    actual = {field.name for field in dataclasses.fields(step.GPT2Config)}
    missing = [name for name in FIELDS if name not in actual]
    if missing:
        detail = f"It has no field {', '.join(missing)}."
        short = f"{missing[0]} is missing"
        raise known(1, "field-missing", step, detail=detail, short=short)


def test_defaults(step):
    """defaults: GPT-2 small, as in Hugging Face's GPT2Config"""
    expected = json.loads(str(hugging_face("defaults").output))
    config = step.GPT2Config()
    for name in FIELDS:
        actual = getattr(config, name)
        if actual != expected[name]:
            mistake = f"default-{name.replace('_', '-')}"
            detail = f"{name} is {actual!r}; Hugging Face has {expected[name]!r}."
            short = f"{name} = {actual!r}"
            raise known(1, mistake, step, detail=detail, short=short)


def test_other_sizes(step):
    """other sizes: every field can be set by name"""
    for sizes in (WIDE, NARROW):
        config = step.GPT2Config(**sizes)
        for name, value in sizes.items():
            actual = getattr(config, name)
            if actual != value:
                detail = f"GPT2Config({name}={value!r}).{name} is {actual!r}."
                raise known(1, "value-not-kept", step, detail=detail)
