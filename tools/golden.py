"""Keep what this commit stores and sends as a new generation of golden files: `python -m tools.golden NAME`.

Every later commit must read every generation. So a generation is never changed: the program refuses to overwrite one.
Make a new one with each release, and whenever a row, a message or a document gets another form.
"""

import re
import sys
from collections.abc import Sequence
from typing import Final

from tests.unit.compat import generation

_NAME: Final = re.compile(r"[0-9]{3}-[a-z0-9-]{1,40}")


def main(arguments: Sequence[str]) -> int:
    """Write the generation that the one argument names. The exit status is 2 if there is no such new name."""
    if len(arguments) != 1 or not _NAME.fullmatch(arguments[0]):
        sys.stderr.write("usage: python -m tools.golden NNN-NAME, such as 002-notifications\n")
        return 2
    folder = generation.FOLDER / arguments[0]
    if folder.exists():
        sys.stderr.write(f"{folder} exists already, and a generation never changes: take the next number\n")
        return 2
    missing = generation.unsampled()
    if missing:
        sys.stderr.write(f"give tests/unit/compat/samples.py a value of {', '.join(missing)}\n")
        return 2
    generation.write(folder)
    sys.stdout.write(f"{folder} is written: commit it\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
