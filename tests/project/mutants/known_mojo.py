"""The known mistakes in the Mojo file of step 17, and more wrong versions of it."""

from course.steps import get_step
from tests.project.mutants.mutant import Mutant, changed

LOADED = "return w.unsafe_load[width=width](column).cast[DType.float32]()"
TOTAL = "total += x[unsafe_offset=column] * load_weights[1](w, column)"
NUMBERS = "for column in range(k):"
REGISTERS = "for column in range(0, k, WIDTH):"
ADDED = """        var values = x.unsafe_load[width=WIDTH](column)
        sums = values.fma(load_weights[WIDTH](w, column), sums)"""
LANES = "return sums.reduce_add()"
REST = (
    "var rest = dot_numbers(x.unsafe_offset(whole), w.unsafe_offset(whole), k - whole)"
)
BOTH = "return dot_registers(x, w, whole) + rest"
WHOLE = "var whole = align_down(k, WIDTH)"
IN_FOUR = "sums[row] = values.fma(load_weights[WIDTH](w.at(row), column), sums[row])"
TOTALS = "totals[row] = sums[row].reduce_add() + rest"
TAIL = "x.unsafe_offset(whole), w.at(row, whole), w.columns - whole"
FOURS = "for j in range(0, four_end, ROWS):"
STORED = "y.at(i, j).unsafe_store(dot_four(x.at(i), w.some_rows(j, ROWS)))"
SINGLES = "for j in range(four_end, w.rows):"
STORED_ONE = "y.at(i, j)[] = dot(x.at(i), w.at(j), w.columns)"
END = "var four_end = align_down(w.rows, ROWS)"
NARROW = "x[unsafe_offset=column].cast[dtype]() * w[unsafe_offset=column]"

CHANGES = [
    ("column-not-used", (LOADED, LOADED.replace("(column)", "(0)"))),
    ("column-of-registers", (LOADED, LOADED.replace("column", "column * width"))),
    (
        "width-not-used",
        (LOADED, "return w[unsafe_offset=column].cast[DType.float32]()"),
    ),
    ("last-number-left-out", (NUMBERS, "for column in range(k - 1):")),
    ("first-number-left-out", (NUMBERS, "for column in range(1, k):")),
    ("only-last-number", (TOTAL, TOTAL.replace("+=", "="))),
    ("total-not-changed", (TOTAL, "pass")),
    ("returned-too-early", (TOTAL, f"{TOTAL}\n        return total")),
    ("x-not-used", (TOTAL, "total += load_weights[1](w, column)")),
    ("added-not-multiplied", (TOTAL, TOTAL.replace(" * ", " + "))),
    ("converted-before", (TOTAL, f"total += ({NARROW}).cast[DType.float32]()")),
    ("sums-not-changed", (ADDED, ADDED.replace("sums = ", "_ = "))),
    ("only-one-lane", (LANES, "return sums[0]")),
    ("largest-lane", (LANES, "return sums.reduce_max()")),
    ("only-last-register", (ADDED, ADDED.replace(", sums)", ", 0)"))),
    (
        "last-register-left-out",
        (REGISTERS, "for column in range(0, k - WIDTH, WIDTH):"),
    ),
    ("steps-of-one", (REGISTERS, "for column in range(0, k - WIDTH + 1):")),
    ("reads-too-far", (REGISTERS, "for column in range(0, k):")),
    (
        "same-register-of-x",
        (
            "var values = x.unsafe_load[width=WIDTH](column)\n        sums = ",
            "var values = x.unsafe_load[width=WIDTH](0)\n        sums = ",
        ),
    ),
    ("same-register-of-w", (ADDED, ADDED.replace("(w, column)", "(w, 0)"))),
    ("tail-forgotten", (BOTH, "return dot_registers(x, w, whole)")),
    ("tail-forgotten", (REST, "var rest = Float32(0)")),
    ("whole-registers-counted", (WHOLE, "var whole = k // WIDTH")),
    ("only-the-tail", (BOTH, "return rest")),
    (
        "tail-counted-twice",
        (
            REST,
            """var rest = Float32(0)
    if whole < k and k >= WIDTH:
        rest = dot_registers(
            x.unsafe_offset(k - WIDTH), w.unsafe_offset(k - WIDTH), WIDTH
        )
    elif whole < k:
        rest = dot_numbers(x, w, k)""",
        ),
    ),
    ("tail-from-the-front", (REST, "var rest = dot_numbers(x, w, k - whole)")),
    (
        "tail-of-one-operand",
        (REST, "var rest = dot_numbers(x.unsafe_offset(whole), w, k - whole)"),
    ),
    (
        "tail-of-the-other-operand",
        (REST, "var rest = dot_numbers(x, w.unsafe_offset(whole), k - whole)"),
    ),
    ("all-counted-twice", (REST, "var rest = dot_numbers(x, w, k)")),
    ("reads-too-far", (WHOLE, "var whole = (k + WIDTH - 1) // WIDTH * WIDTH")),
    ("reads-too-far", (REST, REST.replace("k - whole", "k"))),
    (
        "one-row-for-all",
        (IN_FOUR, IN_FOUR.replace("w.at(row)", "w.at(0)")),
        (TAIL, TAIL.replace("w.at(row, whole)", "w.at(0, whole)")),
    ),
    (
        "stride-not-used",
        (
            IN_FOUR,
            IN_FOUR.replace("w.at(row)", "w.data.unsafe_offset(row * w.columns)"),
        ),
        (
            TAIL,
            TAIL.replace(
                "w.at(row, whole)", "w.data.unsafe_offset(row * w.columns + whole)"
            ),
        ),
    ),
    (
        "rows-backwards",
        (TOTALS, TOTALS.replace("totals[row]", "totals[ROWS - 1 - row]")),
    ),
    ("tail-forgotten-in-four", (TOTALS, "totals[row] = sums[row].reduce_add()")),
    ("tail-of-first-row", (TAIL, TAIL.replace("w.at(row, whole)", "w.at(0, whole)"))),
    (
        "tail-from-the-front-of-the-row",
        (TAIL, TAIL.replace("w.at(row, whole)", "w.at(row)")),
    ),
    ("sum-of-all-rows", (TOTALS, "totals += sums[row].reduce_add() + rest")),
    (
        "only-last-row",
        (
            TOTALS,
            "totals = Values[ROWS](0)\n        totals[row] = sums[row].reduce_add() + rest",
        ),
    ),
    ("rest-of-rows-forgotten", (SINGLES, "for j in range(four_end, four_end):")),
    ("fours-forgotten", (FOURS, "for j in range(0, 0, ROWS):")),
    ("same-four-rows", (STORED, STORED.replace("w.some_rows(j, ROWS)", "w"))),
    (
        "one-row-of-x",
        (STORED, STORED.replace("x.at(i)", "x.at(0)")),
        (STORED_ONE, STORED_ONE.replace("x.at(i)", "x.at(0)")),
    ),
    (
        "one-row-of-y",
        (STORED, STORED.replace("y.at(i, j)", "y.at(0, j)")),
        (STORED_ONE, STORED_ONE.replace("y.at(i, j)", "y.at(0, j)")),
    ),
    (
        "y-transposed-in-fours",
        (STORED, STORED.replace("y.at(i, j)", "y.at(j, i)")),
        (STORED_ONE, STORED_ONE.replace("y.at(i, j)", "y.at(j, i)")),
    ),
    (
        "y-transposed",
        (FOURS, "for j in range(0, 0, ROWS):"),
        (SINGLES, "for j in range(w.rows):"),
        (STORED_ONE, STORED_ONE.replace("y.at(i, j)", "y.at(j, i)")),
    ),
    (
        "y-stride-not-used",
        (STORED, STORED.replace("y.at(i, j)", "y.data.unsafe_offset(i * w.rows + j)")),
        (
            STORED_ONE,
            STORED_ONE.replace("y.at(i, j)", "y.data.unsafe_offset(i * w.rows + j)"),
        ),
    ),
    ("writes-too-far", (END, "var four_end = (w.rows + ROWS - 1) // ROWS * ROWS")),
    (None, (LOADED, LOADED.replace("column", "column + 1"))),
    (None, (LANES, "return sums.reduce_add() / Float32(WIDTH)")),
    (None, (BOTH, "return dot_registers(x, w, whole) - rest")),
    (None, (TOTAL, "total -= x[unsafe_offset=column] * load_weights[1](w, column)")),
    # What does not compile, and what does not end.
    (None, (BOTH, "return dot_register(x, w, whole) + rest")),
    (None, (LOADED, "return w.unsafe_load[width=width](column)")),
    (None, (REGISTERS, "for column in range(0, k, WIDTH)")),
]

MOJO = get_step(17).parts[0]

KNOWN_MOJO = [
    Mutant(
        17,
        mistake,
        changed(MOJO, *changes),
        f"17-{mistake}-{index}",
        kind="Mojo",
        suffix=".mojo",
    )
    for index, (mistake, *changes) in enumerate(CHANGES)
]
