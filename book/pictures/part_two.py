"""What is drawn for steps 13 to 17."""

from __future__ import annotations

import math

from book.gpt2 import parameter_shapes
from book.measured import last_results
from book.numbers.example import PROMPT, six_tokens
from book.pictures.distributions import distributions
from book.pictures.svg import WIDTH, Drawing
from course.bench import figures


def conv1d() -> Drawing:
    """One layer, stored as Conv1D and as Linear store it."""
    stored = [[1, 2, 0], [3, 0, 4]]
    turned = [list(column) for column in zip(*stored, strict=True)]
    x = [2, 1]
    y = [sum(a * b for a, b in zip(x, row, strict=True)) for row in turned]
    drawing = Drawing(
        "One layer, stored in two ways",
        f"A layer that reads 2 numbers and writes 3. Conv1D stores it as [in, out]: "
        f"the rows are {stored[0]} and {stored[1]}, and each column belongs to one "
        f"output. Linear stores it as [out, in]: the rows are {turned[0]}, {turned[1]} "
        f"and {turned[2]}, and each row belongs to one output. For x = {x} both give "
        f"{y}. A color marks the numbers that make one output.",
        WIDTH,
        176,
    )
    hues = ["blue", "orange", "green"]
    cell = 30

    def row(left: float, top: float, numbers: list[int], classes: list[str]) -> None:
        for place, (number, hue) in enumerate(zip(numbers, classes, strict=True)):
            drawing.box(left + place * cell, top, cell, cell, str(number), hue)

    drawing.text(0, 14, "Conv1D", "strong small")
    drawing.text(0, 30, "[in, out] = [2, 3]", "mono small dim")
    for index, numbers in enumerate(stored):
        row(0, 42 + index * cell, numbers, hues)
    drawing.arrow([(104, 72), (186, 72)])
    drawing.text(145, 64, "tensor.T", "mid mono small")
    drawing.text(200, 14, "Linear", "strong small")
    drawing.text(200, 30, "[out, in] = [3, 2]", "mono small dim")
    for index, numbers in enumerate(turned):
        row(200, 42 + index * cell, numbers, [hues[index]] * 2)
    drawing.text(0, 165, "x", "mono")
    row(16, 146, x, ["plain"] * 2)
    drawing.arrow([(84, 161), (186, 161)])
    drawing.text(135, 153, "either layer", "mid small dim")
    row(200, 146, y, hues)
    drawing.text(298, 165, "y", "mono")
    return drawing


def compiled() -> Drawing:
    """One operation after the other, and one graph."""
    ops = ["gather", "add", "norm", "matmul", "add", "…"]
    drawing = Drawing(
        "Eager and compiled",
        "Above, eager: Python calls one operation, waits for its result, and calls the "
        "next; each result is a tensor in memory. Below, compiled: Python calls once, "
        "all operations run inside one graph, and some of them are fused, so that what "
        "is between them is never stored. Only the last position reaches the head, and "
        "only its logits leave the graph.",
        WIDTH,
        262,
    )
    drawing.text(0, 14, "eager", "strong small")
    drawing.text(340, 14, "one call for each operation", "end small dim")
    drawing.box(0, 24, 340, 22, "Python", "plain", "mid small")
    for index, name in enumerate(ops):
        left = index * 58
        drawing.arrow([(left + 14, 46), (left + 14, 74)])
        drawing.arrow([(left + 36, 74), (left + 36, 46)])
        drawing.box(left, 74, 50, 26, name, "orange", "mid mono tiny")

    drawing.text(0, 138, "compiled", "strong small")
    drawing.text(340, 138, "one call for the whole model", "end small dim")
    drawing.box(0, 148, 340, 22, "Python", "plain", "mid small")
    drawing.rect(0, 198, 340, 44, "frame")
    drawing.arrow([(16, 170), (16, 208)])
    drawing.text(24, 188, "[batch, seq_length]", "mono tiny dim")
    parts = [
        ("embed", 8, 56, "green"),
        ("12 blocks", 80, 84, "green"),
        ("last", 180, 46, "blue"),
        ("lm_head", 242, 76, "green"),
    ]
    for index, (name, left, width, hue) in enumerate(parts):
        drawing.box(left, 208, width, 26, name, hue, "mid mono tiny")
        if index:
            before = parts[index - 1]
            drawing.arrow([(before[1] + before[2], 221), (left, 221)])
    drawing.arrow([(300, 208), (300, 170)])
    drawing.text(292, 188, "[batch, 1, vocab]", "end mono tiny dim")
    drawing.text(0, 258, "one graph, for every batch and length", "small dim")
    return drawing


def kv_cache() -> Drawing:
    """What is computed for each new token, without a cache and with one."""
    words, prompt = [*PROMPT, "and", "ran"], len(PROMPT)
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
    """The two slices of `write`, on one head's cache."""
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


def filters() -> Drawing:
    """One distribution on its way past all the dials."""
    words, given = six_tokens()
    logits = given.tolist()
    penalty, temperature, top_k, top_p, min_p = 1.2, 1.25, 5, 0.9, 0.3

    def softmax(values: list[float], kept: int) -> list[float]:
        powers = [math.exp(value) for value in values[:kept]]
        return [power / sum(powers) for power in powers] + [0.0] * (len(values) - kept)

    # The words stay in their order, so what is ruled out is always at the end.
    penalized = [logits[0], logits[1] / penalty, *logits[2:]]
    warmed = [logit / temperature for logit in penalized]
    after_k = softmax(warmed, top_k)
    in_p = sum(sum(after_k[place:]) > 1 - top_p for place in range(len(words)))
    after_p = softmax(warmed, in_p)
    in_min = sum(value >= min_p * after_p[0] for value in after_p)
    panels = [
        ("the model", softmax(logits, len(words)), "blue"),
        (f"penalty {penalty} for river", softmax(penalized, len(words)), "orange"),
        (f"temperature {temperature}", softmax(warmed, len(words)), "orange"),
        (f"top-k {top_k}", after_k, "green"),
        (f"top-p {top_p}", after_p, "green"),
        (f"min-p {min_p}", softmax(warmed, in_min), "green"),
    ]

    return distributions(
        "One distribution past all the dials",
        "Six words with their probabilities, after each dial in turn.",
        words,
        [(f"{i}. {title}", p, hue) for i, (title, p, hue) in enumerate(panels)],
    )


def stop_sequence() -> Drawing:
    """What can be shown while a stop sequence may have begun."""
    stop = "END"
    pieces = ["Press ", "E", "N", "TER. ", "EN", "D"]
    rows, held, shown = [], "", ""
    for piece in pieces:
        held += piece
        found = held.find(stop)
        overlaps = [n for n in range(1, len(stop)) if held.endswith(stop[:n])]
        keep = max(overlaps, default=0)
        certain = held[:found] if found >= 0 else held[: len(held) - keep]
        held = "" if found >= 0 else held[len(held) - keep :]
        shown += certain
        rows.append((piece, certain, held, found >= 0))
    drawing = Drawing(
        f"Holding back what may begin the stop sequence {stop}",
        " ".join(
            f"The token '{piece}' comes: shown is '{certain}', held back is '{kept}'"
            f"{', and the text stops' if stopped else ''}."
            for piece, certain, kept, stopped in rows
        )
        + f" The whole text is '{shown}'.",
        WIDTH,
        42 + 30 * len(rows),
    )

    def visible(text: str) -> str:
        return text.replace(" ", "␣")

    for left, heading in ((0, "token"), (106, "held back"), (222, "shown")):
        drawing.text(left, 14, heading, "small strong")
    for index, (piece, certain, kept, stopped) in enumerate(rows):
        top = 26 + 30 * index
        drawing.box(0, top, 80, 24, visible(piece), "blue")
        if kept:
            drawing.box(106, top, 80, 24, visible(kept), "orange")
        if certain:
            drawing.box(222, top, 80, 24, visible(certain), "green")
        if stopped:
            drawing.text(106, top + 17, f"{stop}: stop", "small red")
    return drawing


def tail() -> Drawing:
    """A row that fills no whole number of registers, read too far and rightly."""
    row, lanes, columns, cell = 6, 4, 8, 34
    drawing = Drawing(
        "A row and its tail",
        f"A row of {row} numbers in memory, and two numbers behind it that belong to "
        f"somebody else. Read in registers of {lanes}, the second register takes "
        "these two as well. Below, only the whole register is read as one, and the "
        "two numbers that are left, the tail, one by one.",
        WIDTH,
        178,
    )

    def panel(top: int, title: str, parts: list[tuple[int, str, str]]) -> None:
        drawing.text(0, top + 13, title, "small strong")
        for column in range(columns):
            number = str(column + 1) if column < row else "?"
            hue = "plain" if column < row else "red"
            drawing.box(column * cell, top + 22, cell, 24, number, hue)
        column = 0
        for width, label, hue in parts:
            left, across = column * cell + 2, width * cell - 4
            drawing.box(left, top + 51, across, 22, label, hue, "mid small")
            column += width

    whole = (lanes, "register", "blue")
    panel(0, "two registers", [whole, (lanes, "two too many", "red")])
    panel(96, "a register and the tail", [whole, (1, "5", "green"), (1, "6", "green")])
    drawing.text(row * cell + 8, 163, "one by one", "small dim")
    return drawing


def bandwidth() -> Drawing:
    """How many bytes a token of GPT-2 small has to read, in three dtypes."""
    per_second = figures.bandwidth(last_results())
    shapes = {
        name: shape
        for name, shape in parameter_shapes().items()
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


DRAWINGS = (
    conv1d,
    compiled,
    kv_cache,
    cache_slices,
    filters,
    stop_sequence,
    tail,
    bandwidth,
    dot_tile,
)
