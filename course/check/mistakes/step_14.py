"""Mistakes in step 14, compilation. The check computes what each would give."""

from __future__ import annotations

from course.check.mistakes.mistake import Mistake

FORWARD = "`NextTokenLogits.forward`: hidden_states[:, -1:, :]."

MISTAKES = (
    Mistake(
        id="all-positions",
        what="Your graph gives the logits of every position.",
        why="Only the last ones say what comes next; the others are the most costly "
        "numbers of the model, and nobody looks at them.",
        look=FORWARD,
        lines=(r"lm_head", r"return"),
        within="forward",
    ),
    Mistake(
        id="axis-dropped",
        what="Your logits have lost the axis of the positions.",
        why="Step 12 wants [batch, 1, vocab_size]: slice with -1:, not with -1.",
        look=FORWARD,
        lines=(r"-1",),
        within="forward",
    ),
    Mistake(
        id="head-before-slice",
        what="Your head is applied to every position, and all but the last are then "
        "thrown away.",
        why="The numbers are right, but the head is by far the widest layer: take the "
        "last position before it, not after.",
        look=FORWARD,
        lines=(r"lm_head", r"-1"),
        within="forward",
    ),
    Mistake(
        id="first-position-taken",
        what="Your logits are those of the first position.",
        why="What follows the text is said at its last position.",
        look=FORWARD,
        lines=(r"lm_head", r":1"),
        within="forward",
    ),
    Mistake(
        id="batch-sliced",
        what="You slice the batch: only its last sequence is left.",
        why="Positions are the second axis.",
        look=FORWARD,
        lines=(r"-1:", r"lm_head"),
        within="forward",
    ),
    Mistake(
        id="softmax-at-the-end",
        what="You return probabilities where logits are wanted.",
        why="Whoever draws a token applies softmax, after the temperature.",
        look=FORWARD,
        lines=(r"softmax", r"return"),
        within="forward",
    ),
    Mistake(
        id="not-compiled",
        what="You return the module itself, not what compile makes of it.",
        why="Called like this it runs operation by operation, as before.",
        look="The end of `compile_model`: model.compile(input_type).",
        lines=(r"return",),
        within="compile_model",
    ),
    Mistake(
        id="fixed-shape",
        what="Your graph is for one batch size or one length only.",
        why="A dimension that has a name instead of a number may have any size.",
        look='`compile_model`: the shape in TensorType, ["batch", "seq_length"].',
        lines=(r"TensorType", r"\["),
        within="compile_model",
    ),
)
