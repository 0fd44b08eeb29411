"""Step 20: a router, compared with plain books on random traces; then real servers."""

import asyncio
import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from course.check.answers import Expected, reference
from course.check.explaining import known
from course.check.failure import CheckFailed
from course.check.fleet import Books, Fleet, InstantLoop, random_trace
from course.check.front import CheckedFleet
from course.check.loading import load_solution
from course.steps import DEMO_MODEL

OPTIONS = {"page_size": 8, "room": 30, "slack": 1, "max_tries": 3} | {
    "first_pause": 1.0,
    "longest_pause": 6.0,
}


def wrong_routing():
    """What the known mistakes give; imported where something is wrong."""
    from course.check.mistakes import wrong_routing

    return wrong_routing


# Pages

PROMPTS = [
    "You are a pirate. Sing!",
    "You are a pirate. Swim!",
    "You are a poet. Sing!",
    "You are a poet. Swim!",
    "abababababababab",
    "babababababababa",
    "",
    "a",
    "abc",
    "abcd",
    "aaaaaaaaaaaaaaaa",
    "Ω≈ç√ ∫˜µ ≤≥÷",
]


@pytest.mark.parametrize("size", [1, 3, 4, 8])
def test_page_keys(step, size):
    """page_keys: equal where all up to the end of the page is"""
    found = [(prompt, keys_of(step, prompt, size)) for prompt in PROMPTS]
    for (one, keys), (other, others) in itertools.product(found, repeat=2):
        for place, pair in enumerate(zip(keys, others, strict=False)):
            start, end = place * size, (place + 1) * size
            if (pair[0] == pair[1]) == (one[:end] == other[:end]):
                continue
            detail = (
                f"With page_size {size}, page {place} has the key {pair[0]!r} in "
                f"{one!r} and {pair[1]!r} in {other!r}."
            )
            if pair[0] != pair[1]:
                raise CheckFailed(
                    f"page_keys: {detail} Both prompts are the same up to its end.",
                    short="other keys for the same pages",
                )
            if one[start:end] == other[start:end]:
                raise known(20, "page-by-itself", step, detail=detail)
            raise known(20, "keys-all-the-same", step, detail=detail)


def keys_of(step, prompt, size):
    """The reader's keys of a prompt: as many as there are full pages."""
    keys = step.page_keys(prompt, size)
    if not isinstance(keys, list | tuple):
        kind = "None" if keys is None else f"a {type(keys).__name__}"
        raise CheckFailed(f"page_keys returns {kind}, not a list.", short=kind)
    full, begun = len(prompt) // size, -(-len(prompt) // size)
    if len(keys) == full:
        return keys
    detail = (
        f"{prompt!r} has {len(prompt)} characters, and a page has {size}: it should be "
        f"{full} keys, and there are {len(keys)}."
    )
    if len(keys) == begun:
        raise known(20, "rest-counted", step, detail=detail)
    if len(keys) == full - 1:
        raise known(20, "last-page-left-out", step, detail=detail)
    if len(keys) == 1:
        raise known(20, "one-key-only", step, detail=detail)
    if not keys:
        raise known(20, "no-keys", step, detail=detail)
    raise CheckFailed(f"page_keys: {detail}", short=f"{len(keys)} keys, not {full}")


def random_prompts(seed, count):
    """Keys of prompts that begin alike, made with one number for each beginning."""
    random, numbers = np.random.default_rng(seed), {}
    for _ in range(count):
        prompt = tuple(random.integers(0, 2, random.integers(0, 6)).tolist())
        beginnings = [prompt[: end + 1] for end in range(len(prompt))]
        yield [numbers.setdefault(each, len(numbers)) for each in beginnings]


def test_count(step):
    """PrefixIndex.count: the known pages, up to the first that is not"""
    known_keys = [0, 1, 2, 3, 5, 8, 9]
    index = step.PrefixIndex(100)
    index.pages.update(dict.fromkeys(known_keys))
    prompts = [[], [0], [0, 1, 2], [0, 1, 4], [4, 0, 1], [0, 4, 1], [0, 1, 2, 3, 6, 8]]
    found = [index.count(keys) for keys in prompts]
    right = [0, 1, 3, 2, 0, 1, 4]
    if found == right and all(type(one) is int for one in found):
        return
    keys, count, expected = next(
        (k, f, r)
        for k, f, r in zip(prompts, found, right, strict=True)
        if f != r or type(f) is not int
    )
    detail = (
        f"Where {known_keys} are known, {keys} begins with {expected} of them; you "
        f"say {count!r}."
    )
    for mistake, wrong in wrong_routing().COUNTS.items():
        if [wrong(keys, known_keys) for keys in prompts] == found:
            raise known(20, mistake, step, detail=detail)
    raise CheckFailed(f"PrefixIndex.count: {detail}", short=f"{count!r}")


@pytest.mark.parametrize("room", [2, 4, 9])
def test_add(step, room):
    """PrefixIndex.add: forgets what is unused for longest"""
    prompts = [*random_prompts(room, 60)]
    expected = [right_pages(prompts[: at + 1], room) for at in range(len(prompts))]
    index, found = step.PrefixIndex(room), []
    for keys in prompts:
        index.add(list(keys))
        found.append(sorted(index.pages))
    if found == [sorted(one) for one in expected]:
        return
    at = next(
        at
        for at, f in enumerate(found)
        if f != sorted(right_pages(prompts[: at + 1], room))
    )
    detail = (
        f"With room for {room}, and {expected[at - 1] if at else []} in the order of "
        f"their last use, add({prompts[at]}) leaves {found[at]}; it should leave "
        f"{sorted(expected[at])}."
    )
    for mistake in wrong_routing().INDEX_MISTAKES:
        if found == [
            sorted(wrong_routing().remembered(prompts[: at + 1], room, mistake))
            for at in range(len(prompts))
        ]:
            raise known(20, mistake, step, detail=detail)
    if not any(found):
        raise known(20, "not-remembered", step, detail=detail)
    raise CheckFailed(f"PrefixIndex.add: {detail}", short="other pages")


def right_pages(prompts, room):
    """The pages that are known after some prompts; those used last stand last."""
    pages = []
    for keys in prompts:
        for key in reversed(keys):
            pages = [page for page in pages if page != key] + [key]
        pages = pages[-room:]
    return pages


# The breaker


def breaker_trace(seed):
    """Requests to a worker that goes down: what happens, and when it may be asked.

    Yields:
        What is noted ("begin", "succeeded", "failed"), its times, and, at some times
        after it, whether the worker may be asked.
    """
    random = np.random.default_rng(seed)
    books, running, now, down = Books(["a"], OPTIONS), [], 0.0, False
    notes = books.workers["a"]
    for _ in range(60):
        now += float(random.exponential(0.4))
        down ^= random.random() < 0.15
        if running and (random.random() < 0.5 or now < notes.until):
            began = running.pop(int(random.integers(len(running))))
            # What was sent before may still arrive when the worker is down.
            answered = bool(not down or random.random() < 0.1)
            books.end("a", began, now, answered)
            event = ("succeeded", (began,)) if answered else ("failed", (began, now))
        elif now >= notes.until:
            books.begin("a", "", now)
            running.append(now)
            event = ("begin", (now,))
        else:
            continue
        later = [now, now + 0.3, now + 0.9, now + 1.8, now + 3.5, now + 5.9, now + 6.1]
        yield *event, {time: time >= notes.until for time in later}


BREAKER_TRACES = range(30)


def test_breaker(step):
    """Breaker: pauses, each twice as long, and a trial after each"""
    traces = [[*breaker_trace(seed)] for seed in BREAKER_TRACES]
    found = [allowed(make_breaker(step), trace) for trace in traces]
    right = [[[*probes.values()] for *_, probes in trace] for trace in traces]
    if found == right:
        return
    said = [
        first_difference(trace, mine, theirs)
        for trace, mine, theirs in zip(traces, found, right, strict=True)
        if mine != theirs
    ]
    detail = min(said, key=len)
    for mistake in wrong_routing().BREAKER_MISTAKES:
        if found == [
            allowed(wrong_routing().WrongBreaker(1.0, 6.0, mistake), t) for t in traces
        ]:
            raise known(20, mistake, step, detail=detail)
    raise CheckFailed(f"Breaker: {detail}", short="other pauses")


def make_breaker(step):
    """The reader's breaker, with pauses from 1 to 6 seconds."""
    return step.Breaker(OPTIONS["first_pause"], OPTIONS["longest_pause"])


def allowed(breaker, trace):
    """What a breaker says after each event of a trace."""
    found = []
    for event, times, probes in trace:
        getattr(breaker, event)(*times)
        found.append([bool(breaker.allows(time)) for time in probes])
    return found


def first_difference(trace, found, right):
    """Where a breaker says something else first, in words."""
    at = next(
        at
        for at, pair in enumerate(zip(found, right, strict=True))
        if pair[0] != pair[1]
    )
    before = [said(event, times) for event, times, _ in trace[: at + 1]]
    place = next(i for i, one in enumerate(found[at]) if one != right[at][i])
    time = [*trace[at][2]][place]
    return (
        f"The first pause is to be 1 s, the longest 6 s. What is noted: "
        f"{', '.join(before[-8:])}. At {time:.2f} the worker "
        f"{'may' if right[at][place] else 'must not'} be asked; you say "
        f"{found[at][place]}."
    )


def said(event, times):
    """An event in words: "failed(0.12, 0.50)"."""
    return f"{event}({', '.join(f'{time:.2f}' for time in times)})"


# The choice


def situations():
    """Workers as they may be when a request comes, and the router's slack."""
    random = np.random.default_rng(20)
    for _ in range(300):
        count = int(random.integers(1, 5))
        workers = [
            {
                "name": name,
                "shared": int(random.integers(0, 4)),
                "load": int(random.integers(0, 6)),
                "allowed": bool(random.random() < 0.8),
                "tried": bool(random.random() < 0.15),
            }
            for name in "abcd"[:count]
        ]
        yield workers, int(random.integers(0, 4))


KEYS = [10, 11, 12]
OF_NONE = "the best of none"


def place(step, workers, slack):
    """Let the reader's router choose among workers; None if it finds none."""
    solution = load_solution(20)
    router = step.Router([], **{**OPTIONS, "slack": slack})
    for worker in workers:
        index, breaker = solution.PrefixIndex(10), solution.Breaker(1.0, 6.0)
        index.add(KEYS[: worker["shared"]])
        if not worker["allowed"]:
            breaker.failed(4.0, 4.5)
        made = step.Worker(worker["name"], index, breaker, load=worker["load"])
        router.workers.append(made)
    tried = [
        made
        for made, worker in zip(router.workers, workers, strict=True)
        if worker["tried"]
    ]
    try:
        chosen = router.choose(KEYS, 5.0, tried)
    except step.NoWorker:
        return None
    except (ValueError, IndexError) as error:
        if not any(word in str(error) for word in ("empty", "range")):
            raise
        return OF_NONE
    if chosen not in router.workers:
        raise CheckFailed(
            f"choose returns {chosen!r}, which is none of self.workers.",
            short="not a worker",
        )
    return chosen.name


def test_choose(step):
    """Router.choose: able, not too busy, most pages, least loaded"""
    found = [(w, slack, place(step, w, slack)) for w, slack in situations()]
    wrong = [one for one in found if not is_right(*one)]
    if not wrong:
        return
    workers, slack, chosen = min(wrong, key=lambda one: (len(one[0]), one[1]))
    detail = (
        f"With slack {slack}, of {'; '.join(map(in_words, workers))} you choose "
        f"{chosen or 'none'}."
    )
    # Of those that would choose so, the one that leaves the least to chance.
    explained = {}
    for mistake, names in wrong_routing().CHOICES.items():
        chances = [names(seen(workers), slack) for workers, slack, _ in found]
        if all(c in names for names, (*_, c) in zip(chances, found, strict=True)):
            explained[mistake] = sum(map(len, chances))
    if explained:
        mistake = min(explained, key=explained.__getitem__)
        raise known(20, mistake, step, detail=detail)
    raise CheckFailed(f"Router.choose: {detail}", short="another worker")


def is_right(workers, slack, chosen):
    """Whether a choice is one of the best."""
    able = [w for w in workers if w["allowed"] and not w["tried"]]
    if not able or chosen is None:
        return not able and chosen is None
    bound = min(w["load"] for w in able) + slack
    ranks = {w["name"]: (-w["shared"], w["load"]) for w in able if w["load"] <= bound}
    return chosen in ranks and ranks[chosen] == min(ranks.values())


def in_words(worker):
    """A worker in words."""
    text = f"{worker['name']} ({worker['load']} requests, shares {worker['shared']}"
    text += "" if worker["allowed"] else ", is to pause"
    return text + (", tried)" if worker["tried"] else ")")


def seen(workers):
    """Workers as the known mistakes take them."""
    return [wrong_routing().Situation(**worker) for worker in workers]


# One request


class Scene:
    """A few requests to workers that do as they are told.

    Attributes:
        router: The reader's router of workers a, b, c.
        sent: The workers to which requests were sent.
        now: What the router's clock says.
    """

    def __init__(self, step, **acts):
        self.step = step
        self.router = step.Router([*acts], **OPTIONS)
        self.acts = acts
        self.sent = []
        self.now = 1.0

    def worker(self, name):
        """A worker as the router knows it."""
        [found] = [w for w in self.router.workers if w.name == name]
        return found

    async def send(self, name):
        """Send a request to a worker: it yields its pieces, and may fail at "!"."""
        if name in self.sent:
            detail = f"A request is sent to {', '.join([*self.sent, name])}."
            raise known(20, "same-worker-again", self.step, detail=detail)
        self.sent.append(name)
        for piece in self.acts[name]:
            if piece == "!":
                self.now += 0.5
                raise self.step.WorkerFailed(f"{name} is down.")
            yield piece.encode()

    def answer(self, prompt=PROMPTS[0]):
        """The reader's answer to a request."""
        return self.router.answer(prompt, self.send, lambda: self.now)

    def read(self, prompt=PROMPTS[0]):
        """What a client gets, and the error that it ends with, if any."""
        pieces = []

        async def read():
            async for piece in self.answer(prompt):
                pieces.append(piece.decode())

        try:
            run(read())
        except (self.step.NoWorker, self.step.WorkerFailed) as error:
            return "".join(pieces), error
        return "".join(pieces), None


def run(coroutine):
    """Run a coroutine on a loop that does not wait."""
    with asyncio.Runner(loop_factory=InstantLoop) as runner:
        return runner.run(coroutine)


def test_answered(step):
    """Router.answer: the worker's pieces, and nothing else"""
    scene = Scene(step, a="one")
    text, error = scene.read()
    if (text, error, scene.sent) != ("one", None, ["a"]):
        raise CheckFailed(
            f"The worker answers 'o', 'n', 'e'. Your client gets {text!r}"
            f"{f' and {error!r}' if error else ''}; the request was sent to "
            f"{scene.sent}.",
            short="another answer",
        )


def test_noted(step):
    """Router.answer: load and pages are noted meanwhile"""
    scene = Scene(step, a="one", b="two")

    async def during():
        answer = scene.answer()
        await anext(answer)
        worker, other = (
            scene.worker(scene.sent[0]),
            next(w for w in scene.router.workers if w.name not in scene.sent),
        )
        loads = worker.load, other.load
        shared = load_solution(20).PrefixIndex.count(
            worker.index, step.page_keys(PROMPTS[1], 8)
        )
        async for _ in answer:
            pass
        return worker, loads, shared

    worker, loads, shared = run(during())
    if loads != (1, 0):
        detail = f"While one answers, the loads are {loads[0]} and {loads[1]}."
        raise known(20, "load-not-raised", step, detail=detail)
    if worker.load != 0:
        detail = f"After the answer its load is {worker.load}."
        raise known(20, "load-not-lowered", step, detail=detail)
    if shared != 2:
        detail = f"It has read {PROMPTS[0]!r}. Of {PROMPTS[1]!r}, {shared} pages count."
        raise known(20, "pages-not-noted", step, detail=detail)


def test_trial(step):
    """Router.answer: one trial after a pause; its success ends it"""
    scene = Scene(step, a="one")
    breaker = scene.worker("a").breaker
    breaker.failed(0.5, 0.9)
    scene.now = breaker.until

    async def during():
        answer = scene.answer()
        await anext(answer)
        meanwhile = breaker.allows(scene.now)
        async for _ in answer:
            pass
        return meanwhile

    if run(during()):
        raise known(20, "trial-not-noted", step)
    if not breaker.allows(scene.now):
        raise known(20, "success-not-told", step)


def test_retried(step):
    """Router.answer: another answers if one fails at once"""
    scene = Scene(step, a="!", b="two")
    text, error = scene.read()
    detail = f"a fails, and b would answer. The request was sent to {scene.sent}."
    if error or scene.sent == ["a"]:
        raise known(20, "not-retried", step, detail=detail)
    if (text, scene.sent) != ("two", ["a", "b"]):
        raise CheckFailed(f"{detail} The client gets {text!r}.", short="another answer")
    assert_failure_noted(scene, "a")


def assert_failure_noted(scene, name):
    """Check what the router knows of a worker that has failed."""
    step, worker = scene.step, scene.worker(name)
    if worker.breaker.allows(scene.now):
        raise known(20, "failure-not-told", step)
    if worker.load != 0:
        detail = f"After the failure its load is {worker.load}."
        raise known(20, "load-not-lowered", step, detail=detail)
    if worker.index.pages:
        raise known(20, "pages-kept", step)


def test_broken_off(step):
    """Router.answer: what has begun is never begun anew"""
    scene = Scene(step, a="on!", b="two")
    text, error = scene.read()
    detail = (
        f"a answers 'o', 'n' and fails. The client gets {text!r}, and then "
        f"{type(error).__name__ if error else 'no error'}."
    )
    if "b" in scene.sent:
        raise known(20, "begun-anew", step, detail=detail)
    if error is None:
        raise known(20, "looks-finished", step, detail=detail)
    if text != "on" or not isinstance(error, step.WorkerFailed):
        raise CheckFailed(f"Router.answer: {detail}", short="another answer")
    assert_failure_noted(scene, "a")


def test_given_up(step):
    """Router.answer: as many are tried as may be, and no more"""
    scene = Scene(step, a="!", b="!", c="!", d="!", e="!")
    text, error = scene.read()
    tries = OPTIONS["max_tries"]
    detail = f"All fail, {tries} may be tried: it is sent to {', '.join(scene.sent)}."
    if len(scene.sent) > tries:
        raise known(20, "tried-without-end", step, detail=detail)
    if len(scene.sent) < tries:
        raise known(20, "given-up-too-early", step, detail=detail)
    if text or error is None:
        raise known(20, "looks-finished", step, detail=detail)


def test_client_leaves(step):
    """Router.answer: a client that goes away leaves no load"""
    scene = Scene(step, a="one")

    async def leave():
        answer = scene.answer()
        await anext(answer)
        await answer.aclose()

    run(leave())
    worker = scene.worker("a")
    if worker.load != 0:
        detail = f"A client went away in the middle. The load is {worker.load}."
        raise known(20, "load-not-lowered", step, detail=detail)
    if not worker.breaker.allows(scene.now):
        raise CheckFailed("A client that goes away counts as a failure of the worker.")


# Many requests

TRACES = 12


@pytest.fixture(scope="module")
def traces(step):
    """What became of the requests of random traces, each with its router."""
    return [Fleet(step, random_trace(seed)).run() for seed in range(TRACES)]


def test_once(traces):
    """1,440 requests: each is answered once, or with an error"""
    for outcomes, router, _ in traces:
        for one in outcomes:
            got = [piece.decode() for piece in one.pieces]
            told = (
                f"It was sent to {', '.join(one.sent) or 'none'}; its client got {got}"
            )
            if one.error is None:
                expected = one.whole[: one.asked.leaves]
                if one.pieces != expected:
                    raise CheckFailed(
                        f"A request was answered otherwise than by {len(expected)} "
                        f"pieces of one answer. {told}.",
                        short="not answered once",
                    )
            elif one.pieces != one.whole[: len(one.pieces)]:
                raise CheckFailed(f"{told}, and then {one.error!r}.", short="mixed up")
            elif not one.pieces and one.able and len(one.sent) < router.max_tries:
                raise CheckFailed(
                    f"{told} and {one.error!r}, though {', '.join(one.able)} could "
                    "have been asked.",
                    short="an error too early",
                )


def test_right_worker(traces):
    """the same: each by a worker that is right for it"""
    for outcomes, *_ in traces:
        for one in outcomes:
            if one.wrong:
                raise CheckFailed(
                    f"At {one.asked.at:.2f} s comes {one.asked.prompt!r}. {one.wrong}",
                    short="another worker",
                )


def test_nothing_left(traces):
    """the same: in the end, no worker has any load"""
    for _, router, _ in traces:
        if loads := {w.name: w.load for w in router.workers if w.load}:
            raise CheckFailed(
                f"Nothing is being answered any more, and loads are {loads}.",
                short="load is left",
            )


# The real thing

NEW_TOKENS = 40
STORIES = [
    "Once upon a time",
    "The little fox",
    "A",
    "The owl flew to the old tree. It",
    "The little mouse was hungry. She",
    "One day, a bear",
]


@reference(STORIES)
def hugging_face_text(prompt):
    """What Hugging Face's generate adds to a prompt when it is greedy."""
    from transformers import AutoTokenizer, GPT2LMHeadModel

    tokenizer = AutoTokenizer.from_pretrained(DEMO_MODEL)
    model = GPT2LMHeadModel.from_pretrained(DEMO_MODEL).eval()
    ids = tokenizer(prompt, return_tensors="pt").input_ids
    made = model.generate(ids, do_sample=False, max_new_tokens=NEW_TOKENS)
    new = made[0, ids.shape[1] :]
    return Expected(output=np.array(tokenizer.decode(new, skip_special_tokens=True)))


@pytest.fixture(scope="module")
def fleet(step):
    """Two of MAX's servers on the demo model, behind the reader's router."""
    with CheckedFleet(step, 2) as running:
        yield running


def ask(fleet, times):
    """Ask for all stories at once, some times over."""
    pool = ThreadPoolExecutor(len(STORIES))
    asked = [(p, pool.submit(fleet.complete, p, NEW_TOKENS)) for p in STORIES * times]
    pool.shutdown(wait=False)
    return asked


@pytest.mark.at_the_end
def test_servers(fleet):
    """two servers of MAX: every text is Hugging Face's"""
    assert_texts(ask(fleet, 1))


@pytest.mark.at_the_end
def test_killed(fleet):
    """one is killed at work: every text is there, and the same"""
    under_way = ask(fleet, 4)
    under_way[len(STORIES)][1].result()
    fleet.kill(0)
    assert_texts(under_way)


@pytest.mark.at_the_end
def test_back(fleet):
    """it comes back: it is asked again, and texts are the same"""
    fleet.restart(0)
    fleet.wait_until_asked(0)
    assert_texts(ask(fleet, 2))


def assert_texts(asked):
    """Check that all texts are Hugging Face's."""
    for prompt, answer in asked:
        assert_text(prompt, answer.result())


def assert_text(prompt, text):
    """Check that a text is that of Hugging Face."""
    expected = str(hugging_face_text(prompt).output)
    if text != expected:
        raise CheckFailed(
            f"After {prompt!r} the servers go on with\n    {text!r}\n"
            f"and Hugging Face with\n    {expected!r}",
            short="another text",
        )
