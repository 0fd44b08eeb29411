"""A worker that goes on with texts, for the tests of what stands before it.

python -m tests.project.fake_worker DESCRIPTOR PIECES SECONDS
"""

import asyncio
import json
import os
import socket
import sys
import time

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

from course.process.child import Child
from course.process.launcher import environment
from course.steps import ROOT


def text_of(prompt, pieces):
    """What it goes on with: another text for each prompt."""
    return "".join(piece_of(prompt, n) for n in range(pieces))


def piece_of(prompt, number):
    return f" {prompt}-{number}"


def start_fake(bound, cores, pieces=10, seconds=0.0):
    """A fake in a process of its own, on a socket that is bound."""
    return Child(
        *("tests.project.fake_worker", f"{bound.fileno()}", f"{pieces}", f"{seconds}"),
        inherits=[bound.fileno()],
        variables=environment(PYTHONPATH=str(ROOT)),
    )


async def waits_for(request, seconds):
    """Take so long, or until the client has gone."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not await request.is_disconnected():
        await asyncio.sleep(min(max(end - time.monotonic(), 0), 0.1))


def app(pieces, seconds):
    running = []

    def choice(text, reason):
        choices = [{"index": 0, "text": text, "finish_reason": reason}]
        return {"object": "text_completion", "worker": os.getpid(), "choices": choices}

    async def events(prompt):
        running.append(prompt)
        try:
            for number in range(pieces):
                await asyncio.sleep(seconds)
                reason = "length" if number == pieces - 1 else None
                said = json.dumps(choice(piece_of(prompt, number), reason))
                yield f"data: {said}\n\n"
            yield "data: [DONE]\n\n"
        finally:
            running.remove(prompt)

    async def complete(request):
        asked = await request.json()
        prompt = asked["prompt"]
        if asked.get("stream"):
            return StreamingResponse(events(prompt), media_type="text/event-stream")
        running.append(prompt)
        await waits_for(request, seconds * pieces)
        running.remove(prompt)
        return JSONResponse(choice(text_of(prompt, pieces), "length"))

    async def list_running(request):
        return JSONResponse(running)

    async def health(request):
        return PlainTextResponse("")

    async def tokenize(request):
        tokens = list((await request.json())["prompt"].encode())
        return JSONResponse(
            {"count": len(tokens), "max_model_len": 9999, "tokens": tokens}
        )

    async def models(request):
        return JSONResponse({"object": "list", "data": [{"id": "demo"}]})

    return Starlette(
        routes=[
            Route("/v1/completions", complete, methods=["POST"]),
            Route("/tokenize", tokenize, methods=["POST"]),
            Route("/v1/models", models),
            Route("/health", health),
            Route("/running", list_running),
        ]
    )


if __name__ == "__main__":
    listener = socket.socket(fileno=int(sys.argv[1]))
    config = uvicorn.Config(
        app(int(sys.argv[2]), float(sys.argv[3])), log_level="error"
    )
    asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))
