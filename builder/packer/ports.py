"""The step that tries the ports of the booted machine, as a script for Packer's `shell-local`. Pure.

It is the only step that runs in the builder's container. Nothing of a team and nothing of the guest is in its script;
the address of the machine is Packer's own.
"""

import shlex
import sys
from collections.abc import Iterator, Sequence

from builder.packer import probe
from pipeline_core.wire.job import BuildJob

ASKED = "ports-asked.json"  # in the folder of the run, where Packer works
FOUND = "ports-found.json"
HOST = "${build.Host}"  # Packer's name for the address of the machine
_VARIABLE = "IMAGEFACTORY_HOST"
# sh, because the file has no execute bit. Packer fills in its variables and the path.
_RUN = ["/bin/sh", "-c", "{{ .Vars }} /bin/sh {{ .Script }}"]
# Ports that nothing may answer, unless the definition names them: a firewall that lets everything in is found by them.
NEVER = (
    9090,  # cockpit, which Red Hat's zone `public` lets in
    111,  # rpcbind
    65533,  # nobody's
)


def question(job: BuildJob) -> dict[str, object]:
    """What the probe is asked, for `ASKED`: the ports of the definition, and some that it does not name."""
    return probe.asked(_wanted(job))


def program() -> tuple[str, ...]:
    """The words that start the probe in this container."""
    return (sys.executable, "-I", "-S", probe.__file__)


def script(title: str, start: Sequence[str]) -> str:
    """The script. `start` are the words that start the probe."""
    words = " ".join(map(shlex.quote, start))
    return (
        "# Written by Image Factory for one run. It runs in the builder's container.\n"
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


def _wanted(job: BuildJob) -> Iterator[tuple[int, str, str]]:
    for each in job.serves:
        yield each.port, each.protocol, each.when
    served = {each.port for each in job.serves if each.protocol == "tcp"}
    for number in NEVER:
        if number not in served:
            yield number, "tcp", "never"
