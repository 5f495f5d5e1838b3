"""The format of the scenario file, which sets the outcomes of builds, for the recorded Packer and the emulated guest.

The file maps images to stages to an entry, or to a list with one entry for each attempt (the last for all that
follow). An entry is a name, or an object: `scenario` (the name), `step` (a part of the step's first output line),
`exit_code`, `output`. The module needs only the standard library and is quick to import.
"""

import json
import re
from typing import Any, NamedTuple

# The tags by which the file's entries are found. They are Image Factory's. They are written here again, because this
# program only reads a machine's tags. A test compares them with `pipeline_core.domain.attempts`.
IMAGE_TAG, STAGE_TAG, ATTEMPT_TAG = "imagefactory-image", "imagefactory-stage", "imagefactory-attempt"
_NOT_OWN = re.compile(r"platform: |: prepare$")
_LAST = re.compile(r"step (\d+) of \1:")


class PackerScenario(NamedTuple):
    """The outcome of a build.

    Names: `ok`, `hang`, `drop` (the connection), `fail-provisioner`, `fail-hygiene`, `fail-capacity` (Azure has no
    machine), and `fail-<check>` for what a check finds. `fail-ports` does not serve the first declared port, and
    with `fail-undeclared` a port answers that nobody declared. `restart`: a new kernel came, so the machine restarts,
    and the connection is cut during the step. `restart-late`: it goes down a moment after that step has ended.
    """

    name: str = "ok"
    step: str = ""
    exit_code: int = 1
    output: str = ""

    @property
    def is_of_step(self) -> bool:
        """True if one step fails."""
        return self.name in ("hang", "drop", "fail-provisioner", "fail-hygiene")

    def restarts(self, announced: str) -> bool:
        """Whether the step with this line restarts the machine."""
        return self.name in ("restart", "restart-late") and "-restart.sh" in announced

    def hits(self, announced: str) -> bool:
        """Whether the step with this line (empty: it has none) fails, if no earlier step failed."""
        if not self.is_of_step:
            return False
        if self.step:
            return self.step in announced
        if self.name == "fail-hygiene":
            return "hygiene-check" in announced
        if self.name == "fail-provisioner":  # the first of the team's own, or the last one
            return _NOT_OWN.search(announced) is None or _LAST.search(announced) is not None
        return True


def find(path: str, image: str, stage: str, attempt: int) -> PackerScenario:
    """The entry in the file at `path` (empty: there is no file). Raises OSError or ValueError if it is unreadable."""
    if not path:
        return PackerScenario()
    with open(path, encoding="utf-8") as stream:
        entry = (json.load(stream).get(image) or {}).get(stage, "ok")
    if isinstance(entry, list):
        entry = entry[min(attempt, len(entry)) - 1] if entry else "ok"
    return parse(entry)


def of_tags(path: str, tags: dict[str, str]) -> PackerScenario:
    """The same for the tags that the factory puts on Packer's resources."""
    attempt = tags.get(ATTEMPT_TAG) or "1"
    return find(
        path,
        tags.get(IMAGE_TAG, ""),
        tags.get(STAGE_TAG) or "build",
        int(attempt) if attempt.isdecimal() else 1,
    )


def parse(entry: Any) -> PackerScenario:
    """The scenario of one entry. Raises ValueError."""
    if isinstance(entry, str):
        return PackerScenario(name=entry)
    if not isinstance(entry, dict) or not set(entry) <= {"scenario", "step", "exit_code", "output"}:
        raise ValueError(
            f"{entry!r} is not a scenario: write a name, or scenario, step, exit_code and output"
        )
    return PackerScenario(
        name=str(entry.get("scenario", "ok")),
        step=str(entry.get("step", "")),
        exit_code=int(entry.get("exit_code", 1)),
        output=str(entry.get("output", "")),
    )
