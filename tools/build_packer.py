"""Builds Packer and its azure plugin from the Go modules of `tools/` into `.packer/`; `make packer` runs it.

If the PATH, `PACKER` or `PACKER_AZURE_PLUGIN` already give a Packer with the plugin, nothing is built. `go_modules`
builds a program from a module.
"""

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from local import real_packer
from tools.go_modules import BuildError, Module, build, is_placed, place

_OTHERWISE: Final = (
    "put a Packer with the azure plugin on the PATH, or name them: PACKER=path PACKER_AZURE_PLUGIN=path",
    "use no real Packer: PACKER=recorded make run",
)
MODULES: Final = (
    Module(
        name=real_packer.PROGRAM,
        title="Packer",
        package="github.com/hashicorp/packer",
        flags=("-buildvcs=false",),
        minutes=5,
        otherwise=_OTHERWISE,
    ),
    Module(
        name=real_packer.PLUGIN,
        title="its azure plugin",
        package="github.com/hashicorp/packer-plugin-azure",
        # Without this flag the plugin is a development version, which Packer installs under another name.
        flags=(
            "-buildvcs=false",
            "-ldflags=-X github.com/hashicorp/packer-plugin-azure/version.VersionPrerelease=",
        ),
        minutes=3,
        otherwise=_OTHERWISE,
    ),
)


def is_given(environ: Mapping[str, str]) -> bool:
    """Whether a Packer with the azure plugin is on the machine already, without one that we built."""
    with tempfile.TemporaryDirectory(prefix="imagefactory-") as folder:
        return real_packer.find(environ, built=Path(folder)) is not None


def main(environ: Mapping[str, str], *, built: Path = real_packer.BUILT) -> int:
    """Make sure that there is a Packer, and print which one."""
    try:
        if environ.get("PACKER") == real_packer.RECORDED:
            raise BuildError("PACKER=recorded asks for no real Packer: unset it")
        if not is_given(environ):
            for module in MODULES:
                is_wanted = not (module.name == real_packer.PLUGIN and environ.get("PACKER_AZURE_PLUGIN"))
                if is_wanted and not is_placed(module, built):
                    place(module, build(module, environ), built)
        found = real_packer.find(environ, built=built)
        if found is None:
            raise BuildError("the build gave no Packer with an azure plugin: remove .packer/ and try again")
    except (BuildError, real_packer.RealPackerError) as error:
        print(f"make packer: {error}", file=sys.stderr)
        return 1
    print(f"{found} ({found.program})")
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
