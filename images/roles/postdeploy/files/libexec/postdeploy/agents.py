"""The definitions of agents that the image holds: which can be enrolled, and how.

SecOps bakes one JSON file for each agent. The configuration of a machine can name an agent and the secret with its
enrolment value, and nothing else of it. A definition without a package is of an agent that Azure installs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from postdeploy.failures import Exit, Failed
from postdeploy.host import Host

_ID = r"[a-z0-9][a-z0-9-]{0,63}"
_PATH = r"/[A-Za-z0-9._/-]{1,199}"
_VALUE = "{value}"


@dataclass(frozen=True)
class AgentDefinition:
    """One agent. `key_tool` is the staged tool with the vendor's public key, `key_sha256` the digest of that key.

    The value is written to `file`, or given to `program` as a part of `arguments`. `enrolled` exists once the agent is
    enrolled.
    """

    agent: str
    service: str
    package: str
    key_tool: str
    key_sha256: str
    value_is: str
    value_pattern: str
    file: str
    program: str
    arguments: tuple[str, ...]
    enrolled: str

    @property
    def is_installed_by_azure(self) -> bool:
        """Whether there is nothing to install and nothing to enrol here."""
        return not self.package

    def checked_value(self, value: str) -> str:
        """The enrolment value as the vendor's program wants it. Raises Failed if it has another form."""
        value = value.strip()
        if self.value_is == "json":
            try:
                is_right = isinstance(json.loads(value), dict)
            except ValueError:
                is_right = False
        else:
            is_right = re.fullmatch(self.value_pattern, value) is not None
        if not is_right:
            raise Failed(
                Exit.REFUSED,
                "value-form",
                f"the enrolment value of {self.agent} does not have the form that its definition gives",
            )
        return value

    def words(self, host: Host, value: str) -> list[str]:
        """The command line of the vendor's program."""
        return [str(host.below(self.program)), *(each.replace(_VALUE, value) for each in self.arguments)]


def read(host: Host, agent: str) -> AgentDefinition:
    """The definition of an agent. Raises Failed with the agents that there are, or with what is wrong with it."""
    path = host.agents / f"{agent}.json"
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        known = ", ".join(sorted(each.stem for each in host.agents.glob("*.json"))) or "none"
        text = f"this image has no definition of the agent {agent}; it has: {known}"
        raise Failed(Exit.CONFIGURATION, "no-such-agent", text) from None
    except ValueError:
        raise Failed(Exit.CONFIGURATION, "agent-definition", f"{path.name} is not JSON") from None
    found = [f"{path.name}: {problem}" for problem in problems(document, agent)]
    if found:
        raise Failed(Exit.CONFIGURATION, "agent-definition", "; ".join(found))
    key, value, enrol = (document.get(part, {}) for part in ("key", "value", "enrol"))
    return AgentDefinition(
        agent=agent,
        service=document["service"],
        package=document.get("package", ""),
        key_tool=key.get("tool", ""),
        key_sha256=key.get("sha256", ""),
        value_is=value.get("is", ""),
        value_pattern=value.get("pattern", ""),
        file=enrol.get("file", ""),
        program=enrol.get("program", ""),
        arguments=tuple(enrol.get("arguments", ())),
        enrolled=document.get("enrolled", ""),
    )


def problems(document: Any, agent: str) -> Iterator[str]:
    """Every mistake of a definition."""
    if not isinstance(document, dict):
        yield "must be an object"
        return
    is_packaged = "package" in document
    texts = {"agent": _ID, "service": r"[A-Za-z0-9@._-]+\.service"}
    if is_packaged:
        texts.update({"package": r"[A-Za-z0-9][A-Za-z0-9+._-]*", "enrolled": _PATH})
    for name, pattern in texts.items():
        if not re.fullmatch(pattern, str(document.get(name, ""))):
            yield f"{name} must be a text like {pattern}"
    if document.get("agent") != agent:
        yield f"agent must be {agent}, as the file is named"
    if not is_packaged:
        return
    key, value, enrol = (document.get(part) for part in ("key", "value", "enrol"))
    if not (isinstance(key, dict) and re.fullmatch(_ID, str(key.get("tool"))) and "sha256" in key):
        yield "key must name a tool of the catalog and the sha256 of the vendor's public key"
    if not (isinstance(value, dict) and value.get("is") in ("json", "text") and _is_pattern(value)):
        yield "value must be json, or text with a pattern"
    yield from _enrol_problems(enrol)


def _is_pattern(value: dict[str, Any]) -> bool:
    return value["is"] == "json" or bool(value.get("pattern"))


def _enrol_problems(enrol: Any) -> Iterator[str]:
    if not isinstance(enrol, dict) or ("file" in enrol) == ("program" in enrol):
        yield "enrol must have either a file or a program"
        return
    if not re.fullmatch(_PATH, str(enrol.get("file", enrol.get("program")))):
        yield f"enrol must have a path like {_PATH}"
    arguments = enrol.get("arguments", [])
    if "program" in enrol and sum(str(each).count(_VALUE) for each in arguments) != 1:
        yield f"enrol must have {_VALUE} once in its arguments"
