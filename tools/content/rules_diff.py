"""Compares two releases of the guide's content, before SecOps raise the pin.

`python -m tools.content.rules_diff OLD NEW` takes two files `ssg-rhel9-ds.xml` and prints a line for each difference:
rules that came and went, severities, what each profile of SecOps selects, and entries of `exceptions.json` that name
what NEW does not have. Exit status 0: no exception is concerned. 1: some are. 2: a file cannot be read.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tools.content import benchmark, tailoring
from tools.content.benchmark import Benchmark, Profile
from tools.content.tailoring import Exceptions

_NOTHING = Profile(rules=frozenset(), choices={})


def main(arguments: Sequence[str], exceptions: Path = tailoring.EXCEPTIONS) -> int:
    """Print the comparison of the two files that are named."""
    if len(arguments) != 2:
        sys.stderr.write("usage: python -m tools.content.rules_diff OLD NEW\n")
        return 2
    try:
        old, new = (benchmark.read(Path(each)) for each in arguments)
        ours = tailoring.read(exceptions.read_text("utf-8"))
    except (OSError, ValueError) as err:
        sys.stderr.write(f"{err}\n")
        return 2
    gone = list(stale(new, ours))
    titles = (
        (f"Release {old.version or 'unknown'} to {new.version or 'unknown'}", []),
        ("Rules", list(rules(old, new))),
        *((f"Profile {each.profile}", list(profile(each.profile, old, new))) for each in ours),
        ("Exceptions that name what is gone", gone),
    )
    for title, lines in titles:
        sys.stdout.write(f"{title}\n")
        for line in lines:
            sys.stdout.write(f"  {line}\n")
    return 1 if gone else 0


def rules(old: Benchmark, new: Benchmark) -> Iterator[str]:
    """Rules that came, went, or have another severity, in any profile."""
    for rule in sorted(new.severities.keys() - old.severities.keys()):
        yield f"+ {rule} ({new.severities[rule]})"
    for rule in sorted(old.severities.keys() - new.severities.keys()):
        yield f"- {rule} ({old.severities[rule]})"
    for rule in sorted(old.severities.keys() & new.severities.keys()):
        if old.severities[rule] != new.severities[rule]:
            yield f"~ {rule}: severity {old.severities[rule]}, now {new.severities[rule]}"


def profile(name: str, old: Benchmark, new: Benchmark) -> Iterator[str]:
    """What one profile selects more, less, and with other values."""
    for release, which in ((old, "the old"), (new, "the new")):
        if name not in release.profiles:
            yield f"! {which} release has no such profile"
    before, after = (release.profiles.get(name, _NOTHING) for release in (old, new))
    for rule in sorted(after.rules - before.rules):
        yield f"+ {rule} ({new.severities.get(rule, 'no such rule')})"
    for rule in sorted(before.rules - after.rules):
        yield f"- {rule} ({old.severities.get(rule, 'no such rule')})"
    for value in sorted(before.choices.keys() | after.choices.keys()):
        if before.choices.get(value) != after.choices.get(value):
            yield f"~ {value}: {_shown(before.choices, value)}, now {_shown(after.choices, value)}"


def stale(new: Benchmark, ours: Sequence[Exceptions]) -> Iterator[str]:
    """Entries of SecOps that the new release makes void. An entry for several profiles is void if it is in all.

    An entry whose `since` is a newer release than this is not void: the rule is not there yet.
    """
    for each in ours:
        if each.profile not in new.profiles:
            yield f"{each.profile}: there is no such profile"
    number = tailoring.release(new.version)
    names = sorted({name for each in ours for name, _ in each.rules if each.since.get(name, (0,)) <= number})
    for name in names:
        if name not in new.severities:
            yield f"{name}: there is no such rule"
        elif not any(name in new.profiles.get(each.profile, _NOTHING).rules for each in _with(ours, name)):
            yield f"{name}: no profile that leaves it out selects it"
    for name in sorted({name for each in ours for name, _, _ in each.values} - new.values):
        yield f"{name}: there is no such value"


def _with(ours: Sequence[Exceptions], rule: str) -> Iterator[Exceptions]:
    return (each for each in ours if rule in dict(each.rules))


def _shown(choices: Mapping[str, str], value: str) -> str:
    return repr(choices[value]) if value in choices else "the guide's own"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
