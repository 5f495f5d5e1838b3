"""Changes texts of dnf's files: the settings of dnf.conf and of repositories. Reads and writes no file.

What is not asked for stays as it is, comments too. dnf reads an indented line as the end of the value before it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_SECTION = re.compile(r"\s*\[([^\]]+)\]")
_SETTING = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\s*[=:]\s*(.*)")


def with_settings(text: str, section: str, changes: Mapping[str, str | None]) -> str:
    """The text with these settings in this section. None removes one. A missing section is added at the end."""
    added = [f"{key}={value}" for key, value in changes.items() if value is not None]
    found: list[str] = []
    where, is_removed, is_done = "", False, False
    for line in text.splitlines():
        head = _SECTION.match(line)
        setting = None if head else _SETTING.match(line)
        if head:
            where, is_removed = head[1].strip(), False
            found.append(line)
            if where == section and not is_done:
                found += added
                is_done = True
            continue
        if where == section and setting:
            is_removed = setting[1] in changes
        elif not line[:1].isspace() or not line.strip():
            is_removed = False  # a comment, or an empty line
        if not is_removed:
            found.append(line)
    if not is_done and added:
        found += [f"[{section}]", *added]
    return "".join(f"{line}\n" for line in found)


def setting(text: str, section: str, key: str) -> str | None:
    """The value of a setting, the last one if there are several; None without it."""
    where, found = "", None
    for line in text.splitlines():
        head, given = _SECTION.match(line), _SETTING.match(line)
        if head:
            where = head[1].strip()
        elif given and where == section and given[1] == key:
            found = given[2].strip()
    return found


def sections(text: str) -> list[str]:
    """The names of the sections, in order."""
    heads = (_SECTION.match(line) for line in text.splitlines())
    return [head[1].strip() for head in heads if head]


def repository(values: Mapping[str, str]) -> str:
    """A section with these settings. dnf checks each signature and each certificate of a server."""
    lines = [f"[{values['id']}]", f"name={values.get('name', values['id'])}", f"baseurl={values['baseurl']}"]
    lines += ["enabled=1", "gpgcheck=1", "sslverify=1", f"gpgkey=file://{values['gpgKey']}"]
    if values.get("caCertificate"):
        lines.append(f"sslcacert={values['caCertificate']}")
    return "".join(f"{line}\n" for line in lines)
