"""Several servers behind one address that write without a model, and who asks them."""

import contextlib
import functools

import httpx
import openai
from rich.console import Console

from course.serve.command import address_of, listen
from course.serve.replicas import Replicas
from course.serve.server import ServeOptions
from tests.project.fake_worker import start_fake

PIECES = 10


@contextlib.contextmanager
def fakes(seconds=0.0, host="127.0.0.1", **options):
    asked = ServeOptions(host=host, port=0, **{"replicas": 2, **options})
    start = functools.partial(start_fake, pieces=PIECES, seconds=seconds)
    quiet = Console(quiet=True)
    with (
        listen(asked.host, asked.port) as listener,
        Replicas(asked, start, listener, address_of(listener, host), quiet) as several,
    ):
        yield several


def post(several, prompt="x", **more):
    body = {"model": "demo", "prompt": prompt, **more}
    return httpx.post(f"{several.address}/v1/completions", json=body, timeout=60)


def stream(several, prompt, has_begun=lambda: None):
    """What a client of the OpenAI API reads: the text, and how it ended."""
    client = openai.OpenAI(
        base_url=f"{several.address}/v1", api_key="none", max_retries=0, timeout=60
    )
    text, reason = "", None
    try:
        for event in client.completions.create(
            model="demo", prompt=prompt, stream=True, max_tokens=PIECES
        ):
            if not text:
                has_begun()
            text += event.choices[0].text
            reason = event.choices[0].finish_reason or reason
    except openai.APIError as error:
        return text, error.message
    return text, reason
