"""Checks the rules of this repository that no linter knows; given the names of some, it checks those alone."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from tools.house_rules import glossary, names, repository, sizes, source, words

Rule = Callable[[Sequence[source.File]], Iterator[source.Finding]]

RULES: Final[Mapping[str, Rule]] = {
    "module-length": sizes.module_length,
    "lock-files": repository.lock_files,
    "machine-paths": repository.machine_paths,
    "broken-pipes": repository.broken_pipes,
    "make-targets": repository.make_targets,
    "glossary-missing": glossary.missing_words,
    "glossary-unused": glossary.unused_entries,
    "flat-folders": sizes.flat_folders,
    "function-length": sizes.function_length,
    "doubled-names": names.doubled_names,
    "plain-words": words.plain_words,
}


def main(arguments: Sequence[str]) -> int:
    """Print one line per finding. The exit status is 1 if there is a finding."""
    wanted = {name: RULES[name] for name in arguments or RULES}
    files = source.tracked()
    found = [str(finding) for rule in wanted.values() for finding in rule(files)]
    print("".join(f"{line}\n" for line in found), end="")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
