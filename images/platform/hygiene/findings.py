"""Prints one line, "PATH: WHAT [RULE]", for everything below ROOT that must never be in an image. Changes nothing.

    findings.sh --phase build|verify [--root DIR] [--booted EPOCH] [--format text|json] [--waived FILE]
                [--only-build HOSTS]

build: before deprovisioning. The identity of the build machine (host keys, machine-id, the state of cloud-init and of
the Azure agent, the user of the build) is still allowed.
verify: on a machine booted from the image. A file that is newer than the boot (EPOCH, default: the kernel's) is the
machine's own. An older file is part of the image. Ends with 0 if it could look everywhere, whatever it found.
HOSTS are hosts, with spaces between, that a build uses and no deployed machine does; findings.sh gives those of the
platform's settings.
FILE has lines of a rule, a tab and a path, which may end in @sha256:DIGEST: such a finding is left out, and a line on
the error output says so.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from scanner import look
from scanner.failure import CannotLook
from scanner.finding import Finding, Judged
from scanner.options import Options, Refused, parse, parse_waived
from scanner.system import System, accounts_of, read


@dataclass(frozen=True)
class Answer:
    """What the program prints, and its exit code."""

    code: int
    output: str = ""
    notes: tuple[str, ...] = ()


def system_of(options: Options, builder: str) -> System:
    """The machine that the options name, made by the user `builder`."""
    is_booted = options.phase == "verify"
    booted = options.booted if options.booted is not None else _boot_time() if is_booted else 0
    named = read(f"{options.root}/etc/hostname").decode("utf-8", "replace").split()
    return System(
        root=options.root,
        is_booted=is_booted,
        booted=booted,
        now=time.time(),
        builder=builder,
        host=(named[0] if named else "") if options.root else os.uname().nodename,
        accounts=accounts_of(options.root),
        only_build=options.only_build,
    )


def _boot_time() -> int:
    """When the kernel started, in seconds since 1970."""
    lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("btime ")))


def report(found: list[Finding], judged: list[Judged], form: str) -> str:
    """The answer on the standard output. The JSON has `judged` too: what a package vouches for."""
    if form == "text":
        return "".join(f"{each}\n" for each in found)
    document = {
        "passed": not found,
        "count": len(found),
        "findings": [_wire(each) for each in found],
        "judged": [{**_wire(each.finding), "package": each.package} for each in judged],
    }
    return json.dumps(document, indent=1) + "\n"


def _wire(finding: Finding) -> dict[str, str]:
    fields = {"path": finding.path, "what": finding.what, "rule": finding.rule}
    return {**fields, "sha256": finding.sha256} if finding.sha256 else fields


def answer(words: Sequence[str], environment: Mapping[str, str]) -> Answer:
    """Look, and say what was found. Changes nothing."""
    try:
        options = parse(words)
        text = Path(options.waived).read_text(encoding="utf-8") if options.waived else ""
    except (Refused, OSError, UnicodeDecodeError) as error:
        return Answer(code=2, notes=(str(error),))
    notes: list[str] = []
    try:
        system = look.asked("accounts", partial(system_of, options, environment.get("SUDO_USER") or "packer"))
        seen = list(look.everywhere(system, notes.append))
    except CannotLook as error:
        return Answer(code=1, notes=(*notes, str(error)))
    waived = parse_waived(text)
    judged = [each for each in seen if isinstance(each, Judged)]
    found = [each for each in seen if isinstance(each, Finding)]
    left = [each for each in found if not any((each.rule, name) in waived for name in each.names)]
    notes += [f"judged by its package: {each.finding} ({each.package})" for each in judged]
    notes += [f"waived: {each}" for each in found if each not in left]
    if options.form == "text":
        notes += [f"this content alone: {each.rule} {each.names[-1]}" for each in left if each.sha256]
    return Answer(code=0, output=report(left, judged, options.form), notes=tuple(notes))


def main() -> int:
    """Print the answer; return the exit code."""
    said = answer(sys.argv[1:], os.environ)
    for note in said.notes:
        print(f"findings: {note}", file=sys.stderr)
    sys.stdout.write(said.output)
    return said.code


if __name__ == "__main__":
    sys.exit(main())
