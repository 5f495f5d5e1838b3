"""Builds goss, which runs the tests of the images, from its Go module into the user's cache.

`python -m tools.build_goss` builds it where it is missing and prints its path. A guest downloads the release that
`images/catalog.json` pins; the module in `tools/goss` is the source of the same release. go.sum has its digests.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tools import go_modules

MODULE: Final = go_modules.Module(
    name="goss",
    title="goss",
    package="github.com/goss-org/goss",
    command="/cmd/goss",
    flags=("-buildvcs=false", "-mod=readonly"),
    minutes=2,
    otherwise=("do not build it: the tests that run the images' goss files are then skipped",),
)


def find(environ: Mapping[str, str]) -> Path | None:
    """The goss of this machine: the one that `GOSS` names, one on the PATH, or the one that was built."""
    given = environ.get("GOSS") or shutil.which(MODULE.name, path=environ.get("PATH"))
    return Path(given) if given else go_modules.find(MODULE, environ)


def main(environ: Mapping[str, str]) -> int:
    """Print where goss is. Build it first where it is missing."""
    try:
        found = find(environ) or go_modules.build(MODULE, environ)
    except go_modules.BuildError as error:
        print(f"goss: {error}", file=sys.stderr)
        return 1
    print(found)
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
