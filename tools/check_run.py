"""Checks the last line of a `make run` against the promises of the main job. The exit status is 0 if they hold."""

import json
import sys
from pathlib import Path

LIMIT = 60  # seconds, after set-up
REAL_LIMIT = 900  # the same with the real Packer: this limit shows that the run ended, not that it is fast


def broken(facts: dict[str, object]) -> list[str]:
    """The promises that do not hold."""
    images = facts["images"]
    seconds = facts["seconds"]
    limit = LIMIT if facts["packer"] == "recorded" else REAL_LIMIT
    found = []
    if facts["result"] != "ok" or facts["duplicate_builds"] != 0:
        found.append(f"result {facts['result']}, {facts['duplicate_builds']} duplicate builds")
    if not isinstance(images, list) or len(images) != 7:
        found.append("not seven images")
    if not isinstance(seconds, int | float) or seconds > limit:
        found.append(f"{seconds} s, {limit} are allowed")
    return found


if __name__ == "__main__":
    last = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()[-1]
    wrong = broken(json.loads(last))
    print("make run: " + ("; ".join(wrong) if wrong else "holds what it promises"))
    sys.exit(1 if wrong else 0)
