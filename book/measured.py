"""The tables of what `course bench` measured last."""

from __future__ import annotations

import json
import statistics
from typing import Any

from course.bench.figures import (
    LONG,
    Results,
    bandwidth,
    bytes_read,
    comparisons,
    goals,
    time_per_token,
    tokens_per_second,
)
from course.bench.results import FOLDER
from course.check.kernel.speed import Speeds

CACHED = {
    "cache": "[15](step_15.md) KV cache",
    "kernels": "[17](step_17.md) Mojo kernels",
    "kernels bfloat16": "[17](step_17.md) the same, bfloat16",
    "kernels int8": "[17](step_17.md) the same, int8",
}

PEERS = {
    "ctranslate2": "CTranslate2",
    "openvino": "OpenVINO",
    "xllamacpp": "xllamacpp",
}

TASK_NAMES = {
    "prompt 16": "64 tokens after 16",
    "prefill 512": "prefill of 512",
    "batch 8": "the same, 8 texts at once",
    "prompt 512": "64 tokens after 512",
}

RUNGS = {
    "number": "one number at a time",
    "register": "a register at a time",
    "four_rows": "four rows at once",
    "ours": "`kernels/few_rows.mojo`",
    "memory": "reading, and nothing else",
}


def last_results() -> Results:
    """What was measured."""
    measured: Results = json.loads((FOLDER / "bench.json").read_text(encoding="utf-8"))
    return measured


def measured_on() -> str:
    """What the figures of Part II were measured on, and with what."""
    machine = last_results()["machine"]
    versions = machine["versions"]
    features = machine.get("features")
    told = f" ({', '.join(features)})" if features else ""
    others = "".join(
        f"{name} {versions[package]}, "
        for package, name in PEERS.items()
        if package in versions
    )
    return (
        f"{machine['cores']} cores of an {machine['processor']}{told}; "
        f"MAX {versions['max']}, PyTorch {versions['torch'].partition('+')[0]}, "
        f"transformers {versions['transformers']}, "
        f"{others}Python {machine['python']}.\n"
    )


def lookups() -> str:
    """What bench/lookup.py measured: each text without lookup and with it."""
    path = FOLDER / "lookup.json"
    measured: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    lines = [
        "| | tokens a pass | without | with | gain |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for dtype, found in measured["dtypes"].items():
        for name, text in found["texts"].items():
            a_pass = text["tokens"] / text["passes"]
            lines.append(
                f"| {name}, {dtype} | {a_pass:.1f} | {text['without']:.0f} | "
                f"{text['with']:.0f} | {text['ratio']:.2f} |"
            )
    costs = [
        f"{found['rows'][str(9)] / found['rows'][str(1)]:.2f} in {dtype}"
        for dtype, found in measured["dtypes"].items()
    ]
    machine = measured["machine"]
    return (
        "\n".join(lines) + "\n\nTokens a second after the prompt, with 8 proposals at "
        f"most. A pass with nine rows takes as long as {', '.join(costs)} of one row. "
        f"Measured on {machine['cores']} cores of an {machine['processor']}.\n"
    )


def fleet() -> tuple[str, str]:
    """What bench/fleet.py measured on one machine, and what it counted on many."""
    found = _results("fleet.json")
    machine = found["machine"]
    counts = list(found["servers"][0]["replicas"]["1"])
    rows = [
        f"| tokens a second, by clients | {' | '.join(counts)} |",
        "| --- |" + " ---: |" * len(counts),
    ]
    for model in found["servers"]:
        for replicas, by_clients in model["replicas"].items():
            servers = "server" if replicas == "1" else "servers"
            speeds = [f"{of['tokens_per_second']:.0f}" for of in by_clients.values()]
            name = f"{model['model']}, {replicas} {servers}"
            rows.append(f"| {' | '.join([name, *speeds])} |")
    costs = ", and ".join(
        f"{1000 * cost:.2f} ms with {name} ({1 / cost:,.0f} requests a second)"
        for name, cost in found["routers"].items()
    )
    measured = "\n".join(rows) + (
        f"\n\nA router takes so much of a core's time for a request: {costs}. Measured "
        f"on {machine['cores']} cores of an {machine['processor']}, which clients, "
        "router and servers share.\n"
    )
    tokens = found["simulated"]["tokens"]
    workers = list(next(iter(tokens.values())))
    rows = [
        f"| tokens a second, by workers | {' | '.join(workers)} |",
        "| --- |" + " ---: |" * len(workers),
    ]
    for name, speeds in tokens.items():
        figures = [f"{speed:,.0f}" for speed in speeds.values()]
        shown = "a router that takes no time" if name == "no router" else name
        rows.append(f"| {' | '.join([shown, *figures])} |")
    simulated = "\n".join(rows) + (
        f"\n\n{found['simulated']['model'].capitalize()}, 32 tokens for each request, "
        f"{found['simulated']['clients_each']} clients for each worker: "
        f"{found['simulated']['clients_each'] * int(workers[-1]):,} clients at the "
        "end.\n"
    )
    return measured, simulated


def killed() -> str:
    """What bench/replicas.py saw: two servers, of which one is killed under load."""
    measured = _results("replicas.json")
    rows = {
        "requests": measured["requests"],
        "right answers": measured["right"],
        "errors that clients saw": measured["error"],
        "wrong or crossed answers": measured["wrong"],
        "texts that looked finished, and requests without an answer": measured["lost"],
        "seconds until two servers served again": (
            f"{measured['until_all_serve_again']:.0f}"
        ),
    }
    lines = ["| | |", "| --- | ---: |"]
    lines += [f"| {name} | {value} |" for name, value in rows.items()]
    machine = measured["machine"]
    return (
        "\n".join(lines) + f"\n\n{measured['clients']} clients for "
        f"{measured['seconds']:.0f} s, a worker killed after "
        f"{measured['killed_after']} s: `python -m bench.replicas` on "
        f"{machine['cores']} cores of an {machine['processor']}.\n"
    )


def prefixes() -> str:
    """What a router's policy is worth for prompts that begin alike."""
    measured = _results("prefixes.json")
    lines = [
        "| vllm-router's policy | found in a cache | first token, median | slowest |",
        "| --- | ---: | ---: | ---: |",
    ]
    lines += [
        f"| `{policy}` | {of['hit_rate']:.0%} | {_milliseconds(of['first_token'])} ms "
        f"| {_milliseconds(of['slowest'])} ms |"
        for policy, of in measured["policies"].items()
    ]
    machine = measured["machine"]
    return (
        "\n".join(lines) + f"\n\n{measured['requests']} prompts with one of "
        f"{measured['beginnings']} beginnings of {measured['shared_tokens']} tokens, "
        f"{measured['clients']} clients, two servers: `python -m bench.prefixes` on "
        f"{machine['cores']} cores of an {machine['processor']}.\n"
    )


def _results(name: str) -> dict[str, Any]:
    measured: dict[str, Any] = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return measured


def last_rungs() -> dict[str, Any]:
    """What bench/rungs.py measured."""
    measured: dict[str, Any] = json.loads((FOLDER / "rungs.json").read_text("utf-8"))
    return measured


def one_run_of_rungs() -> str:
    """The last line of step 17's check, in one of the runs."""
    return str(Speeds(**last_rungs()["runs"][0]))


def rungs() -> str:
    """How fast the rungs of step 17 read weights, and on what."""
    measured = last_rungs()
    runs, machine = measured["runs"], measured["machine"]
    rows = ["| | GB/s | lowest | highest |", "| --- | ---: | ---: | ---: |"]
    for name, label in RUNGS.items():
        speeds = [run[name] for run in runs]
        rows.append(
            f"| {label} | {statistics.median(speeds):.1f} "
            f"| {min(speeds):.1f} | {max(speeds):.1f} |"
        )
    cores, processor = machine["cores"], machine["processor"]
    told = ", ".join(machine["features"])
    return "\n".join(
        [
            *rows,
            "",
            f"Medians of {len(runs)} runs of `python bench/rungs.py` on {cores} cores "
            f"of an {processor} ({told}), float32.",
            "",
        ]
    )


def milliseconds() -> str:
    """What one token costs after each step, and what it has to cost."""
    measured = last_results()
    rows = [
        f"| one more token, with | after 16 | after {LONG} |",
        "| --- | ---: | ---: |",
        f"| [12](step_12.md) everything eager | {_average(measured, 'eager')} | |",
        f"| [14](step_14.md) compilation | {_average(measured, 'compiled')} | |",
    ]
    rows += [
        f"| {label} | {_middle(time_per_token(measured, name, 16))} "
        f"| {_middle(time_per_token(measured, name, LONG))} |"
        for name, label in CACHED.items()
    ]
    speed = bandwidth(measured)
    limit = _milliseconds(bytes_read(measured) / speed)
    rows += [
        f"| Hugging Face, with its cache | {_average(measured, 'Hugging Face')} | |",
        f"| all float32 weights, read once at {speed / 1e9:.0f} GB/s | {limit} | |",
    ]
    return "\n".join([*rows, ""])


def compared() -> str:
    """Each figure beside the one that was wished for, won or lost."""
    rows = [
        "| measured | wished for | median | lowest | highest | |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    rows += [
        f"| {goal.name} | {goal.bound} | {' | '.join(goal.shown())} | {goal.verdict} |"
        for goal in goals(last_results())
    ]
    return "\n".join([*rows, ""])


def served() -> str:
    """How fast servers are with GPT-2 124M, by number of clients; once measured."""
    path = FOLDER / "serve_gpt2.json"
    if not path.is_file():
        return ""
    measured: dict[str, Any] = json.loads(path.read_text("utf-8"))
    servers = measured["servers"]
    counts = list(next(iter(servers.values())))
    rows = [
        "| tokens a second, by clients | "
        + " | ".join(counts)
        + " | first token of 8 |",
        "| --- |" + " ---: |" * (len(counts) + 1),
    ]
    for name, by_clients in servers.items():
        speeds = [f"{of['tokens_per_second']:.0f}" for of in by_clients.values()]
        first = f"{_milliseconds(by_clients['8']['first']['p50'])} ms"
        rows.append(f"| {' | '.join([name, *speeds, first])} |")
    for name, speeds in measured["generate"].items():
        alone = f"{statistics.median(speeds):.0f}"
        rows.append(f"| {' | '.join([name, alone, *[''] * len(counts)])} |")
    machine = measured["machine"]
    rows += [
        "",
        f"GPT-2 124M, prompts of 16 tokens and {measured['new_tokens']} more; "
        f"{machine['cores']} cores of an {machine['processor']} "
        f"({', '.join(machine['features'])}). Where no dtype stands, it is float32. "
        "`course bench --serve --model DIR` measures it.",
        "",
    ]
    return "\n".join(rows)


def dtype_by_dtype(portable: bool = False) -> str:
    """Step 17 beside everybody else, every row, won or lost.

    Args:
        portable: Whether the kernels are those without their fast paths.
    """
    rows = [
        "| | dtype | beside | ours, s | theirs, s | as fast | lowest | highest | |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for each in comparisons(last_results(), portable):
        ratios = (statistics.median(each.ratios), min(each.ratios), max(each.ratios))
        figures = [f"{figure:.2f}" for figure in (*each.seconds, *ratios)]
        rows.append(
            f"| {TASK_NAMES[each.task]} | {each.dtype} | {each.peer} "
            f"| {' | '.join(figures)} | {each.verdict} |"
        )
    return "\n".join([*rows, ""])


def exactness() -> str:
    """What fewer bits cost, as bench/exactness.py measured it."""
    path = FOLDER / "exactness.json"
    measured: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    rows = [
        "| weights | perplexity | most likely token as in float32 | cosine of logits |",
        "| --- | ---: | ---: | ---: |",
    ]
    rows += [
        f"| {dtype} | {found['perplexity']:.4f} | {found['same_choice']:.2%} "
        f"| {found['cosine']:.6f} |"
        for dtype, found in measured["dtypes"].items()
    ]
    return "\n".join([*rows, ""])


def _average(measured: Results, name: str) -> str:
    per_second = statistics.median(tokens_per_second(measured, name, "prompt 16"))
    return f"{_milliseconds(1 / per_second)} *"


def _middle(seconds: list[float]) -> str:
    return _milliseconds(statistics.median(seconds))


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:,.0f}" if seconds > 1 else f"{1000 * seconds:.1f}"
