"""Step 18: serving, compared with MAX's own scheduler and cache manager.

And on the demo model, with Hugging Face's GPT2LMHeadModel.
"""

import contextlib
import inspect
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from max.driver import Buffer
from max.dtype import DType
from max.graph.weights import WeightData, WeightsFormat, load_weights
from max.pipelines.context import TextContext, TokenBuffer
from max.pipelines.kv_cache.memory_planner import PagedMemoryPlanner
from max.pipelines.lib import SupportedArchitecture
from max.pipelines.lib.interfaces.batch_processor import (
    build_single_replica_ragged_token_arrays,
)
from max.pipelines.modeling.types import PipelineTask, RequestID
from safetensors.numpy import save_file

from course.check.answers import Expected, randomize, reference, weights_of
from course.check.assert_array import assert_array
from course.check.cases import Case
from course.check.explaining import known
from course.check.failure import CheckFailed
from course.check.replay import Replay, first_difference, until_different
from course.check.server import CheckedServer
from course.check.traces import traces
from course.steps import DEMO_MODEL
from serving.model import GPT2PipelineModel
from serving.model_config import ServedGPT2Config
from serving.tokenizer import CheckedTokenizer

MODEL = Case("wide", batch=1, length=1)
DTYPES = [np.dtype("float32"), np.dtype("float16"), np.dtype(ml_dtypes.bfloat16)]

# The last one is longer than a page of the cache, which holds 128 tokens.
LONG = "The fox ran to the river, and the owl flew to the old tree. " * 9
PROMPTS = ["Once upon a time", "A", "The little mouse was hungry. She", LONG + "Then"]
NEW_TOKENS = 40

PARTS = {
    "tokenizer": CheckedTokenizer,
    "context_type": TextContext,
    "config": ServedGPT2Config,
    "pipeline_model": GPT2PipelineModel,
    "memory_planner": PagedMemoryPlanner,
}


@reference(DTYPES)
def hugging_face(dtype):
    """A small model: the tensors of its file in a dtype, and our parameters."""
    import tempfile

    from safetensors.numpy import load_file
    from transformers import GPT2LMHeadModel

    model = randomize(GPT2LMHeadModel(MODEL.hugging_face_config))
    model.tie_weights()
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        stored = load_file(f"{folder}/model.safetensors")
    ours = {
        f"ours {name}": value.astype(dtype).astype(np.float32)
        for name, value in weights_of(model).items()
    }
    # Kept as float32: NumPy's files do not know bfloat16.
    as_stored = {
        name: value.astype(dtype).astype(np.float32) for name, value in stored.items()
    }
    return Expected(as_stored | ours)


@reference(PROMPTS)
def hugging_face_text(prompt):
    """What Hugging Face's generate adds to a prompt when it is greedy."""
    from transformers import AutoTokenizer, GPT2LMHeadModel

    tokenizer = AutoTokenizer.from_pretrained(DEMO_MODEL)
    model = GPT2LMHeadModel.from_pretrained(DEMO_MODEL).eval()
    ids = tokenizer(prompt, return_tensors="pt").input_ids
    made = model.generate(ids, do_sample=False, max_new_tokens=NEW_TOKENS)
    new = made[0, ids.shape[1] :]
    return Expected(output=np.array(tokenizer.decode(new, skip_special_tokens=True)))


def replays(step, *, leaving):
    """All the traces in which texts leave, or those in which none does."""
    return [Replay(step, trace) for trace in traces(leaving=leaving)]


def test_missing(step):
    """Pages.missing: as many as MAX's cache manager gives to a text"""
    asked = []
    for replay in replays(step, leaving=False):
        tables = {}
        for moment in replay.trace.moments:
            replay.come(moment)
            for name in replay.growing(moment):
                text, before = replay.texts[name], tables.get(name, [])
                if before:
                    replay.pages.tables[text] = list(before)
                expected = len(moment.tables[name]) - len(before)
                case = (len(text), text.cached, replay.trace.page_size, len(before))
                asked.append((*case, expected, missing_pages(step, replay, text)))
            tables = moment.tables
            replay.go_on(moment)
    wrong = [one for one in asked if one[-1] != one[-2]]
    if not wrong:
        return
    # The shortest text, but not where a page is a token.
    wrong.sort(key=lambda one: (one[2] == 1, one[:4]))
    length, cached, page_size, had, expected, actual = wrong[0]
    detail = (
        f"With page_size {page_size}, len(text) {length}, text.cached {cached} and "
        f"{had} in its page table, MAX gives it {expected} more; you say {actual}."
    )
    for mistake, count in wrong_serving().MISSING.items():
        if all(count(*one[:4]) == one[-1] for one in asked):
            raise known(18, mistake, step, detail=detail, within="missing")
    raise CheckFailed(f"Pages.missing: {detail}", short=f"{actual!r}, not {expected}")


def missing_pages(step, replay, text):
    """What the reader's `missing` says of a text."""
    try:
        return replay.pages.missing(text)
    except KeyError as error:
        if error.args == (text,):
            raise known(18, "text-without-a-table", step) from None
        raise


def test_grow(step):
    """Pages.grow: the pages that a text needs, for it alone; or NoFreePage"""
    for replay in replays(step, leaving=False):
        for moment in replay.trace.moments:
            replay.come(moment)
            for name in replay.growing(moment):
                grow(replay, name, len(moment.tables[name]))
            assert_free(replay, moment)
            if moment.refused:
                assert_refused(replay, moment)
            replay.go_on(moment)


def grow(replay, name, expected):
    """Have a text grow, and check that it has as many pages as MAX gives it."""
    step, text, before = replay.step, replay.texts[name], replay.table(name)
    taken = {page for other in replay.texts for page in replay.table(other)}
    free = len(replay.pages.free)
    try:
        replay.pages.grow(text)
    except step.NoFreePage:
        detail = (
            f"{replay.says(name)} It lacks {expected - len(before)} pages, and {free} "
            "are free."
        )
        raise known(18, "last-page-refused", step, detail=detail) from None
    except KeyError as error:
        if error.args == (text,):
            raise known(18, "text-without-a-table", step, within="grow") from None
        raise
    table = replay.table(name)
    detail = f"{replay.says(name)} It had the pages {before}, and now {table}."
    if len(table) != expected:
        detail += f" It should have {expected}."
        if before and len(table) == expected - len(before):
            raise known(18, "table-replaced", step, detail=detail)
        if table == before and len(replay.pages.free) < free:
            raise known(18, "pages-not-in-the-table", step, detail=detail)
        raise CheckFailed(
            f"Pages.grow: {detail}", short=f"{len(table)} pages, not {expected}"
        )
    if table[: len(before)] != before:
        raise known(18, "page-moved", step, detail=detail)
    new = table[len(before) :]
    if taken & {*new} or len({*new}) < len(new) or {*new} & {*replay.free_pages()}:
        raise known(18, "page-shared", step, detail=detail)


def assert_free(replay, moment):
    """Check that as many pages are free as in MAX's cache manager."""
    free = replay.free_pages()
    if len(free) != moment.free:
        tables = {name: replay.table(name) for name in replay.texts}
        raise CheckFailed(
            f"Of {replay.trace.pages} pages, texts have {tables}, and Pages.free has "
            f"{free}: it should be {moment.free} pages.",
            short=f"{len(free)} pages free, not {moment.free}",
        )


def assert_refused(replay, moment):
    """Check that a text gets no page at all where it cannot have all."""
    step, name = replay.step, moment.refused
    text, before = replay.texts[name], replay.table(name)
    detail = f"{replay.says(name)} {moment.free} are free."
    try:
        replay.pages.grow(text)
    except step.NoFreePage:
        if replay.table(name) != before or len(replay.pages.free) != moment.free:
            detail += f" It had {before}, and has {replay.table(name)} afterwards."
            raise known(18, "partly-given", step, detail=detail) from None
    except (IndexError, KeyError) as error:
        detail += f" Python says: {type(error).__name__}: {error}."
        raise known(18, "no-page-unsaid", step, detail=detail) from None
    else:
        detail += f" Now it has {replay.table(name)}."
        raise known(18, "no-page-unsaid", step, detail=detail)


def test_where(step):
    """Pages.where: the page and the slot of each token"""
    asked = []
    for replay in replays(step, leaving=False):
        for moment in replay.trace.moments:
            replay.come(moment)
            for name in replay.growing(moment):
                replay.pages.grow(replay.texts[name])
            asked += [place for name in moment.batch for place in places(replay, name)]
            replay.go_on(moment)
    wrong = [one for one in asked if one[-1] != one[-2]]
    if not wrong:
        return
    table, position, page_size, expected, actual = wrong[-1]
    detail = (
        f"Of a text with the pages {table}, {page_size} tokens in each, token "
        f"{position} is in page {expected[0]}, slot {expected[1]}: you say {actual}."
    )
    for mistake, place in wrong_serving().WHERE.items():
        if all(
            actual == in_bounds(place, table, position, page_size)
            for table, position, page_size, _, actual in asked
        ):
            raise known(18, mistake, step, detail=detail)
    raise CheckFailed(f"Pages.where: {detail}", short=f"{actual}, not {expected}")


def places(replay, name):
    """Where a text's tokens are and where the reader looks for them."""
    table, size = replay.table(name), replay.trace.page_size
    text = replay.texts[name]
    for position in range(len(text)):
        expected = (table[position // size], position % size)
        actual = in_bounds(replay.pages.where, text, position)
        yield table, position, size, expected, actual


def in_bounds(function, *arguments):
    """What a function returns, or that it looks outside a list."""
    try:
        found = function(*arguments)
    except IndexError as error:
        return f"IndexError: {error}"
    return tuple(found) if isinstance(found, list) else found


def test_release(step):
    """Pages.release: the pages are free again, and only once"""
    for replay in replays(step, leaving=True):
        for moment in replay.trace.moments:
            for name in moment.leave:
                release(replay, name)
            replay.come(moment)
            for name in moment.batch:
                grow(replay, name, len(moment.tables[name]))
            assert_free(replay, moment)
            replay.go_on(moment)


def release(replay, name):
    """Release the pages of a text, twice, and check that they are free once."""
    step, text, before = replay.step, replay.texts[name], replay.table(name)
    free = len(replay.pages.free)
    replay.pages.release(text)
    detail = (
        f"Text {name} had the pages {before}. Of {replay.trace.pages} pages, {free} "
        f"were free before, and {len(replay.pages.free)} are afterwards."
    )
    if len(replay.pages.free) == free:
        raise known(18, "pages-not-freed", step, detail=detail)
    if replay.table(name):
        detail += f" Its page table is still {replay.table(name)}."
        raise known(18, "freed-and-kept", step, detail=detail)
    if len(replay.pages.free) != free + len(before):
        raise CheckFailed(f"Pages.release: {detail}", short="other pages are free")
    with contextlib.suppress(Exception):  # An error is a good answer, too.
        replay.pages.release(text)
    if len(replay.pages.free) != free + len(before):
        detail += f" Released once more, {len(replay.pages.free)} are."
        raise known(18, "freed-and-kept", step, detail=detail)
    del replay.texts[name]


def test_tokens(step):
    """lay_end_to_end, tokens: as MAX lays the texts of a batch end to end"""
    assert_laid(step, 0, "tokens", np.int64)


def test_positions(step):
    """lay_end_to_end, positions: where each token stands in its text"""
    assert_laid(step, 1, "positions", np.int64)


def test_offsets(step):
    """lay_end_to_end, offsets: where each text begins, as MAX has it"""
    assert_laid(step, 2, "offsets", np.uint32)


def assert_laid(step, index, what, dtype):
    """Check one of the arrays of `lay_end_to_end`, for all batches of all traces."""
    laid = [*laid_out(step, index, what, leaving=False)]
    laid += laid_out(step, index, what, leaving=True)
    wrong = [one for one in laid if not np.array_equal(*one[1:])]
    if wrong:
        # A short one, but of several texts if there is such.
        wrong.sort(key=lambda one: (len(one[0]) == 1, len(one[1])))
        texts, expected, actual = wrong[0]
        detail = (
            f"For {texts}, {what} are {actual.tolist()}; they should be {expected}."
        )
        if mistake := laying_mistake(what, laid):
            raise known(18, mistake, step, detail=detail)
        raise CheckFailed(f"lay_end_to_end: {detail}", short=f"other {what}")
    kinds = {actual.dtype for *_, actual in laid} - {np.dtype(dtype)}
    if kinds:
        detail = (
            f"{what.capitalize()} are {kinds.pop()}; they should be {dtype.__name__}."
        )
        raise known(18, "ragged-dtype", step, detail=detail, lines=[rf"{what}\b"])


def laid_out(step, index, what, *, leaving):
    """The batches of the traces: their texts, MAX's array, and the reader's."""
    for replay in replays(step, leaving=leaving):
        for moment in replay.trace.moments:
            replay.come(moment)
            if moment.batch:
                texts = [replay.texts[name] for name in moment.batch]
                array = array_of(step, texts, index, what)
                shown = [step.Text(list(text.new), text.cached) for text in texts]
                yield shown, getattr(moment, what), array
            replay.go_on(moment)


def array_of(step, texts, index, what):
    """One of the three arrays that the reader's `lay_end_to_end` makes of texts."""
    try:
        found = step.lay_end_to_end(texts)
    except ValueError as error:
        if "inhomogeneous" not in str(error):
            raise
        raise known(18, "a-row-for-each-text", step) from None
    if not isinstance(found, tuple | list) or len(found) != 3:
        raise CheckFailed(
            "lay_end_to_end returns no three arrays: tokens, positions and offsets.",
            short="not three arrays",
        )
    if not isinstance(found[index], np.ndarray):
        kind = type(found[index]).__name__
        raise CheckFailed(
            f"lay_end_to_end: {what} are a {kind}, not a NumPy array.",
            short=f"{what} are a {kind}",
        )
    return found[index]


def laying_mistake(what, laid):
    """The known mistake that gives the reader's array for every batch, if any."""
    values = wrong_serving().ARRAYS[what]
    for mistake in values(spans(laid[0][0])):
        if all(
            np.array_equal(values(spans(texts))[mistake](), actual)
            for texts, _, actual in laid
        ):
            return mistake
    return None


def spans(texts):
    """The positions of the new tokens of texts: from, and up to."""
    return [(text.cached, len(text)) for text in texts]


def test_next_batch(step):
    """Scheduler.next_batch: the texts that MAX's scheduler chooses"""
    assert_scheduled(step, leaving=False)


def test_finish(step):
    """Scheduler.finish: texts come and go as with MAX's scheduler"""
    assert_scheduled(step, leaving=True)


def assert_scheduled(step, *, leaving):
    """Check the reader's batches; if there are others than MAX's, say why."""
    for replay in replays(step, leaving=leaving):
        if different := first_difference(replay):
            if mistake := scheduling_mistake(step, leaving):
                raise known(18, mistake, step, detail=different)
            raise CheckFailed(different, short="another batch")


def scheduling_mistake(step, leaving):
    """The known mistake that gives the reader's batches in every trace, if any."""
    likely = wrong_serving().MISTAKES
    for kind in (leaving, not leaving):
        found = [until_different(replay) for replay in replays(step, leaving=kind)]
        alike = [
            mistake
            for mistake in likely
            if all(
                batches == wrong_serving().batches(trace, mistake)[: len(batches)]
                for trace, batches in zip(traces(leaving=kind), found, strict=True)
            )
        ]
        if not alike and kind == leaving:
            return None
        likely = alike or likely
    return likely[0]


def wrong_serving():
    """What the known mistakes give; imported where something is wrong."""
    from course.check.mistakes import wrong_serving

    return wrong_serving


def tensors_of(dtype):
    """The tensors of the file, by name."""
    weights = hugging_face(dtype).weights
    return {k: v.astype(dtype) for k, v in weights.items() if not k.startswith("ours ")}


@pytest.fixture
def converted(step, dtype, tmp_path):
    """What the reader's adapter makes of a file, called as MAX calls it."""
    path = tmp_path / "model.safetensors"
    save_file(tensors_of(dtype), path)
    state_dict = dict(load_weights([path]).items())
    try:
        found = step.convert_checkpoint(
            state_dict, huggingface_config=None, pipeline_config=None
        )
    except RuntimeError as error:
        if "Unsupported dtype" not in str(error):
            raise
        detail = f"This file holds {dtype}, which NumPy does not know."
        raise known(18, "not-float32", step, detail=detail) from None
    if not isinstance(found, dict):
        kind = "None" if found is None else f"a {type(found).__name__}"
        raise CheckFailed(f"convert_checkpoint returns {kind}, not a dict.", short=kind)
    return found


each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)


@each_dtype
def test_weights(step, dtype, converted):
    """convert_checkpoint: a writable float32 WeightData for every parameter"""
    expected = hugging_face(dtype).weights
    names = {k.removeprefix("ours ") for k in expected if k.startswith("ours ")}
    if converted.keys() == tensors_of(dtype).keys():
        raise known(18, "not-converted", step)
    for name in sorted(names ^ converted.keys()):
        what = "missing" if name in names else "one too many"
        raise CheckFailed(
            f"Of the weights that convert_checkpoint returns, {name} is {what}.",
            short=f"{name} is {what}",
        )
    for name, weight in converted.items():
        assert_weight(step, name, weight)


def assert_weight(step, name, weight):
    """Check what a weight is wrapped in, and that MAX can take it."""
    if not isinstance(weight, WeightData):
        detail = f"{name} is a {type(weight).__module__}.{type(weight).__name__}."
        raise known(18, "not-wrapped", step, detail=detail)
    if weight.name != name:
        detail = f"{name} is called {weight.name!r}."
        raise known(18, "weight-misnamed", step, detail=detail)
    if weight.dtype != DType.float32:
        detail = f"{name} is {weight.dtype.name}."
        raise known(18, "not-float32", step, detail=detail)
    try:
        Buffer.from_dlpack(weight)
    except BufferError as error:
        raise known(18, "read-only", step, detail=f"{name}: {error}") from None


@each_dtype
def test_values(step, dtype, converted):
    """convert_checkpoint: the numbers of Hugging Face's weights, [out, in]"""
    for name, expected in hugging_face(dtype).weights.items():
        if name.startswith("ours "):
            name = name.removeprefix("ours ")
            assert_array(
                converted[name].to_buffer().to_numpy(),
                expected,
                number=18,
                step=step,
                what=f"convert_checkpoint: {name}",
                tolerance=0,
            )


CONTEXTS = {"A": ([7, 8, 9], []), "B": ([5], [4, 3]), "C": ([1, 2], [6])}


def test_arrays(step):
    """GPT2Batches: MAX's own texts go through your lay_end_to_end"""
    contexts = [context(name, *tokens) for name, tokens in CONTEXTS.items()]
    tokens, offsets = build_single_replica_ragged_token_arrays(contexts)
    firsts = [one.tokens.processed_length for one in contexts]
    lengths = [one.tokens.active_length for one in contexts]
    positions = [f + i for f, n in zip(firsts, lengths, strict=True) for i in range(n)]
    found = step.GPT2Batches.arrays(contexts)
    if not isinstance(found, tuple | list) or len(found) != 3:
        kind = "None" if found is None else f"a {type(found).__name__}"
        raise CheckFailed(f"arrays returns {kind}, not three arrays.", short=kind)
    detail = "Of three texts, one has a prompt of 3 tokens, the others go on."
    wholes = [np.append(*tokens) for tokens in CONTEXTS.values()]
    if np.array_equal(found[0], np.concatenate(wholes)):
        raise known(18, "whole-text-handed-over", step, detail=detail)
    if np.array_equal(found[1], [i for n in lengths for i in range(n)]):
        raise known(18, "cached-not-handed-over", step, detail=detail)
    for what, actual, expected in zip(
        ["tokens", "positions", "offsets"],
        found,
        [tokens, positions, offsets],
        strict=True,
    ):
        if not np.array_equal(actual, expected):
            raise CheckFailed(
                f"GPT2Batches.arrays: {detail} Your {what} are {actual!r}; they should "
                f"be {list(map(int, expected))}.",
                short=f"other {what}",
            )


def context(name, prompt, chosen):
    """A text as MAX has it: its prompt is read, if tokens have been chosen since."""
    made = TextContext(
        request_id=RequestID(name),
        max_length=16,
        tokens=TokenBuffer(np.array(prompt, np.int64)),
    )
    for token_id in chosen:
        made.update(token_id)
    return made


def test_registration(step, tmp_path):
    """gpt2_architecture: the name, the task, the classes and the adapter"""
    architecture = step.gpt2_architecture
    if not isinstance(architecture, SupportedArchitecture):
        raise CheckFailed("gpt2_architecture is not a SupportedArchitecture.")
    if architecture.name != "GPT2LMHeadModel":
        raise known(18, "architecture-name", step, detail=given(architecture, "name"))
    if architecture.task != PipelineTask.TEXT_GENERATION:
        raise known(18, "wrong-task", step, detail=given(architecture, "task"))
    for name, expected in PARTS.items():
        part = getattr(architecture, name)
        if not (isinstance(part, type) and issubclass(part, expected)):
            detail = f"{given(architecture, name)} It should be {expected.__name__}."
            raise known(18, "wrong-part", step, detail=detail)
    batches = architecture.pipeline_model.batch_processor_cls
    if batches is None or inspect.isabstract(batches):
        detail = "GPT2PipelineModel does not know your batches: BatchedGPT2 does."
        raise known(18, "wrong-part", step, detail=detail)
    adapters = architecture.weight_adapters
    adapter = isinstance(adapters, Mapping) and adapters.get(WeightsFormat.safetensors)
    if not callable(adapter):
        detail = given(architecture, "weight_adapters")
        raise known(18, "adapter-not-registered", step, detail=detail)
    path = tmp_path / "model.safetensors"
    save_file(tensors_of(DTYPES[0]), path)
    state_dict = dict(load_weights([path]).items())
    if adapter(state_dict, huggingface_config=None, pipeline_config=None).keys() != {
        name.removeprefix("ours ")
        for name in hugging_face(DTYPES[0]).weights
        if name.startswith("ours ")
    }:
        detail = "What stands there does not convert the weights."
        raise known(18, "adapter-not-registered", step, detail=detail)


def given(architecture, name):
    """What a field is, in words."""
    value = getattr(architecture, name)
    return f"{name} is {getattr(value, '__name__', repr(value))}."


def test_offered(step):
    """ARCHITECTURES: the list in which the server looks"""
    offered = step.ARCHITECTURES
    if not isinstance(offered, list) or step.gpt2_architecture not in offered:
        raise known(18, "not-offered", step, detail=f"ARCHITECTURES is {offered!r}.")


@pytest.fixture(scope="module")
def server(step):
    """MAX's server on the demo model. It ends with the checks, however they end."""
    with CheckedServer(Path(step.__file__)) as running:
        yield running


@pytest.fixture
def ask(server):
    """Ask for what follows a prompt, with OpenAI's client, as any program would."""
    from openai import APIError, DefaultHttpxClient, OpenAI

    # The server is on this machine: no proxy is to be asked for it.
    http = DefaultHttpxClient(trust_env=False)

    def complete(prompt, **options):
        try:
            return client.completions.create(
                model=str(DEMO_MODEL),
                prompt=prompt,
                max_tokens=NEW_TOKENS,
                temperature=0,
                **options,
            )
        except APIError as error:
            raise server.failure(f"A request failed: {error}") from None

    with OpenAI(
        base_url=f"{server.address}/v1", api_key="none", max_retries=0, http_client=http
    ) as client:
        yield complete


def assert_text(prompt, text):
    """Check that a text is that of Hugging Face."""
    expected = str(hugging_face_text(prompt).output)
    if text != expected:
        raise CheckFailed(
            f"After {prompt[-40:]!r} the server goes on with\n    {text!r}\n"
            f"and Hugging Face with\n    {expected!r}",
            short="another text",
        )


@pytest.mark.at_the_end
def test_completions(ask):
    """max serve: greedy completions, token for token those of Hugging Face"""
    for prompt in PROMPTS:
        assert_text(prompt, ask(prompt).choices[0].text)


@pytest.mark.at_the_end
def test_at_once(ask):
    """several at once: the same texts, when they are asked for together"""
    prompts = PROMPTS * 2
    with ThreadPoolExecutor(len(prompts)) as pool:
        answers = list(pool.map(ask, prompts))
    for prompt, answer in zip(prompts, answers, strict=True):
        assert_text(prompt, answer.choices[0].text)


@pytest.mark.at_the_end
def test_streaming(ask):
    """streaming: the same text, piece by piece"""
    pieces = [chunk.choices[0].text for chunk in ask(PROMPTS[0], stream=True)]
    if len(pieces) < 2:
        raise CheckFailed(f"The text comes in {len(pieces)} piece.")
    assert_text(PROMPTS[0], "".join(pieces))
