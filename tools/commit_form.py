"""Checks the form of a commit's message; git calls it as the commit-msg hook that pre-commit installs.

A message has a subject that says in the imperative what the commit does, an empty line, and a body that says why.
Whether the reasons are good is for a reviewer. A message that git writes itself (a merge, a revert, a fixup) passes.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

SUBJECT_LIMIT: Final = 60
LINE_LIMIT: Final = 72  # characters of the body: `git log` indents it by four, and a terminal has 80
_WORDS_OF_A_REASON: Final = 3

_SCISSORS: Final = re.compile(r"^# -+ >8 -+$")
_OF_GIT: Final = re.compile(
    r'Merge (branch|branches|commit|commits|tag|tags|remote-tracking branch(es)?|pull request) |Revert "|Reapply "'
    r"|(fixup|squash|amend)! "
)
_TRAILER: Final = re.compile(r"([A-Za-z]+(-[A-Za-z]+)+|Cc|Closes|Fixes|Issue|Link|Refs|See): +\S")
_NOT_A_VERB: Final = re.compile(
    r"(A|An|The|This|These|It|Its|We|I|He|She|They|There|Some|Now|No|Not|Also|And|But|For|In|On|With"
    r"|Built|Did|Found|Gave|Got|Had|Kept|Made|Sent|Took|Was|Were|Wrote)$"
)
# Imperatives that look like another form of a verb.
_ED: Final = frozenset({"Embed", "Shed", "Shred", "Wed"})  # beside "...eed": Need, Feed, Succeed
_ING: Final = frozenset({"Bring", "Fling", "Ping", "Ring", "Sing", "Spring", "String", "Swing", "Wing"})
_S: Final = frozenset({"Alias", "Bias", "Canvas", "Focus"})  # beside "...ss": Pass, Address, Dismiss


def findings(text: str) -> Iterator[str]:
    """One line for each broken rule: the place, the cause, the remedy."""
    lines = _written(text)
    if not lines or _OF_GIT.match(lines[0]):
        return  # git itself refuses an empty message
    yield from (f"subject: {each}" for each in _subject_findings(lines[0]))
    body = lines[1:]
    if body and body[0]:
        yield f"line 2: {body[0][:30]!r} follows the subject at once: put an empty line between them"
    for number, line in enumerate(body, 2):
        if len(line) > LINE_LIMIT and not _may_be_long(line):
            yield f"line {number}: {len(line)} characters, {LINE_LIMIT} are allowed: break the line"
    if not any(_is_reason(line) for line in body):
        yield "body: it is missing: say why, what was not taken, and how it was checked"


def _written(text: str) -> list[str]:
    """The author's own text: without comments, the part below the scissors, and empty lines around it."""
    kept: list[str] = []
    for line in text.splitlines():
        if _SCISSORS.match(line):
            break
        if not line.startswith("#"):
            kept.append(line.rstrip())
    return "\n".join(kept).strip("\n").splitlines()


def _subject_findings(subject: str) -> Iterator[str]:
    if len(subject) > SUBJECT_LIMIT:
        yield f"{len(subject)} characters, {SUBJECT_LIMIT} are allowed: shorten it, the body has room"
    if subject.endswith("."):
        yield "it ends with a full stop: remove it"
    first = subject.split()[0]
    if not first[0].isupper():
        yield f"it begins with {first!r}: begin with a capital letter"
    elif not _is_imperative(first):
        yield f"{first!r} is not an imperative: begin with a verb, as in 'Add', 'Move', 'Refuse'"


def _is_imperative(word: str) -> bool:
    """True if the word's form can be an imperative."""
    if not word.isalpha():
        return "-" in word and word.replace("-", "").isalpha()  # "Re-read"; not "Docs:"
    if _NOT_A_VERB.match(word):
        return False
    if word.endswith("ed"):
        return word.endswith("eed") or word in _ED
    if word.endswith("ing"):
        return word in _ING
    if word.endswith("s"):
        return word.endswith("ss") or word in _S
    return True


def _may_be_long(line: str) -> bool:
    """A link, a trailer and quoted output (indented by four) cannot be broken."""
    return "://" in line or line.startswith("    ") or _TRAILER.match(line) is not None


def _is_reason(line: str) -> bool:
    return _TRAILER.match(line) is None and len(re.findall(r"[^\W\d_]{2,}", line)) >= _WORDS_OF_A_REASON


def main(arguments: Sequence[str]) -> int:
    """Check the file that git names."""
    broken = list(findings(Path(arguments[0]).read_text(encoding="utf-8", errors="replace")))
    if broken:
        print("\n".join(broken), file=sys.stderr)
        print(f"CONTRIBUTING.md explains the form. Your text is kept in {arguments[0]}.", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
