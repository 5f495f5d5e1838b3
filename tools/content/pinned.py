"""Compares what is known of one release of the guide (`pinned.json`) with its archive.

`python -m tools.content.pinned ARCHIVE` takes the release archive.

The release is the one that docs/hardening.md recommends. Its archive cannot be had everywhere, so the tests of role and
exceptions use the facts. Exit status 0: the archive is that one and says the same. 1: it differs; each difference is a
line. 2: the archive cannot be read.
"""

import hashlib
import json
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.content import benchmark
from tools.content.benchmark import Benchmark, Profile

DATA: Final = Path(__file__).with_name("pinned.json")
PROFILES: Final = ("cis_server_l1", "cis", "stig")
_CONTENT: Final = "ssg-rhel9-ds.xml"


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedRelease:
    """What is known of one release. `archive` and `content` are digests by their algorithm; ids are short."""

    version: str
    url: str
    archive: Mapping[str, str]
    content: Mapping[str, str]
    severities: Mapping[str, str]
    profiles: Mapping[str, Profile]


def read(text: str) -> PinnedRelease:
    """The release of the file. Raises KeyError or ValueError where it does not have the form."""
    document = json.loads(text)
    rules = {rule: str(said).split() for rule, said in document["rules"].items()}
    unknown = {name for _, *profiles in rules.values() for name in profiles} - {*PROFILES}
    if unknown:
        raise ValueError(f"there are no profiles {sorted(unknown)}")
    digests = dict(document["archive"])
    return PinnedRelease(
        version=digests.pop("version"),
        url=digests.pop("url"),
        archive=digests,
        content=document["content"],
        severities={rule: words[0] for rule, words in rules.items()},
        profiles={
            profile: Profile(
                rules=frozenset(rule for rule, words in rules.items() if profile in words[1:]),
                choices={
                    value: chosen[profile]
                    for value, chosen in document["values"].items()
                    if profile in chosen
                },
            )
            for profile in PROFILES
        },
    )


def facts(release: PinnedRelease) -> Benchmark:
    """The facts in the form of a release, for what asks one. It has no rule and no value beside them."""
    document = json.loads(DATA.read_text("utf-8"))
    return Benchmark(
        version=release.version,
        severities=release.severities,
        values=frozenset(document["values"]),
        profiles=release.profiles,
    )


def differences(release: PinnedRelease, found: Benchmark) -> Iterator[str]:
    """One line for each fact that a release does not bear out. A rule that no profile selects may be absent."""
    if found.version != release.version:
        yield f"the version is {found.version}, not {release.version}"
    for rule, severity in sorted(release.severities.items()):
        if found.severities.get(rule, severity) != severity:
            yield f"{rule}: the severity is {found.severities[rule]}, not {severity}"
    for name, profile in release.profiles.items():
        said = found.profiles.get(name)
        if said is None:
            yield f"there is no profile {name}"
            continue
        for rule in sorted(release.severities):
            if (rule in said.rules) is not (rule in profile.rules):
                yield f"{name}: {rule} is {'' if rule in said.rules else 'not '}selected"
        for value, choice in sorted(profile.choices.items()):
            if said.choices.get(value) != choice:
                yield f"{name}: {value} is {said.choices.get(value, 'as the guide has it')}, not {choice}"


def main(arguments: Sequence[str], data: Path = DATA) -> int:
    """Compare an archive with the facts, and print every difference."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m tools.content.pinned ARCHIVE\n")
        return 2
    release = read(data.read_text("utf-8"))
    try:
        lines = list(_compared(release, Path(arguments[0])))
    except (OSError, ValueError, zipfile.BadZipFile) as err:
        sys.stderr.write(f"{err}\n")
        return 2
    for line in lines:
        sys.stdout.write(f"{line}\n")
    return 1 if lines else 0


def _compared(release: PinnedRelease, archive: Path) -> Iterator[str]:
    yield from _digests("the archive", archive.read_bytes(), release.archive)
    with zipfile.ZipFile(archive) as packed:
        names = [name for name in packed.namelist() if name.rsplit("/", 1)[-1] == _CONTENT]
        if len(names) != 1:
            raise ValueError(f"{archive} has {len(names)} files {_CONTENT}, and one is wanted")
        content = packed.read(names[0])
    yield from _digests(_CONTENT, content, release.content)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / _CONTENT
        path.write_bytes(content)
        yield from differences(release, benchmark.read(path))


def _digests(what: str, content: bytes, wanted: Mapping[str, str]) -> Iterator[str]:
    for algorithm, digest in wanted.items():
        found = hashlib.new(algorithm, content).hexdigest()
        if found != digest:
            yield f"{what}: the {algorithm} is {found}, not {digest}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
