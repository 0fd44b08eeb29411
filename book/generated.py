"""Files of the book that scripts write: written anew, or compared with --check."""

from __future__ import annotations

from pathlib import Path

SOURCE = Path(__file__).resolve().parent / "src"


def write_or_check(
    folder: Path, files: dict[str, str], script: str, arguments: list[str]
) -> int:
    """Write files, or with --check say which are not what would be written.

    Args:
        folder: Holds these files and no others of their kind.
        files: Their text by name.
        script: How to run the script that makes them.
        arguments: Those of the command line.

    Returns:
        The exit status.
    """
    if arguments == ["--check"]:
        kinds = {Path(name).suffix for name in files}
        present = {
            path.name: path.read_text("utf-8")
            for path in folder.glob("*")
            if path.suffix in kinds
        }
        stale = sorted(
            name
            for name in files.keys() | present.keys()
            if files.get(name) != present.get(name)
        )
        for name in stale:
            print(f"{name} is not what the script makes; run: {script}")
        return 1 if stale else 0
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    print(f"{len(files)} files written to {folder}")
    return 0
