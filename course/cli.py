"""The `course` command."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic import ValidationError
from rich.console import Console

from course.cache import replace_unwritable, settle, written_whole
from course.console import notes
from course.errors import CourseError, Misuse, as_text, assert_text
from course.steps import ALL_STEPS, STEPS, Step, from_root, parse_step
from course.streams import discard_output, prepare_streams, print_json

app = typer.Typer(
    help="Build GPT-2 from scratch in MAX: check your steps, generate text, measure.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

WHICH = "The step's number, or bpe."
OneStep = Annotated[
    Step | None, typer.Argument(parser=parse_step, metavar="[N]", help=WHICH)
]
Device = Annotated[
    Literal["auto", "cpu", "gpu"],
    typer.Option(help="Where to compute; auto is an accelerator, if there is one."),
]
Code = Annotated[
    Literal["solutions", "steps"],
    typer.Option(help="Whose GPT-2 computes: the solutions' or, from steps/, yours."),
]
Model = Annotated[
    str | None,
    typer.Option(
        metavar="DIR_OR_HUB_ID",
        help="A GPT-2 in Hugging Face format. Default: the demo model.",
    ),
]
Dtype = Annotated[
    Literal["float32", "bfloat16", "int8", "int4"],
    typer.Option(help="How weights are kept; in int4 the head's are int8."),
]
ServedDtype = Annotated[
    Literal["float32", "bfloat16", "int8"],
    typer.Option(help="How weights are kept."),
]
Policy = Literal[
    "cache_aware", "consistent_hash", "power_of_two", "random", "round_robin"
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")]


def must_be(
    what: str, fits: Callable[[float], bool]
) -> Callable[[typer.CallbackParam, float], float]:
    """Make a callback for the bounds that `min` and `max` cannot express."""

    def look_at(option: typer.CallbackParam, value: float) -> float:
        if not fits(value):
            raise Misuse(f"{option.opts[0]} {value}: it must be {what}.")
        return value

    return look_at


@app.command()
def check(
    step: OneStep = None,
    all_steps: Annotated[
        bool, typer.Option("--all", help="Check every step and show a table.")
    ] = False,
    file: Annotated[
        Path | None, typer.Option(help="Check this file as step N.")
    ] = None,
    solutions: Annotated[
        bool, typer.Option("--solutions", help="Check the solution instead.")
    ] = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Check a step against Hugging Face GPT-2.

    Exit status: 0 right, 1 not right, 2 misuse.
    """
    from course.check import command

    if all_steps == (step is not None):
        raise Misuse("Say which step, as in `course check 7`, or `course check --all`.")
    if file is not None and (all_steps or solutions):
        raise Misuse("--file goes with one step, and not with --solutions.")
    assert_is_file(file)
    steps = [step] if step else list(STEPS)
    replace_unwritable(notes())
    passed = command.check(
        steps,
        file=file.resolve() if file else None,
        solutions=solutions,
        device=device,
        as_json=as_json,
        as_table=all_steps,
        console=notes(),
    )
    raise typer.Exit(0 if passed else 1)


def assert_is_file(file: Path | None) -> None:
    """Refuse a --file that is not there.

    Raises:
        Misuse: It is not, or it is a folder.
    """
    if file is not None and not file.is_file():
        what = "this is no file" if file.exists() else "there is no such file"
        raise Misuse(f"--file {file}: {what}.")


@app.command()
def watch(
    step: Annotated[
        Step | None,
        typer.Argument(
            parser=parse_step,
            metavar="[N]",
            help="The step to begin with. Default: the first that is not right.",
        ),
    ] = None,
    device: Device = "auto",
    plain: Annotated[
        bool,
        typer.Option("--plain", help="No keys; reports one after the other."),
    ] = False,
) -> None:
    """Check a step again whenever it is saved, and move on when it is right."""
    from course.watch import command

    replace_unwritable(notes())
    command.watch(step, device, plain)


@app.command()
def warm(device: Device = "auto") -> None:
    """Compile the MAX operations that the checks need, once, in parallel."""
    from course import warm as warming
    from course.runtime import assert_device

    console = notes()
    # SIGTERM, too, is to end the processes that compile.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    assert_device(device, console)
    replace_unwritable(console)
    kernels = warming.missing_kernels([step.number for step in STEPS], device)
    warming.warm(kernels, device, console)
    warming.warm_answers(STEPS, console)
    if not kernels:
        console.print("Everything the checks need is compiled already.")


@app.command()
def hint(
    step: Annotated[Step, typer.Argument(parser=parse_step, metavar="N", help=WHICH)],
    level: Annotated[
        int,
        typer.Option(
            min=1,
            max=3,
            help="1 the shapes, 2 a call on the tiny example, 3 the lines.",
        ),
    ] = 1,
    everything: Annotated[
        bool, typer.Option("--all", help="Hints for all TODOs, not only the next one.")
    ] = False,
    file: Annotated[
        Path | None,
        typer.Option(help="The file that is worked on as step N. Default: in steps/."),
    ] = None,
) -> None:
    """Show a hint for what is not done yet in a step."""
    from course.hints import print_hints

    assert_is_file(file)
    console = Console(highlight=False)
    print_hints(step, level, everything, console, file)


@app.command(name="list")
def list_steps() -> None:
    """Show all steps: how long each takes, how far you are, and what comes next.

    A step is right if it has passed its check as it is now.
    """
    from course.progress.table import print_list

    print_list(Console(highlight=False))


@app.command()
def export(
    certificate: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html", help="Write a page to keep or to print instead."
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Whose certificate it is.", metavar="NAME")
    ] = None,
) -> None:
    """Print your progress as one JSON object, or write it as a certificate."""
    from course.progress.export import as_json, write_certificate

    if (certificate is None) != (name is None):
        raise Misuse("--certificate FILE.html and --name NAME go together.")
    if certificate is None or name is None:
        print_json(as_json())
        return
    name = as_text(name)
    assert_text(name, "--name")
    write_certificate(certificate, name)
    print(f"The certificate is in {certificate}: any browser shows it.")


@app.command()
def reset(
    step: OneStep = None,
    all_steps: Annotated[
        bool, typer.Option("--all", help="Every step: begin the course again.")
    ] = False,
) -> None:
    """Put a step's skeleton back; your version is kept beside it as .bak."""
    if all_steps == (step is not None):
        raise Misuse("Say which step, as in `course reset 7`, or `course reset --all`.")
    for one in [step] if step else ALL_STEPS:
        _reset(one)


def _reset(step: Step) -> None:
    """Put a skeleton back, and keep the reader's version.

    Raises:
        CourseError: A file cannot be written; this one is then as it was.
    """
    from course.skeleton import make_skeleton

    for part in step.parts:
        skeleton = make_skeleton(part).encode()
        try:
            _keep_a_copy(part.skeleton, skeleton)
            with written_whole(part.skeleton.resolve()) as staged:
                staged.write_bytes(skeleton)
        except OSError as error:
            shown = error.filename or from_root(part.skeleton)
            raise CourseError(
                f"{shown}: {error.strerror}. Nothing was changed."
            ) from None
        print(f"{from_root(part.skeleton)} is the skeleton again.")


def _keep_a_copy(file: Path, skeleton: bytes) -> None:
    """Keep the reader's version, unless it is the skeleton already."""
    if file.is_file() and file.read_bytes() != skeleton:
        copy = file.with_name(f"{file.name}.bak")
        with written_whole(copy) as staged:
            staged.write_bytes(file.read_bytes())
        print(f"Your version is kept as {from_root(copy)}.")


@app.command()
def generate(
    prompt: Annotated[str, typer.Argument(help="The text to go on from.")],
    model: Model = None,
    code: Code = "solutions",
    transplants: Annotated[
        list[int] | None,
        typer.Option(
            "--with",
            metavar="N",
            help="Take your step N for the solution's; may be given several times.",
        ),
    ] = None,
    max_new_tokens: Annotated[
        int | None,
        typer.Option(
            min=1, help="How many tokens to generate. Default: 200, if they fit."
        ),
    ] = None,
    top: Annotated[
        int,
        typer.Option(
            min=0,
            help="No text, but the N likeliest next tokens, before any dial is turned.",
        ),
    ] = 0,
    lookup: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Look up N tokens in the text so far, and check them in one pass.",
        ),
    ] = None,
    greedy: Annotated[
        bool, typer.Option("--greedy", help="Always take the most likely token.")
    ] = False,
    temperature: Annotated[
        float,
        typer.Option(
            callback=must_be("0 (greedy) or above", lambda value: 0 <= value < inf),
            help="Below 1 safer, above 1 wilder; 0 is --greedy.",
        ),
    ] = 0.8,
    top_k: Annotated[
        int, typer.Option(min=0, help="Draw from the K most likely tokens; 0: all.")
    ] = 0,
    top_p: Annotated[
        float,
        typer.Option(
            callback=must_be("above 0 and at most 1", lambda value: 0 < value <= 1),
            help="Draw from the most likely tokens that make up P.",
        ),
    ] = 1.0,
    min_p: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Draw from tokens P times as likely as the likeliest.",
        ),
    ] = 0.0,
    repetition_penalty: Annotated[
        float,
        typer.Option(
            callback=must_be(
                "above 0; 1 changes nothing", lambda value: 0 < value < inf
            ),
            help="Above 1: less of what is in the text already.",
        ),
    ] = 1.0,
    stop: Annotated[
        list[str] | None,
        typer.Option(help="End the text before this; may be given several times."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="The same seed gives the same text."),
    ] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Read the whole text for each token.")
    ] = False,
    dtype: Dtype = "float32",
    stock_kernels: Annotated[
        bool, typer.Option("--stock-kernels", help="MAX's operations, not kernels/.")
    ] = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Let a GPT-2 go on with a text. The text goes to stdout, all else to stderr."""
    from course.generate.command import run
    from course.generate.request import Request

    request = Request(
        prompt=as_text(prompt),
        model=model,
        code=code,
        transplants=transplants or [],
        max_new_tokens=max_new_tokens,
        top=top,
        lookup=lookup or 0,
        sampling={
            "temperature": 0.0 if greedy else temperature,
            "top_k": top_k,
            "top_p": top_p,
            "min_p": min_p,
            "repetition_penalty": repetition_penalty,
        },
        seed=seed,
        stop=[as_text(text) for text in stop or []],
        cache=not no_cache,
        stock_kernels=stock_kernels,
        dtype=dtype,
        device=device,
    )
    replace_unwritable(notes())
    run(request, as_json, notes())


@app.command()
def perplexity(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A text in UTF-8; - is the stdin.")
    ],
    model: Model = None,
    code: Code = "solutions",
    dtype: Dtype = "float32",
    stride: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How far it is from one window to the next, in tokens. Default: half "
            "of what the model reads at once (n_positions).",
        ),
    ] = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Say how well a GPT-2 foresees a text: mean loss in nats, and its exponential.

    A text longer than the model reads at once is read in windows, as on
    https://huggingface.co/docs/transformers/perplexity: each token is
    scored once, in the first window that has another one before it. A
    smaller stride gives tokens more to go by, and takes longer.
    """
    from course.generate.request import Request
    from course.perplexity import read_text, run

    replace_unwritable(notes())
    request = Request(
        prompt=read_text(file), model=model, code=code, dtype=dtype, device=device
    )
    run(file, request, stride, as_json, notes())


@app.command()
def serve(
    model: Model = None,
    host: Annotated[
        str, typer.Option(help="The address to serve at; 0.0.0.0 for all networks.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port; 0 takes any that is free.")
    ] = 8000,
    max_batch_size: Annotated[
        int, typer.Option(min=1, help="How many texts are written at the same time.")
    ] = 8,
    code: Code = "solutions",
    dtype: ServedDtype = "float32",
    device: Device = "auto",
    replicas: Annotated[
        int,
        typer.Option(
            min=0,
            help="How many servers on this machine, with vllm-router in front.",
        ),
    ] = 1,
    worker: Annotated[
        list[str],
        typer.Option(
            metavar="URL",
            help="A server elsewhere that takes part; may be given several times.",
        ),
    ] = [],  # noqa: B006
    policy: Annotated[
        Policy, typer.Option(help="How the router chooses among the servers.")
    ] = "cache_aware",
) -> None:
    """Serve a GPT-2 over HTTP, as the OpenAI API does, with a page to write with.

    A prompt and its max_tokens must fit the model together. Without
    max_tokens, 200 tokens follow, or as many as fit. `course generate`
    does the same.

    With --replicas or --worker, a router stands before several servers:
    vllm-router or, with --code steps, that of your step 20. One that dies
    is started anew; --replicas 0 starts none here.
    """
    from course.serve.command import serve as serve_it
    from course.serve.server import ServeOptions

    options = ServeOptions(
        model=model,
        host=host,
        port=port,
        max_batch_size=max_batch_size,
        code=code,
        dtype=dtype,
        device=device,
        replicas=replicas,
        workers=tuple(dict.fromkeys(url.rstrip("/") for url in worker)),
        policy=policy,
    )
    replace_unwritable(notes())
    serve_it(options, notes())


@app.command()
def bench(
    repeats: Annotated[
        int | None,
        typer.Option(
            min=1, help="How many rounds. Default: 5, as for the book's figures."
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help='Who takes part, such as "kernels int8"; may be given several times.',
        ),
    ] = None,
    portable: Annotated[
        bool,
        typer.Option(
            "--portable",
            help="Measure step 17's kernels once more, without instructions that only "
            "some processors have.",
        ),
    ] = False,
    serve: Annotated[
        bool,
        typer.Option(
            "--serve",
            help="Measure `course serve` by number of clients instead: two minutes.",
        ),
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="With --serve: a GPT-2 to be served, in all dtypes and beside "
            "llama.cpp's server where it is installed: a quarter of an hour.",
        ),
    ] = None,
    save: Annotated[
        bool,
        typer.Option(
            "--save", help="Keep the results in bench/results, and draw the book's."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    r"""Measure speed beside others, in one run on this machine.

    Hugging Face takes part, and of CTranslate2, OpenVINO and llama.cpp
    (xllamacpp) those that are installed: `pip install -e '.\[bench]'`. All
    but the servers are GPT-2 small with random weights; dtype is compared
    with dtype. It takes about twenty minutes.
    """
    results: dict[str, Any]
    replace_unwritable(notes())
    if serve:
        from course.bench import serving
        from course.bench.serving_table import print_table

        for option, given in {
            "--repeats": repeats is not None,
            "--only": only,
            "--portable": portable,
        }.items():
            if given:
                raise Misuse(f"{option} goes without --serve.")
        plan = serving.plan_for(model, notes()) if model else serving.DEMO
        results, show, keep = serving.measure(plan, notes()), print_table, serving.write
    elif model:
        raise Misuse("--model goes with --serve.")
    else:
        if portable and only:
            raise Misuse('--portable is for whole runs; say --only "portable kernels".')
        if save and only:
            raise Misuse("--save keeps whole runs: leave out --only.")
        from course.bench import command
        from course.bench.tables import print_tables

        results = command.bench(repeats or 5, only or [], portable, notes())
        show, keep = print_tables, command.write
    if as_json:
        print_json(results)
    else:
        show(results, Console(highlight=False))
    if save:
        notes().print(f"written to {from_root(keep(results))}", style="dim")


@app.command()
def book(
    build: Annotated[
        bool, typer.Option("--build", help="Build into book/book and stop.")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Default: 3000, or the next one free."),
    ] = None,
    open_it: Annotated[
        bool, typer.Option("--open", help="Open it in the browser.")
    ] = False,
) -> None:
    """Read the book: serve it on this machine, with live reload."""
    from course import book as the_book

    if build and (port is not None or open_it):
        raise Misuse("--port and --open go with serving, not with --build.")
    if build:
        the_book.build(notes())
    else:
        the_book.serve(notes(), port=port, open_it=open_it)


# What is the matter with the machine, and never with the program.
OF_THE_MACHINE = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.EAGAIN,
}


@contextlib.contextmanager
def errors_in_one_sentence() -> Iterator[None]:
    """Show the course's own errors, and the machine's, without a traceback."""
    try:
        yield
        sys.stdout.flush()
    except CourseError as error:
        print(f"course: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    except typer.TyperException as error:
        print(f"course: {_in_one_sentence(error)}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        print("\ncourse: stopped.", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:
        discard_output()
        raise SystemExit(141) from None
    except OSError as error:
        if error.errno not in OF_THE_MACHINE:
            raise
        place = f" ({error.filename})" if error.filename else ""
        with contextlib.suppress(OSError):
            print(f"course: {error.strerror}{place}.", file=sys.stderr, flush=True)
        discard_output()
        raise SystemExit(1) from None


# What pydantic finds, by its names, in our words.
REASONS = {
    "greater_than_equal": "it must be at least {ge}",
    "less_than_equal": "it must be at most {le}",
    "int_parsing": "it must be a whole number",
    "float_parsing": "it must be a number",
}


def _in_one_sentence(error: typer.TyperException) -> str:
    """What typer refuses: which option, with which value, and why."""
    cause, option = error.__cause__, getattr(error, "param", None)
    if option is None or not isinstance(cause, ValidationError):
        return f"{error.format_message().rstrip('.')}."
    [wrong, *_] = cause.errors()
    given = wrong.get("ctx", {})
    if ours := REASONS.get(wrong["type"]):
        reason = ours.format(**given)
    else:
        reason = str(given.get("error", wrong["msg"])).rstrip(".")
    return f"{option.opts[0]} {wrong['input']}: {reason}."


def main() -> None:
    """Run the command line."""
    prepare_streams()
    with errors_in_one_sentence():
        settle()
        # For children of libraries, too: the current folder holds no modules.
        os.environ["PYTHONSAFEPATH"] = "1"
        status = app(standalone_mode=False)
        # While errors are still caught: not everything may have been written.
        sys.stdout.flush()
        raise SystemExit(status)
