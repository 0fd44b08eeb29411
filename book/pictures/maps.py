"""Maps of the whole model, whose boxes lead to the chapters that build them."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext

from book.gpt2 import GPT2
from book.pictures.svg import WIDTH, Drawing
from course.model.checkpoint import stored_shapes
from course.steps import StepId, get_step

# What each chapter is about, by the names of parts in `here`, and how it is called.
HERE: dict[StepId, tuple[set[str], str]] = {
    1: ({"GPT2Config"}, "the sizes of it all"),
    2: ({"mask"}, "the causal mask"),
    3: ({"ln_1", "ln_2", "ln_f"}, "layer norm"),
    4: ({"mlp"}, "feed-forward"),
    5: ({"wte"}, "token embeddings"),
    6: ({"wpe"}, "position embeddings"),
    7: ({"attn"}, "attention"),
    8: ({"skip 1", "skip 2"}, "the residual steps"),
    9: ({"block"}, "one block"),
    10: ({"wte", "wpe", "h", "ln_f"}, "the whole body"),
    11: ({"lm_head"}, "the head"),
    12: ({"text", "next", "loop"}, "the loop that writes"),
    13: (
        {"wte", "wpe", "h", "ln_f", "lm_head", "ln_1", "attn", "ln_2", "mlp"},
        "the weights of it all",
    ),
    14: ({"wte", "wpe", "h", "ln_f", "lm_head", "block"}, "all of it, compiled"),
    15: ({"wpe", "h", "attn", "mask", "loop"}, "the KV cache"),
    16: ({"text", "next"}, "the next token"),
    17: ({"attn", "mlp", "lm_head"}, "where the time goes"),
    18: ({"text", "attn", "next", "loop"}, "many texts at once"),
    19: ({"text", "next", "loop"}, "several tokens a pass"),
    20: ({"text"}, "which server gets the text"),
    "bpe": ({"text"}, "the tokenizer"),
}

# The chapter that builds a part is the first that is about it.
CHAPTER = {part: step for step in reversed(HERE) for part in HERE[step][0]}


def chapter_of(part: str, drawing: Drawing, label: str) -> AbstractContextManager[None]:
    """Make what is drawn a link to the chapter that builds a part."""
    step = get_step(CHAPTER[part])
    title = f"{label}: step {step.label}, {step.title}"
    return drawing.link(f"{step.module}.html", title)


def here(step: StepId) -> Drawing:
    """The whole model in small, with the parts of one chapter marked."""
    parts, label = HERE[step]
    drawing = Drawing(
        f"Where step {get_step(step).label} is in GPT-2: {label}",
        "Text becomes token IDs, which are looked up in the token embeddings (wte). "
        "Positions, 0, 1, 2 and so on, are looked up in the position embeddings (wpe). "
        "The two are added, run through a stack of blocks (h), a final layer norm "
        "(ln_f) and "
        "the head (lm_head), which gives the next token. Inside one block: ln_1 and "
        "attention with the causal mask, added to what came in; then ln_2 and the "
        "feed-forward network (mlp), added again. "
        f"Marked in this picture: {', '.join(sorted(parts))}. "
        "The other parts are links to their chapters.",
        WIDTH,
        214,
        "here",
    )

    def style(part: str, otherwise: str = "box") -> str:
        return f"{otherwise} on" if part in parts else otherwise

    def lit(part: str) -> str:
        return "on" if part in parts else ""

    def leading(part: str, label: str) -> AbstractContextManager[None]:
        if CHAPTER[part] == step:
            return nullcontext()
        return chapter_of(part, drawing, label)

    def box(
        part: str,
        *place: float,
        label: str = "",
        look: str = "box",
        letters: str = "mid mono",
    ) -> None:
        x, y, width, height = place
        with leading(part, label or part):
            drawing.box(x, y, width, height, label or part, style(part, look), letters)

    box("GPT2Config", 1, 1, 94, 24, look="plain")
    drawing.text(339, 17, f"you are here: {label}", "end small on")

    top, middle = 38, 51  # of the row of the whole model
    upper, line = 120, 162  # of the block, seen from near
    drawing.path([(150, 64), (1, upper)], "grid dash")
    drawing.path([(196, 64), (339, upper)], "grid dash")
    box("text", 1, top, 40, 26, look="plain")
    box("wte", 60, top, 42, 26)
    box("wpe", 60, top + 36, 42, 26)
    box("h", 150, top, 46, 26, label="h ×12", letters="mid mono small")
    box("ln_f", 212, top, 42, 26)
    box("lm_head", 271, top, 66, 26)
    place = 259, top + 36, 80, 26
    box("next", *place, label="next token", look="plain", letters="mid small")
    drawing.arrow([(41, middle), (60, middle)])
    drawing.text(48, middle + 40, "0 1 2…", "end tiny")
    drawing.arrow([(50, middle + 36), (60, middle + 36)])
    drawing.arrow([(102, middle), (116, middle)])
    drawing.arrow([(102, middle + 36), (125, middle + 36), (125, middle + 9)])
    drawing.plus(125, middle)
    drawing.arrow([(134, middle), (150, middle)])
    drawing.arrow([(196, middle), (212, middle)])
    drawing.arrow([(254, middle), (271, middle)])
    drawing.arrow([(304, top + 26), (304, top + 36)])
    if "loop" in parts:
        drawing.arrow([(299, 100), (299, 110), (4, 110), (4, 64)], "on")

    drawing.rect(1, upper, 338, 93, "frame on" if "block" in parts else "frame")
    with leading("block", "inside one block"):
        drawing.text(331, upper + 84, "inside one block", "end small dim")
    drawing.arrow([(8, line), (32, line)])
    for number, (norm, sublayer, x) in enumerate(
        [("ln_1", "attn", 32), ("ln_2", "mlp", 182)], start=1
    ):
        skip = lit(f"skip {number}")
        drawing.arrow(
            [
                (x - 14, line),
                (x - 14, line - 29),
                (x + 120, line - 29),
                (x + 120, line - 9),
            ],
            skip,
        )
        box(norm, x, line - 13, 42, 26)
        box(sublayer, x + 55, line - 13, 42, 26)
        drawing.arrow([(x + 42, line), (x + 55, line)], skip)
        drawing.arrow([(x + 97, line), (x + 111, line)], skip)
        with leading(f"skip {number}", "+"):
            drawing.plus(x + 120, line, style(f"skip {number}", "plain"))
    drawing.arrow([(161, line), (182, line)])
    drawing.arrow([(311, line), (332, line)])
    box("mask", 85, line + 23, 46, 22, look="plain")
    drawing.arrow([(108, line + 23), (108, line + 13)], lit("mask"))
    return drawing


def model() -> Drawing:
    """The whole of GPT-2 small, with shapes and numbers of parameters."""
    shapes = stored_shapes(GPT2)
    vocab, n_embd = GPT2.vocab_size, GPT2.n_embd

    def count(prefix: str) -> int:
        return sum(
            math.prod(shape)
            for name, shape in shapes.items()
            if name.startswith(prefix)
        )

    body = count("transformer.")
    each = count("transformer.h.0.")
    stream = f"[B, T, {n_embd}]"
    drawing = Drawing(
        "GPT-2 small from token IDs to logits",
        f"Token IDs of shape [B, T], B texts of T tokens, go into wte, {vocab:,} by "
        f"{n_embd}, which has {count('transformer.wte'):,} parameters. The positions "
        f"0, 1, 2 and so on, of shape [T], go into wpe, {GPT2.n_positions:,} by "
        f"{n_embd}, which has {count('transformer.wpe'):,}. Their sum, {stream}, "
        f"goes through {GPT2.n_layer} blocks of {each:,} parameters, then ln_f "
        f"({count('transformer.ln_f'):,}). lm_head has the weight of wte and gives "
        f"logits of shape [B, T, {vocab}]. Altogether {body:,} parameters. "
        "Each part is a link to its chapter.",
        WIDTH,
        500,
    )
    centre = 100

    def down(top: float, shape: str, height: float = 26) -> None:
        drawing.arrow([(centre, top), (centre, top + height)])
        drawing.text(centre + 9, top + height / 2 + 3, shape, "mono small dim")

    def box(part: str, *place: float, hue: str) -> None:
        x, y, width, height = place
        with chapter_of(part, drawing, part):
            drawing.box(x, y, width, height, part, hue)

    def parameters(y: float, number: str) -> None:
        drawing.text(339, y, number, "end mono small")

    drawing.text(339, 13, "parameters", "end small strong")
    drawing.text(50, 13, "token IDs", "mid")
    drawing.arrow([(50, 18), (50, 46)])
    drawing.text(57, 35, "[B, T]", "mono small dim")
    drawing.text(150, 13, "0, 1, 2, …", "mid")
    drawing.arrow([(150, 18), (150, 46)])
    drawing.text(157, 35, "[T]", "mono small dim")
    box("wte", 6, 46, 88, 40, hue="violet")
    box("wpe", 106, 46, 88, 40, hue="violet")
    parameters(61, f"{count('transformer.wte'):,}")
    parameters(78, f"+ {count('transformer.wpe'):,}")
    drawing.arrow([(50, 86), (50, 105), (91, 105)])
    drawing.arrow([(150, 86), (150, 105), (109, 105)])
    drawing.plus(centre, 105)
    down(114, stream, 40)
    drawing.rect(6, 154, 188, 200, "frame")
    blocks = f"h: {GPT2.n_layer} blocks"
    with chapter_of("h", drawing, blocks):
        drawing.text(202, 169, blocks, "small strong")
    drawing.text(339, 251, f"{GPT2.n_layer} × {each:,}", "end mono small")
    parameters(268, f"= {GPT2.n_layer * each:,}")
    top = 154
    for number, (norm, sublayer, hue) in enumerate(
        [("ln_1", "attn", "blue"), ("ln_2", "mlp", "orange")], start=1
    ):
        drawing.arrow([(centre, top), (centre, top + 18)])
        box(norm, centre - 36, top + 18, 72, 24, hue="green")
        drawing.arrow([(centre, top + 42), (centre, top + 50)], tip=False)
        box(sublayer, centre - 36, top + 48, 72, 24, hue=hue)
        drawing.arrow([(centre, top + 72), (centre, top + 81)], tip=False)
        drawing.arrow(
            [(centre, top + 8), (28, top + 8), (28, top + 90), (centre - 9, top + 90)]
        )
        with chapter_of(f"skip {number}", drawing, "+"):
            drawing.plus(centre, top + 90)
        top += 99
    down(352, stream, 34)
    box("ln_f", centre - 44, 386, 88, 26, hue="green")
    parameters(404, f"{count('transformer.ln_f'):,}")
    down(412, stream)
    box("lm_head", centre - 44, 438, 88, 26, hue="violet")
    parameters(456, "0: the weight of wte")
    drawing.arrow([(centre, 464), (centre, 484)])
    drawing.text(centre + 9, 476, f"[B, T, {vocab}]", "mono small dim")
    drawing.text(centre, 497, "logits", "mid")
    drawing.path([(222, 480), (339, 480)], "axis")
    drawing.text(339, 496, f"{body:,}", "end mono small strong")
    return drawing
