"""A worker killed under load: who is answered, who sees an error, and for how long.

    python -m bench.replicas

`course serve --replicas 2` on the demo model; 16 clients ask for a minute, every second
one as a stream, and every text is compared with what one server writes when nobody
disturbs it. After 15 seconds a worker is killed. What comes out is kept in
bench/results/replicas.json.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import openai

from course.bench.machine import machine
from course.bench.results import keep
from course.bench.serving import PROMPTS
from course.console import notes
from course.serve.command import replicas
from course.serve.replicas import Replicas
from course.serve.server import ServeOptions

CLIENTS, SECONDS, KILLED_AFTER = 16, 60, 15
NEW_TOKENS = 48
POLICY = "round_robin"


@dataclass
class Load:
    """Clients that ask until they are told to stop.

    Attributes:
        asked: How many requests they have sent.
        ends: How these ended.
        errors: The messages that clients saw.
    """

    client: openai.OpenAI
    expected: dict[str, str]

    def __post_init__(self) -> None:
        """Begin with nothing."""
        self.asked = 0
        self.ends: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.lock = threading.Lock()
        self.stop = threading.Event()

    def run(self, number: int) -> None:
        """One client: it asks for one text after the other."""
        prompts = itertools.cycle(PROMPTS[number % 8 :] + PROMPTS[: number % 8])
        while not self.stop.is_set():
            prompt = next(prompts)
            with self.lock:
                self.asked += 1
            try:
                text, finished = ask(self.client, prompt, stream=number % 2 == 1)
                end = "right" if text == self.expected[prompt] else "wrong"
                end = end if finished else "lost silently"
            except openai.APIError as error:
                end = "error"
                with self.lock:
                    self.errors[error.message] += 1
            with self.lock:
                self.ends[end] += 1


def ask(client: openai.OpenAI, prompt: str, stream: bool) -> tuple[str, bool]:
    """Return a text, and whether it is said to be finished."""
    body = {"model": "demo", "prompt": prompt, "max_tokens": NEW_TOKENS}
    if not stream:
        [choice] = client.completions.create(**body, temperature=0).choices
        return choice.text, choice.finish_reason is not None
    text, finished = "", False
    for event in client.completions.create(**body, temperature=0, stream=True):
        text += event.choices[0].text
        finished = finished or event.choices[0].finish_reason is not None
    return text, finished


def disturb(several: Replicas, load: Load) -> float:
    """Kill a worker among requests; return how long until all serve again."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        for number in range(CLIENTS):
            pool.submit(load.run, number)
        time.sleep(KILLED_AFTER)
        several.kill(0)
        killed = time.monotonic()
        several.wait_until_ready(2, 300)
        seconds = time.monotonic() - killed
        time.sleep(max(0.0, SECONDS - KILLED_AFTER - seconds))
        load.stop.set()
    return seconds


def main() -> None:
    """Measure, and keep what was measured."""
    options = ServeOptions(port=0, replicas=2, policy=POLICY)
    with replicas(options, notes()) as several:
        client = openai.OpenAI(
            base_url=f"{several.address}/v1", api_key="none", max_retries=0
        )
        expected = {prompt: ask(client, prompt, False)[0] for prompt in PROMPTS}
        load = Load(client, expected)
        began = time.monotonic()
        seconds = disturb(several, load)
        lasted = time.monotonic() - began
    result = {
        "machine": machine(),
        "policy": POLICY,
        "clients": CLIENTS,
        "seconds": lasted,
        "new_tokens": NEW_TOKENS,
        "killed_after": KILLED_AFTER,
        "requests": load.asked,
        **{end: load.ends[end] for end in ("right", "error", "wrong")},
        "lost": load.ends["lost silently"] + load.asked - load.ends.total(),
        "errors": load.errors,
        "until_all_serve_again": seconds,
    }
    print(result)
    print(keep("replicas.json", result))


if __name__ == "__main__":
    main()
