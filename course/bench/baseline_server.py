"""A server around `generate` of transformers: one text at a time, the others wait.

This is what one writes without a serving engine, and what `course serve` is measured
beside. It speaks as much of the same API as the measurement needs:

    python -m course.bench.baseline_server DIRECTORY PORT DTYPE
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream
from transformers import GPT2LMHeadModel
from transformers.generation.streamers import BaseStreamer

from course.process.ports import HOST

Send = Callable[[str, int], None]


class Pieces(BaseStreamer):
    """Hands on the text of every token as soon as `generate` has chosen it.

    Not TextIteratorStreamer, which holds tokens back until a word is complete, and
    needs a second thread.
    """

    def __init__(self, tokenizer: Tokenizer, send: Send) -> None:
        """Prepare for one text.

        Args:
            tokenizer: The tokenizer of the model.
            send: Called with the text and the ID of each token.
        """
        self._tokenizer = tokenizer
        self._send = send
        self._decoder = DecodeStream(skip_special_tokens=True)
        self._is_prompt = True

    def put(self, value: Any) -> None:
        """Take the prompt first, then one token at a time."""
        if not self._is_prompt:
            token_id = int(value[0])
            piece = self._decoder.step(self._tokenizer, token_id)
            self._send(piece or "", token_id)
        self._is_prompt = False

    def end(self) -> None:
        """Nothing is left over."""


class LockedModel:
    """A model that one thread at a time can use."""

    def __init__(self, folder: Path, dtype: str) -> None:
        """Load the model.

        Args:
            folder: A GPT-2 as `save_pretrained` of transformers writes it.
            dtype: How weights are kept, and what is computed in.
        """
        self.name = str(folder)
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._model = GPT2LMHeadModel.from_pretrained(folder, dtype=dtype).train(False)
        self._lock = threading.Lock()

    def generate(self, prompt: str | list[int], new_tokens: int, send: Send) -> None:
        """Go on with a text, always with the most likely token.

        Args:
            prompt: The text, or its token IDs.
            new_tokens: How many tokens it goes on by.
            send: Called with the text and the ID of each token.
        """
        import torch

        if isinstance(prompt, str):
            prompt = self._tokenizer.encode(prompt).ids
        ids = torch.tensor([prompt])
        with self._lock:
            self._model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=new_tokens,
                do_sample=False,
                eos_token_id=None,
                pad_token_id=0,
                streamer=Pieces(self._tokenizer, send),
            )


class Handler(BaseHTTPRequestHandler):
    """Answers GET of /v1/models and /health, and POST of /v1/completions."""

    model: LockedModel

    def do_GET(self) -> None:
        """Say which model there is."""
        self._start("application/json")
        self.wfile.write(json.dumps({"data": [{"id": self.model.name}]}).encode())

    def do_POST(self) -> None:
        """Stream the text that follows."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = json.loads(body)
        self._start("text/event-stream")
        self.model.generate(request["prompt"], request["max_tokens"], self._send)
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of each request."""

    def _start(self, content_type: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.end_headers()

    def _send(self, piece: str, token_id: int) -> None:
        event = {"choices": [{"text": piece, "token_ids": [token_id]}]}
        self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())


def main() -> None:
    """Load the model and serve it until the process is ended."""
    folder, port, dtype = sys.argv[1:]
    Handler.model = LockedModel(Path(folder), dtype)
    # Clients who come at the same time are let in, and wait for the lock.
    ThreadingHTTPServer.request_queue_size = 128
    with ThreadingHTTPServer((HOST, int(port)), Handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
