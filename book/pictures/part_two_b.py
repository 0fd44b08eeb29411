"""What is drawn for steps 15 and 17."""

from __future__ import annotations

import math

from book.pictures.svg import Drawing
from course.checkpoint import SIZES, expected_shapes

WIDTH = 340

# What each chapter is about, by the names of parts in `here`, and how it is called.
HERE: dict[int, tuple[set[str], str]] = {
    15: ({"wpe", "h", "attn", "mask", "loop"}, "what the cache touches"),
    17: ({"attn", "mlp", "lm_head"}, "where the time goes"),
}


def kv_cache() -> Drawing:
    """What is computed for each new token, without a cache and with one."""
    words = ["the", "cat", "sat", "down", "and", "ran"]
    prompt = 4
    lengths = range(prompt, len(words) + 1)
    again = sum(lengths)
    drawing = Drawing(
        "What is computed for each new token",
        f"A prompt of {prompt} words, and {len(words) - prompt} words that the model "
        "adds. Without a cache every pass computes all the words so far: "
        f"{' + '.join(map(str, lengths))} = {again}. With a KV cache the first pass "
        "computes the prompt, and every later one a single new word; keys and values "
        f"of the others are kept. That is {len(words)} in all.",
        WIDTH,
        252,
    )

    def panel(top: int, title: str, total: int, cached: bool) -> None:
        drawing.text(0, top + 13, title, "small strong")
        drawing.text(338, top + 13, f"{total} words computed", "end small dim")
        for index, length in enumerate(lengths):
            y = top + 22 + index * 28
            drawing.text(0, y + 16, f"pass {index + 1}", "small dim")
            for place in range(length):
                kept = cached and index > 0 and place < length - 1
                hue = "blue" if kept else "orange"
                drawing.box(
                    50 + place * 48, y, 46, 22, words[place], hue, "mid mono tiny"
                )

    panel(0, "without a cache", again, False)
    panel(118, "with a KV cache", len(words), True)
    drawing.rect(50, 234, 14, 14, "orange")
    drawing.text(70, 246, "computed", "small")
    drawing.rect(150, 234, 14, 14, "blue")
    drawing.text(170, 246, "kept: keys and values", "small")
    return drawing


def cache_slices() -> Drawing:
    """The two slices of `append`, on one head's cache."""
    capacity, start, new = 8, 4, 2
    end = start + new
    drawing = Drawing(
        "The two slices of a cache",
        f"One head's cache has room for {capacity} vectors. Places 0 to {start - 1} "
        f"were filled before. start is {start}, and {new} new tokens go into places "
        f"{start} and {end - 1}: that slice is called here, from start to end. What is "
        f"filled afterwards, from 0 to end = {end}, is called up_to_here. The last "
        f"{capacity - end} places are still free.",
        WIDTH,
        164,
    )
    cell, left, top = 38, 18, 62

    def brace(first: int, last: int, y: float, tick: float) -> None:
        x0, x1 = left + first * cell + 3, left + last * cell - 3
        drawing.path([(x0, y + tick), (x0, y), (x1, y), (x1, y + tick)], "axis")

    brace(0, end, 50, 6)
    middle = left + end * cell / 2
    drawing.text(middle, 42, "up_to_here: 0 to end", "mid mono small")
    drawing.text(middle, 26, "context = start + seq_length", "mid small dim")
    for place in range(capacity):
        hue = "blue" if place < start else "orange" if place < end else "plain"
        drawing.box(left + place * cell, top, cell, 28, str(place), hue)
    brace(start, end, 100, -6)
    middle = left + (start + end) * cell / 2
    drawing.text(middle, 116, "here: start to end", "mid mono small")
    for place, hue, label in ((18, "blue", "kept"), (98, "orange", "stored now")):
        drawing.rect(place, 144, 14, 14, hue)
        drawing.text(place + 20, 156, label, "small")
    drawing.rect(212, 144, 14, 14, "plain")
    drawing.text(232, 156, "free", "small")
    return drawing


def bandwidth() -> Drawing:
    """How many bytes a token of GPT-2 small has to read, in three dtypes."""
    per_second = 26e9
    shapes = {
        name: shape
        for name, shape in expected_shapes(SIZES).items()
        if not name.startswith(("transformer.wte", "transformer.wpe"))
    }
    matrices = [shape for shape in shapes.values() if len(shape) == 2]
    vectors = 4 * sum(math.prod(shape) for shape in shapes.values() if len(shape) == 1)
    weights = sum(math.prod(shape) for shape in matrices)
    scales = 4 * sum(shape[0] for shape in matrices)
    bars = [
        ("float32", 4 * weights + vectors, "blue"),
        ("bfloat16", 2 * weights + vectors, "green"),
        ("int8", weights + scales + vectors, "orange"),
    ]
    drawing = Drawing(
        "What one token has to read",
        "Three bars, for weights in float32, bfloat16 and int8: "
        + "; ".join(
            f"{name} {size / 1e6:.0f} MB, which take {1000 * size / per_second:.1f} ms"
            for name, size, _ in bars
        )
        + f". At {per_second / 1e9:.0f} GB a second.",
        WIDTH,
        136,
    )
    drawing.text(0, 13, "bytes of weights that one token reads", "small strong")
    for index, (name, size, hue) in enumerate(bars):
        y = 26 + 30 * index
        drawing.text(58, y + 15, name, "end small")
        length = 160 * size / bars[0][1]
        drawing.rect(64, y, length, 22, hue)
        told = f"{size / 1e6:.0f} MB · {1000 * size / per_second:.1f} ms"
        drawing.text(70 + length, y + 15, told, "tiny dim")
    remark = f"milliseconds at {per_second / 1e9:.0f} GB/s, two cores"
    drawing.text(64, 130, remark, "small dim")
    return drawing


def dot_tile() -> Drawing:
    """Four rows of weights meet one vector, four numbers at a time."""
    lanes, rows, columns = 4, 4, 8
    drawing = Drawing(
        "Four dot products at once",
        f"Above, the vector x of {columns} numbers; a register of {lanes} of them has "
        f"just been loaded. Below, {rows} rows of weights with the same {lanes} "
        f"columns marked. Beside each row is a register of {lanes} sums, one for each "
        "lane, to which the products are added. In the end the sums of each register "
        "are added up: one output for each row.",
        WIDTH,
        226,
    )
    cell, sums = 21, 232
    now = range(lanes, 2 * lanes)
    drawing.text(0, 34, "x", "mono")
    for column in range(columns):
        hue = "blue" if column in now else "box"
        drawing.rect(20 + column * cell, 20, cell, 20, hue)
    middle = 20 + (lanes + lanes / 2) * cell
    drawing.text(middle, 12, "loaded once", "mid small blue")
    drawing.text(sums + lanes * cell / 2, 34, "sums", "mid small strong")
    for row in range(rows):
        y = 62 + row * 30
        drawing.text(0, y + 15, f"w{row}", "mono")
        for column in range(columns):
            hue = "orange" if column in now else "box"
            drawing.rect(20 + column * cell, y, cell, 20, hue)
        drawing.arrow([(20 + columns * cell, y + 10), (sums, y + 10)])
        for lane in range(lanes):
            drawing.rect(sums + lane * cell, y, cell, 20, "green")
    drawing.arrow([(middle, 42), (middle, 60)], "blue")
    drawing.text(200, 56, "× and +", "mid small dim")
    drawing.text(20, 200, "each weight is read once,", "small")
    drawing.text(20, 216, "x stays near the core", "small")
    drawing.text(sums, 200, "stay in registers", "small")
    drawing.text(sums, 216, "until the end", "small")
    return drawing


DRAWINGS = (kv_cache, cache_slices, bandwidth, dot_tile)
