"""Builds actionlint, which checks the workflow files of GitHub Actions, from its Go module into the user's cache.

`python -m tools.build_actionlint` builds it where it is missing and prints its path. `--find` builds nothing:
it prints the path of an actionlint on the PATH or in the cache, and fails if there is none.
"""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tools import go_modules

MODULE: Final = go_modules.Module(
    name="actionlint",
    title="actionlint",
    package="github.com/rhysd/actionlint",
    command="/cmd/actionlint",
    flags=("-buildvcs=false", "-mod=readonly"),
    minutes=2,
    otherwise=("do not build it: `make check` then skips the workflow files",),
)


def find(environ: Mapping[str, str]) -> Path | None:
    """The actionlint of this machine. One on the PATH comes first."""
    given = shutil.which(MODULE.name, path=environ.get("PATH"))
    return Path(given) if given else go_modules.find(MODULE, environ)


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Print where actionlint is. Without `--find`, build it first where it is missing."""
    found = find(environ)
    try:
        if found is None and "--find" not in arguments:
            found = go_modules.build(MODULE, environ)
    except go_modules.BuildError as error:
        print(f"actionlint: {error}", file=sys.stderr)
        return 1
    if found is None:
        return 1
    print(found)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
