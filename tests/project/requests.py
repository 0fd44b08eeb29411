"""Requests to `/v1/completions` of every kind that Python's parser takes."""

import json

from hypothesis import strategies as st

from course.serve.fields import LABELS, NEUTRAL, RULES

# With half characters, and numbers that no float holds.
TEXT = st.text(st.characters(), max_size=20)
HUGE = st.integers(300, 4299).map(lambda digits: 10**digits)
NUMBERS = st.integers() | st.floats() | HUGE | HUGE.map(lambda huge: -huge)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXT

ANYTHING = st.recursive(
    SCALARS,
    lambda inside: (
        st.lists(inside, max_size=4) | st.dictionaries(TEXT, inside, max_size=4)
    ),
    max_leaves=10,
)

GOOD = {
    "max_tokens": st.integers(1, 3),
    "temperature": st.floats(0, 2),
    "top_p": st.floats(0, 1),
    "top_k": st.integers(-1, 2**40),
    "presence_penalty": st.floats(-2, 2),
    "frequency_penalty": st.floats(-2, 2),
    "repetition_penalty": st.floats(0.01, 100),
    "seed": st.integers(0, 2**63 - 1),
    "logprobs": st.integers(0, 5),
    "stop": st.text(min_size=1, max_size=5) | st.lists(st.text(min_size=1), max_size=4),
    "stream": st.booleans(),
    "stream_options": st.fixed_dictionaries(
        {}, optional={"include_usage": st.booleans() | st.none()}
    ),
    "ignore_eos": st.booleans(),
    "return_token_ids": st.booleans(),
    "user": st.text(),
    "metadata": st.dictionaries(st.text(), st.text(), max_size=2),
}

IDS = st.lists(st.integers(0, 1600), min_size=1, max_size=5)
PROMPTS = st.one_of(
    st.text(min_size=1, max_size=30),
    IDS,
    st.lists(IDS, max_size=3),
    st.lists(st.text(min_size=1), max_size=3),
    st.lists(SCALARS, max_size=3),
    st.lists(st.lists(SCALARS, max_size=3), max_size=3),
)
NAMES = st.sampled_from([*RULES, *LABELS, *NEUTRAL, "model", "prompt"]) | TEXT


@st.composite
def requests(draw):
    """A good request, most often; with up to two fields that may be anything."""
    request = draw(st.fixed_dictionaries({"max_tokens": GOOD["max_tokens"]}))
    request["prompt"] = draw(PROMPTS)
    request |= draw(st.fixed_dictionaries({}, optional=GOOD))
    request |= {
        name: NEUTRAL[name]
        for name in draw(st.lists(st.sampled_from(list(NEUTRAL)), max_size=3))
    }
    return request | draw(st.dictionaries(NAMES, ANYTHING, max_size=2))


@st.composite
def bodies(draw):
    """Any bytes, any JSON, and requests in any encoding."""
    value = draw(ANYTHING | requests())
    escaped = draw(st.booleans())
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))
    text = json.dumps(value, ensure_ascii=escaped)
    written = text.encode(encoding, "surrogatepass")
    cut = draw(st.integers(0, len(written)))
    return draw(st.sampled_from([written, written, written[:cut]]) | st.binary())
