"""The guard for placeholders: hosts that are reserved for examples, in what is registered.

Only a registration asks here. The builder does not: what was registered before this rule goes on.
The e-mail addresses of owners are not looked at: nothing is sent to them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from pipeline_core.domain import placeholder_hosts
from pipeline_core.domain.definitions import ImageDefinition, ShellStep, Webhook
from pipeline_core.guard import archive
from pipeline_core.guard.archive import Content, FileStart
from pipeline_core.guard.findings import Finding
from pipeline_core.guard.rules import GuardRule

# The files of platform steps that hold settings. Scripts and programs name such hosts to recognise them.
_SETTINGS = (".json", ".yml", ".yaml", ".conf", ".cfg", ".ini", ".repo")
# The `$id` of a schema is a name, and the tasks of a role have messages for people. Its addresses are in its variables.
_TEXTS = re.compile(r"\.schema\.json$|^roles/[^/]+/(?:tasks|handlers|tests|meta)/")
_FILE_LIMIT = 1024 * 1024  # bytes of one file that are looked at; settings are smaller
_COMMENT = re.compile(r"^\s*[#;]")
_BEFORE_QUOTE = " \t=:,[{(\"'"  # elsewhere it is an apostrophe
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)")
_CATALOG = "catalog.json"  # it has findings of its own


def in_catalog(catalog: Mapping[str, object]) -> Iterator[Finding]:
    """Findings in the hosts and the addresses of a catalog, whatever else is wrong with it."""
    hosts, entries = catalog.get("hosts"), catalog.get("entries")
    for position, host in enumerate(hosts if isinstance(hosts, list) else ()):
        if isinstance(host, str) and "." in host and placeholder_hosts.is_placeholder(host):
            remedy = "list the host of your own copies, or take it out"
            yield _finding(f"catalog.hosts[{position}]", host, remedy)
    for position, entry in enumerate(entries if isinstance(entries, list) else ()):
        url = entry.get("url") if isinstance(entry, Mapping) else None
        for host in _placeholders(url if isinstance(url, str) else ""):
            remedy = "give address, version and SHA-256 of your own copy, or take the entry out"
            yield _finding(f"catalog.entries[{position}].url", host, remedy)


def in_definition(definition: ImageDefinition) -> Iterator[Finding]:
    """Findings in the addresses of a definition: those that its steps are given, and its webhooks."""
    for position, step in enumerate(definition.build.provisioners):
        for name, value in step.env if isinstance(step, ShellStep) else ():
            for host in _examples(value):
                place = f"spec.build.provisioners[{position}].env.{name}"
                yield _finding(
                    place, host, "give the address that the build shall use, or take the value out"
                )
    yield from in_webhooks(definition.notify)


def in_webhooks(webhooks: Sequence[Webhook]) -> Iterator[Finding]:
    """Findings in the addresses that events are sent to. A name of one's own machine has another finding."""
    for position, hook in enumerate(webhooks):
        for host in _examples(hook.url):
            remedy = "give the address of the receiver, or take the webhook out"
            yield _finding(f"spec.notify[{position}].webhook", host, remedy)


def in_platform(content: bytes) -> Iterator[Finding]:
    """Findings in the settings of platform steps: addresses in their JSON, YAML and INI files, each with its line."""
    name, text = "", bytearray()
    for part in archive.walk(content):
        if isinstance(part, FileStart):
            yield from _lines(name, bytes(text))
            name, text = part.name, bytearray()
        elif isinstance(part, Content) and _is_looked_at(name) and len(text) < _FILE_LIMIT:
            text += part.chunk
    yield from _lines(name, bytes(text))


def _is_looked_at(name: str) -> bool:
    return name.endswith(_SETTINGS) and name != _CATALOG and not _TEXTS.search(name)


def _lines(name: str, content: bytes) -> Iterator[Finding]:
    text = content[:_FILE_LIMIT].decode("utf-8", errors="replace")
    read = _without_escapes if name.endswith(".json") else _without_comment
    for number, line in enumerate(text.split("\n"), start=1):
        # Nearly every line has no address.
        for host in _examples(read(line)) if "//" in line or "\\" in line else ():
            remedy = "give the address that builds shall use, or take the setting out"
            yield _finding(f"{name}:{number}", host, remedy)


def _without_comment(line: str) -> str:
    """A line of YAML or INI without its comment. A quote that does not end in the line holds the rest of it."""
    if _COMMENT.match(line):
        return ""
    quote, before, escaped = "", " ", False
    for position, letter in enumerate(line):
        if quote:
            if letter == quote and not escaped:
                quote = ""
            escaped = quote == '"' and letter == "\\" and not escaped
        elif letter in "\"'" and before in _BEFORE_QUOTE:
            quote = letter
        elif letter == "#" and before in " \t":
            return line[:position]
        before = letter
    return line


def _without_escapes(line: str) -> str:
    """A line of JSON with the letters that its escapes stand for. No string of JSON goes over the end of a line."""
    return _ESCAPE.sub(_letter, line)


def _letter(found: re.Match[str]) -> str:
    if len(found[1]) > 1:
        return chr(int(found[1][1:], 16))
    return found[1] if found[1] in '"/\\' else " "


def _placeholders(text: str) -> list[str]:
    return [host for host in placeholder_hosts.hosts_in(text) if placeholder_hosts.is_placeholder(host)]


def _examples(text: str) -> list[str]:
    # A step may well talk to its own machine.
    return [host for host in placeholder_hosts.hosts_in(text) if placeholder_hosts.is_example(host)]


def _finding(place: str, host: str, remedy: str) -> Finding:
    message = f"{host[:80]} is a placeholder: the name is reserved for examples, and nothing serves it"
    return Finding(rule=GuardRule.PLACEHOLDER, place=place, message=message, remedy=remedy)
