"""Mistakes in step 13, pretrained weights. The check computes what each would give."""

from __future__ import annotations

from course.check.mistakes.mistake import Mistake

LOOP = "The loop in `convert_weights`."

MISTAKES = (
    Mistake(
        id="config-not-read",
        what="Your configuration does not have the sizes that config.json says.",
        why="A model with other sizes than its weights cannot take them.",
        look="`read_config`: every field of GPT2Config that the file names.",
        lines=(r"GPT2Config\(", r"saved\["),
        within="read_config",
    ),
    Mistake(
        id="masks-kept",
        what="You keep the causal masks that old files store beside the weights.",
        why="They are no parameters: our attention makes its mask itself.",
        look=LOOP,
        lines=(r"STORED_MASKS", r"for name"),
        within="convert_weights",
    ),
    Mistake(
        id="prefix-missing",
        what='Your names lack "transformer." where the file leaves it out.',
        why="In our model the body is the attribute `transformer`.",
        look=LOOP,
        lines=(r"transformer\.",),
        within="convert_weights",
    ),
    Mistake(
        id="prefix-twice",
        what='Your names have "transformer." twice.',
        why="Some files have the prefix already, others have not.",
        look=LOOP,
        lines=(r"transformer\.",),
        within="convert_weights",
    ),
    Mistake(
        id="head-not-tied",
        what="Your weights have no lm_head.weight where the file has none.",
        why="GPT-2 reads and writes tokens with the same matrix; files hold it once, "
        "as wte. In MAX lm_head is a parameter of its own, given the same array.",
        look="The end of `convert_weights`.",
        lines=(r"lm_head", r"return"),
        within="convert_weights",
    ),
    Mistake(
        id="not-transposed",
        what="You leave a weight as the file has it: [in, out].",
        why="Hugging Face's GPT-2 keeps its linear layers as Conv1D, [in, out]; MAX's "
        "Linear wants [out, in]. Where both are equal, only the numbers tell.",
        look=LOOP,
        lines=(r"\.T\b", r"CONV1D", r"transpose"),
        within="convert_weights",
    ),
    Mistake(
        id="transposed-too-much",
        what="You transpose a weight that should stay as it is.",
        why="Only linear layers are Conv1D in the file; embeddings are not.",
        look=LOOP,
        lines=(r"\.T\b", r"CONV1D", r"transpose"),
        within="convert_weights",
    ),
    Mistake(
        id="weights-not-loaded",
        what="Your model computes with weights that are not those of the file.",
        why="Until load_state_dict is called, its parameters are random numbers.",
        look="`load_pretrained`: model.load_state_dict(...).",
        lines=(r"load_state_dict", r"return model"),
        within="load_pretrained",
    ),
)
