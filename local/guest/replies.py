"""The answer of an emulated machine to a command. Pure: the command, the uploaded files and the scenario decide.

A script is read to find its first output line, which names its step. It is never run.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, unique
from typing import Final

from local.scenario import PackerScenario

NOTE: Final = "(emulated guest: recorded, not run)"
_SHELL: Final = re.compile(r"(?:^|[\s;&|])(?:/usr)?(?:/bin/)?(?:ba)?sh\s+(?:-\w+\s+)*(?P<path>/\S+)")
_REMOVED: Final = re.compile(r"^rm\s+(?:-\w+\s+)*(?:--\s+)?(?P<path>/\S+)\s*$")
_ANNOUNCED: Final = re.compile(r"^printf '%s\\n' '(imagefactory: [^'\n]*)'", re.MULTILINE)
_NOT_FOUND: Final = 127  # a shell's exit code for a file that does not exist


@unique
class CommandEnd(Enum):
    """The outcome of a command."""

    ENDS = "ends"  # with output and exit code
    HANGS = "hangs"  # as long as the client is connected
    DROPS = "drops"  # the connection is cut during the command
    RESTARTS = "restarts"  # the same, and the machine comes up again
    RESTARTS_LATER = "restarts later"  # with output and exit code, and then the machine restarts


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answer. `step` is the line of the script that the command would run. `removed` is a file that it deletes.

    `script` is the text of the script, empty where none is run or it ends with an error.
    """

    fate: CommandEnd = CommandEnd.ENDS
    exit_code: int = 0
    output: str = ""
    step: str = ""
    removed: str = ""
    script: str = ""


def to_command(command: str, files: Mapping[str, bytes], scenario: PackerScenario) -> Reply:
    """The reply to one command line."""
    removed = _REMOVED.search(command)
    if removed is not None:
        return Reply(removed=removed["path"])
    script = _SHELL.search(command)
    if script is None:
        return Reply()
    content = files.get(script["path"])
    if content is None:
        text = f"bash: {script['path']}: No such file or directory\n"
        return Reply(exit_code=_NOT_FOUND, output=text)
    return _to_script(content, scenario)


def announced(script: bytes) -> str:
    """The first output line of a script of the factory. Empty if the script has no such line."""
    found = _ANNOUNCED.search(script[:65536].decode("utf-8", "replace"))
    return found[1] if found else ""


def _to_script(content: bytes, scenario: PackerScenario) -> Reply:
    step = announced(content)
    said = f"{step}\n" if step else ""
    if scenario.restarts(step):
        is_late = scenario.name == "restart-late"
        fate = CommandEnd.RESTARTS_LATER if is_late else CommandEnd.RESTARTS
        return Reply(fate=fate, output=f"{said}the machine restarts\n", step=step)
    if not scenario.hits(step):
        script = content.decode("utf-8", "replace") if step else ""
        return Reply(output=f"{said}{NOTE}\n", step=step, script=script)
    output = f"{scenario.output.rstrip()}\n" if scenario.output else f"emulated guest: {scenario.name}\n"
    match scenario.name:
        case "hang":
            return Reply(fate=CommandEnd.HANGS, output=said + output, step=step)
        case "drop":
            return Reply(fate=CommandEnd.DROPS, output=said + output, step=step)
        case _:
            return Reply(exit_code=scenario.exit_code, output=said + output, step=step)
