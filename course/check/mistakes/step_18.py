"""Mistakes in step 18, serving."""

from __future__ import annotations

from course.check.mistakes.mistake import Mistake

TENSORS = "`convert_checkpoint`, where `tensors` is made."
RETURN = "`convert_checkpoint`, the `return`."
ARCHITECTURE = "`gpt2_architecture`."

MISTAKES = (
    Mistake(
        id="not-converted",
        what="You hand the tensors on as the file has them.",
        why="The file has Conv1D weights, [in, out], and one matrix for both ends of "
        "the model. Served, it would be refused, or write nonsense.",
        look=RETURN + " convert_weights of step 13 does all of it.",
        lines=(r"tensors\.items", r"return"),
        within="convert_checkpoint",
    ),
    Mistake(
        id="not-wrapped",
        what="You return arrays that are not wrapped.",
        why="MAX asks each weight for its dtype and its name; WeightData has both.",
        look=RETURN + " WeightData.from_numpy(array, name).",
        lines=(r"convert_weights\(", r"return"),
        within="convert_checkpoint",
    ),
    Mistake(
        id="weight-misnamed",
        what="You give a WeightData another name than its entry in the dictionary.",
        why="MAX looks weights up by one and speaks of them by the other.",
        look=RETURN + " The name is the second argument of from_numpy.",
        lines=(r"from_numpy\(.*,", r"WeightData"),
        within="convert_checkpoint",
    ),
    Mistake(
        id="read-only",
        what="You return an array that cannot be written to.",
        why="It is a view of the file. MAX takes only arrays that are writable, and "
        "the server would end with a BufferError.",
        look=TENSORS + " .to_buffer().to_numpy() in place of np.from_dlpack.",
        lines=(r"from_dlpack|np\.asarray", r"\.data\(\)"),
        within="convert_checkpoint",
    ),
    Mistake(
        id="not-float32",
        what="You leave the weights in the dtype of the file.",
        why="convert_weights is about float32, and NumPy does not even know bfloat16. "
        "In which dtype the model computes is decided later.",
        look=TENSORS + " .astype(DType.float32) comes before .to_buffer().",
        lines=(r"\.data\(\)",),
        within="convert_checkpoint",
    ),
    Mistake(
        id="not-offered",
        what="You offer no architecture in ARCHITECTURES.",
        why="The server imports your file and looks for a list of this name. What is "
        "not in it, the server does not know.",
        look="The last line of the file: a list with gpt2_architecture in it.",
    ),
    Mistake(
        id="architecture-name",
        what="You give the architecture a name that no GPT-2 asks for.",
        why="The server reads config.json of a model and looks for an architecture "
        "with the name that stands there.",
        look=ARCHITECTURE + ' The entry "architectures" in demo/model/config.json.',
    ),
    Mistake(
        id="wrong-task",
        what="You say that the architecture does something else than make text.",
        why="By the task the server chooses what answers the requests.",
        look=ARCHITECTURE + " task=PipelineTask.TEXT_GENERATION.",
    ),
    Mistake(
        id="adapter-not-registered",
        what="Your architecture has no adapter for files in safetensors format.",
        why="Then the server would load the tensors as the file has them.",
        look=ARCHITECTURE + " weight_adapters={WeightsFormat.safetensors: ...}.",
    ),
    Mistake(
        id="wrong-part",
        what="One of the parts of your architecture is another one than it should be.",
        why="The server takes each for what it is given as.",
        look=ARCHITECTURE + " Each class says in its docstring what it is for.",
    ),
)
