"""Compares what a page shows with what was printed, by the parts that are the same in each factory.

Times, digests, ids and secrets become words; frames of tables and runs of spaces become one space. What is left must
be equal, line by line. A line `...` of the page stands for any number of lines; alone, for at least one. A version of
the page stands for one version of the same image, from its first line to the end of the page: so a page that shows the
good version where the bad one is printed differs.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

ANY = "..."
_FRAME = re.compile(r"[\s─━═│┃┏┓┗┛┡┩├┤┬┴┼╇┳┻┌┐└┘]+")
_VERSION = re.compile(r"\b\d+\.20\d{6}\.\d+\b")
_IMAGE = re.compile(r"\b(?:rhel9-[a-z]+|payments-api|ml-[a-z]+)\b")
_PARTS = (
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:Z|\+00:00| UTC)?"), "TIME"),
    (re.compile(r"\b\d{4}-\d\d-\d\d\b"), "DAY"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "ID"),
    (re.compile(r"\bwhsec_[A-Za-z0-9+/=]+"), "SECRET"),
    (re.compile(r"\b[0-9a-f]{12,64}\b"), "HEX"),
    (_VERSION, "VERSION"),
    (re.compile(r"http://127\.0\.0\.1:\d+"), "FACTORY"),
    (re.compile(r'"[A-Za-z0-9_-]{40,}"'), "ETAG"),
    (re.compile(r"\b\d+ files\b"), "FILES"),  # of a folder in `images/`, which changes
)


def stable(line: str) -> str:
    """A line without what differs from factory to factory."""
    for pattern, word in _PARTS:
        line = pattern.sub(word, line)
    return _FRAME.sub(" ", line).strip()


@dataclass(slots=True, kw_only=True)
class Versions:
    """Which version of the run each version of a page is, by image. Empty at the top of a page."""

    meant: dict[tuple[str, str], str] = field(default_factory=dict)

    def put_into(self, command: str) -> str:
        """The command with the versions of the run. Raises LookupError if no output before it has shown one."""
        for image, version in found(command, command):
            if (image, version) not in self.meant:
                raise LookupError(f"no line above shows {version} of {image or 'any image'}: {command}")
            command = command.replace(version, self.meant[image, version])
        return command

    def agree(self, shown: Sequence[tuple[str, str]], printed: Sequence[tuple[str, str]]) -> bool:
        """True where the versions of two lines can be the same; then they are from now on."""
        known = dict(self.meant)
        for (image, version), (other, real) in zip(shown, printed, strict=True):
            taken = {known[key] for key in known if key[0] == image and key[1] != version}
            if image != other or real in taken or known.setdefault((image, version), real) != real:
                return False
        self.meant = known
        return True


def found(line: str, command: str) -> list[tuple[str, str]]:
    """Image and version of each version of a line. The image stands before it, in the line or in the command."""
    near = _IMAGE.search(line) or _IMAGE.search(command)
    versions = []
    for match in _VERSION.finditer(line):
        named = re.search(r"([a-z0-9-]+)@$", line[: match.start()])
        versions.append((named[1] if named else near[0] if near else "", match[0]))
    return versions


def difference(shown: Sequence[str], printed: str, versions: Versions, command: str = "") -> str:
    """Why the output is not what the page shows; empty where it is. A command without shown output prints nothing."""
    wanted = [line for line in shown if stable(line)]
    seen = [line for line in printed.split("\n") if stable(line)]
    if wanted and not seen:
        return f"the page shows {wanted}, and nothing was printed"
    place, may_skip = 0, False
    for line in wanted:
        if line.strip() == ANY:
            may_skip = True
            continue
        rest = seen[place:] if may_skip else seen[place : place + 1]
        same = (number for number, each in enumerate(rest) if _is_same(line, each, versions, command))
        number = next(same, None)
        if number is None:
            known = ", ".join(f"{image} {one} = {real}" for (image, one), real in versions.meant.items())
            return f"the page shows {line!r}, and the output has {seen[place : place + 12]} ({known})"
        place += number + 1
        may_skip = False
    return "" if may_skip or place == len(seen) else f"the page does not show {seen[place:]}"


def _is_same(line: str, printed: str, versions: Versions, command: str) -> bool:
    return stable(line) == stable(printed) and versions.agree(found(line, command), found(printed, command))
