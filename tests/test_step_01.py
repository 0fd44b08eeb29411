"""Step 01: the configuration, compared with the defaults of Hugging Face."""

import dataclasses
import json

import numpy as np

from course.check.cases import NARROW, WIDE
from course.check.tools import CheckFailed, Expected, reference

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
        raise CheckFailed(
            "GPT2Config is not a dataclass, so GPT2Config(n_layer=2) cannot work. Put "
            "@dataclass above the class.",
            mistake="not-a-dataclass",
        )


def test_fields(step):
    """fields: the seven that GPT-2 needs"""
    actual = {field.name for field in dataclasses.fields(step.GPT2Config)}
    missing = [name for name in FIELDS if name not in actual]
    if missing:
        raise CheckFailed(
            f"GPT2Config has no field {', '.join(missing)}. A field of a dataclass "
            "needs a type: `name: int = 1`. Without the `: int` it is not a field.",
            mistake="missing-field",
            short=f"{missing[0]} is missing",
        )


def test_defaults(step):
    """defaults: GPT-2 small, as in Hugging Face's GPT2Config"""
    expected = json.loads(str(hugging_face("defaults").output))
    config = step.GPT2Config()
    for name in FIELDS:
        actual = getattr(config, name)
        if actual != expected[name]:
            raise CheckFailed(
                f"{name} is {actual!r}; in Hugging Face's GPT2Config it is "
                f"{expected[name]!r}.",
                short=f"{name} = {actual!r}",
            )


def test_other_sizes(step):
    """other sizes: every field can be set by name"""
    for sizes in (WIDE, NARROW):
        config = step.GPT2Config(**sizes)
        for name, value in sizes.items():
            if getattr(config, name) != value:
                raise CheckFailed(
                    f"GPT2Config({name}={value!r}).{name} is "
                    f"{getattr(config, name)!r}: the value given is not kept."
                )
