"""The step that tries the ports of the booted machine, as a script for Packer's `shell-local`. Pure.

It is the only step that runs in the builder's container. Nothing of a team and nothing of the guest is in its script;
the address of the machine is Packer's own.
"""

import shlex
import sys
from collections.abc import Sequence

from builder.results import probe
from builder.results.ports import ASKED, FOUND

HOST = "${build.Host}"  # Packer's name for the address of the machine
_VARIABLE = "IMAGEFACTORY_HOST"
# sh, because the file has no execute bit. Packer fills in its variables and the path.
_RUN = ["/bin/sh", "-c", "{{ .Vars }} /bin/sh {{ .Script }}"]


def program() -> tuple[str, ...]:
    """The words that start the probe in this container."""
    return (sys.executable, "-I", "-S", probe.__file__)


def script(title: str, start: Sequence[str]) -> str:
    """The script. `start` are the words that start the probe."""
    words = " ".join(map(shlex.quote, start))
    return (
        "#!/bin/sh\n# Written by Image Factory for one run. It runs in the builder's container.\n"
        f"printf '%s\\n' {shlex.quote('imagefactory: ' + title)}\n"
        f'exec {words} "${_VARIABLE}" {ASKED} {FOUND}\n'
    )


def block(file: str) -> dict[str, object]:
    """Packer's block for the script at `file`."""
    return {
        "shell-local": {
            "script": file,
            "execute_command": _RUN,
            "environment_vars": [f"{_VARIABLE}={HOST}"],
        }
    }
