"""Mistakes in step 13, pretrained weights. The check computes what each would give."""

from __future__ import annotations

from course.check.mistakes.mistake import Mistake

LOOP = "The loop in `convert_weights`."

TURNED = (r"\.T\b", r"CONV1D", r"transpose", r"reshape")

MISTAKES = (
    Mistake(
        id="not-a-config",
        what="You give something else than a GPT2Config.",
        why="The sizes are attributes of it, and what is not said has its default.",
        look="GPT2Config of step 01: GPT2Config(n_embd=..., n_layer=..., n_head=...).",
    ),
    Mistake(
        id="released-otherwise",
        what="Your sizes are not those of the model that was released.",
        why="Its weights fit no other sizes; and with another number of heads they "
        "fit, but mean something else.",
        look="GPT2_SIZES: width, blocks and heads of each model; nothing else differs.",
    ),
    Mistake(
        id="insists-on-a-field",
        what="You insist on a field that config.json may leave out.",
        why="Published files leave out what has its default, n_inner above all.",
        look="`read_config`: take a field only if name in saved.",
        lines=(r"saved\[", r"GPT2Config\("),
        within="read_config",
    ),
    Mistake(
        id="default-lost",
        what="Your configuration has no default for what config.json leaves out.",
        why="What the file does not say has the value that GPT2Config gives it.",
        look="`read_config`: hand over only what the file names.",
        lines=(r"\.get\(", r"GPT2Config\("),
        within="read_config",
    ),
    Mistake(
        id="too-many-fields",
        what="You hand GPT2Config all that config.json says.",
        why="The file says much more than the sizes, which GPT2Config does not know.",
        look="`read_config`: only the fields of GPT2Config.",
        lines=(r"\*\*", r"GPT2Config\("),
        within="read_config",
    ),
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
        lines=(r"lm_head\.weight", r"return"),
        within="convert_weights",
    ),
    Mistake(
        id="not-transposed",
        what="You leave a weight as the file has it: [in, out].",
        why="Hugging Face's GPT-2 keeps its linear layers as Conv1D, [in, out]; MAX's "
        "Linear wants [out, in]. Where both are equal, only the numbers tell.",
        look=LOOP,
        lines=TURNED,
        within="convert_weights",
    ),
    Mistake(
        id="transposed-too-much",
        what="You transpose a weight that should stay as it is.",
        why="Only linear layers are Conv1D in the file; embeddings are not.",
        look=LOOP,
        lines=TURNED,
        within="convert_weights",
    ),
    Mistake(
        id="reshaped",
        what="You reshape a weight instead of transposing it.",
        why="The shape is the right one, but the numbers stay in the order of the "
        "file: each row of yours is made of pieces of several.",
        look=LOOP + " tensor.T exchanges the axes.",
        lines=(r"reshape", *TURNED),
        within="convert_weights",
    ),
    Mistake(
        id="not-contiguous",
        what="You hand over transposed arrays that are only views of the file's.",
        why="tensor.T reads the same memory in another order; MAX takes only arrays "
        "whose memory is in order.",
        look=LOOP + " np.ascontiguousarray(tensor.T).",
        lines=TURNED,
        within="convert_weights",
    ),
    Mistake(
        id="dtype-changed",
        what="You change the dtype of a weight.",
        why="Our parameters are float32, as the file's: fewer bits lose digits, and "
        "more do not fit.",
        look=LOOP,
        lines=(r"astype", r"dtype"),
        within="convert_weights",
    ),
    Mistake(
        id="weights-mixed-up",
        what="You give a parameter the weight of another one.",
        why="Its shape fits, so nothing complains, and the model writes nonsense. "
        "Layers counted in the order of their names are a common cause: h.10 comes "
        "before h.2 there.",
        look=LOOP + " Where names are made.",
        lines=(r"sorted", r"enumerate", r"replace", r"weights\[name\] ="),
        within="convert_weights",
    ),
    Mistake(
        id="head-prefixed",
        what='You put "transformer." before lm_head, too.',
        why="The head is no part of the body: it stands beside it.",
        look=LOOP,
        lines=(r"transformer\.",),
        within="convert_weights",
    ),
    Mistake(
        id="head-overwritten",
        what="You put wte in place of the head that the file has.",
        why="Most files have no head, as it is the same matrix; where one is stored, "
        "it may be another, trained apart.",
        look="The end of `convert_weights`: setdefault sets only what is missing.",
        lines=(r"lm_head\.weight", r"return"),
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
