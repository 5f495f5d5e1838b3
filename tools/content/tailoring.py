"""Makes the tailoring files of `images/platform/scap` from SecOps' exceptions.

`python -m tools.content.tailoring --write` writes them.

A tailored profile has the short id of the guide's, so that gates, policies and the scanner's `--profile` mean it. The
same file drives the hardening and the scan. Without `--write` the program says whether the files are up to date.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

FOLDER: Final = Path(__file__).resolve().parents[2] / "images" / "platform" / "scap"
EXCEPTIONS: Final = FOLDER / "exceptions.json"
GUIDE: Final = "xccdf_org.ssgproject.content"
OURS: Final = "xccdf_imagefactory.secops"
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_RELEASE: Final = re.compile(r"[0-9]{1,4}(\.[0-9]{1,4}){2}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exceptions:
    """What SecOps changed of one profile: rules that are left out and values that differ, each with its reason.

    `since`: the first release of the guide in which the profile has the rule, for rules that older ones lack.
    """

    profile: str
    title: str
    owner: str
    rules: tuple[tuple[str, str], ...]
    values: tuple[tuple[str, str, str], ...]
    since: Mapping[str, tuple[int, ...]]


def read(text: str) -> tuple[Exceptions, ...]:
    """The exceptions of each profile. Raises ValueError that names every entry without a reason or with a bad id."""
    document = json.loads(text)
    problems = list(_problems(document))
    if problems:
        raise ValueError("; ".join(problems))
    found = []
    for profile, about in document["profiles"].items():
        rules = tuple(
            (each["rule"], each["reason"])
            for each in document["rules"]
            if profile in each.get("profiles", document["profiles"])
        )
        values = tuple(
            (each["value"], each["set"], each["reason"])
            for each in document["values"]
            if profile in each.get("profiles", document["profiles"])
        )
        since = {each["rule"]: release(each["since"]) for each in document["rules"] if "since" in each}
        found.append(
            Exceptions(
                profile=profile,
                title=about["title"],
                owner=document["owner"],
                rules=rules,
                values=values,
                since={rule: since[rule] for rule, _ in rules if rule in since},
            )
        )
    return tuple(found)


def release(text: str) -> tuple[int, ...]:
    """A release of the guide, such as 0.1.82, to compare. An unknown one is newer than all, so nothing is excused."""
    return tuple(map(int, text.split("."))) if _RELEASE.fullmatch(text) else (10_000,)


def _problems(document: Mapping[str, Any]) -> Iterator[str]:
    seen = set[str]()
    for kind in ("rules", "values"):
        for entry in document[kind]:
            name = entry.get(kind[:-1], "")
            if not _ID.fullmatch(name):
                yield f"{kind}: {name!r} is not an id"
            if len(entry.get("reason", "")) < 10:
                yield f"{name}: the reason is missing or too short"
            if _RELEASE.fullmatch(entry.get("since", "0.0.0")) is None:
                yield f"{name}: since is not a release, like 0.1.80"
            if name in seen:
                yield f"{name}: it is there twice"
            seen.add(name)
            for profile in entry.get("profiles", ()):
                if profile not in document["profiles"]:
                    yield f"{name}: there is no profile {profile}"


def render(exceptions: Exceptions) -> str:
    """The tailoring document of one profile."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        "<!-- Made from exceptions.json by tools.content.tailoring. Change that file. -->",
        f'<Tailoring xmlns="http://checklists.nist.gov/xccdf/1.2" id="{OURS}_tailoring_{exceptions.profile}">',
        '  <version time="2026-01-01T00:00:00">1</version>',
        f'  <Profile id="{OURS}_profile_{exceptions.profile}" extends="{GUIDE}_profile_{exceptions.profile}">',
        f"    <title>{escape(exceptions.title)}</title>",
        f"    <description>Exceptions of {escape(exceptions.owner)}.</description>",
    ]
    for rule, reason in exceptions.rules:
        lines.append(f"    <!-- {_comment(reason)} -->")
        lines.append(f'    <select idref="{GUIDE}_rule_{rule}" selected="false"/>')
    for value, text, reason in exceptions.values:
        lines.append(f"    <!-- {_comment(reason)} -->")
        lines.append(f"    <set-value idref={quoteattr(f'{GUIDE}_value_{value}')}>{escape(text)}</set-value>")
    lines += ["  </Profile>", "</Tailoring>", ""]
    return "\n".join(lines)


def _comment(text: str) -> str:
    return escape(text.replace("--", "-"))


def files() -> dict[Path, str]:
    """Each tailoring file with the text that it must have."""
    return {
        FOLDER / f"tailoring-{each.profile}.xml": render(each) for each in read(EXCEPTIONS.read_text("utf-8"))
    }


def main(arguments: Sequence[str]) -> int:
    """Write the files, or name those that are not up to date (exit status 1)."""
    old = [path for path, text in files().items() if not path.is_file() or path.read_text("utf-8") != text]
    if "--write" in arguments:
        for path in old:
            path.write_text(files()[path], encoding="utf-8")
        return 0
    for path in old:
        sys.stderr.write(f"{path.name} is not what exceptions.json says: run it with --write\n")
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
