"""What the router's policy is worth where prompts begin alike.

    python -m bench.prefixes

Two servers of a GPT-2 with 1024 positions, six layers and random weights. Prompts have
one of eight beginnings of 640 tokens, and an end of their own; four clients ask for
each beginning several times, in an order drawn by lot. MAX keeps what it computes in
pages of 128 tokens, so a server that has seen a beginning reads only the end. Each
policy gets a router of its own in front of the same servers, and beginnings of its own.
What comes out is kept in bench/results/prefixes.json.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai

from course.bench.machine import machine
from course.bench.models import make_gpt2
from course.bench.results import keep
from course.console import notes
from course.serve.command import replicas
from course.serve.server import ServeOptions

SIZES = {"n_layer": 6, "n_embd": 384, "n_head": 6}
POLICIES = ("random", "round_robin", "cache_aware")
BEGINNINGS, TIMES, CLIENTS = 8, 8, 4
SHARED_TOKENS, OWN_TOKENS, NEW_TOKENS = 640, 16, 4


def words(rng: random.Random, number: int) -> str:
    """A text of so many tokens."""
    return " ".join(f"t{rng.randrange(50_000)}" for _ in range(number))


def prompts(rng: random.Random) -> list[str]:
    """Prompts with few beginnings and many ends, in any order."""
    starts = [words(rng, SHARED_TOKENS) for _ in range(BEGINNINGS)]
    made = [f"{start} {words(rng, OWN_TOKENS)}" for start in starts * TIMES]
    rng.shuffle(made)
    return made


def ask(client: openai.OpenAI, model: str, prompt: str) -> tuple[float, int]:
    """Seconds until the first token, and how many tokens were not computed anew."""
    began, first, cached = time.perf_counter(), 0.0, 0
    for event in client.completions.create(
        model=model,
        prompt=prompt,
        max_tokens=NEW_TOKENS,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    ):
        first = first or time.perf_counter() - began
        if event.usage and event.usage.prompt_tokens_details:
            cached = event.usage.prompt_tokens_details.cached_tokens or 0
    return first, cached


def measure(address: str, model: str, asked: list[str]) -> dict[str, Any]:
    """Ask for all prompts, several at a time."""
    client = openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(lambda each: ask(client, model, each), asked))
    firsts, cached = zip(*answers, strict=True)
    return {
        "hit_rate": sum(cached) / (len(asked) * (SHARED_TOKENS + OWN_TOKENS)),
        "first_token": statistics.median(firsts),
        "slowest": max(firsts),
    }


def main() -> None:
    """Measure, and keep what was measured."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="gpt2-prefixes-") as folder:
        make_gpt2(Path(folder), **SIZES)
        served = ServeOptions(model=folder, port=0, replicas=2)
        with replicas(served, notes()) as workers:
            for number, policy in enumerate(POLICIES):
                before = ServeOptions(
                    model=folder,
                    port=0,
                    replicas=0,
                    workers=tuple(workers.workers),
                    policy=policy,
                )
                asked = prompts(random.Random(number))
                with replicas(before, notes()) as several:
                    found[policy] = measure(several.address, served.name, asked)
                print(policy, found[policy], flush=True)
    result = {
        "machine": machine(),
        "sizes": SIZES,
        "beginnings": BEGINNINGS,
        "requests": BEGINNINGS * TIMES,
        "shared_tokens": SHARED_TOKENS,
        "own_tokens": OWN_TOKENS,
        "clients": CLIENTS,
        "policies": found,
    }
    print(keep("prefixes.json", result))


if __name__ == "__main__":
    main()
