"""Application settings: a file like `local.settings.json`, `%NAME%` in bindings, disabled functions."""

import json
import re
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from local.host.errors import HostError

_PLACEHOLDER = re.compile(r"%([^%\s]+)%")


def load_settings(file: Path, environment: MutableMapping[str, str]) -> tuple[str, ...]:
    """Put the `Values` of `file` into `environment`. A variable that is set already stays, and its name is returned."""
    try:
        document = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise HostError(f"the settings file {file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise HostError(f"the settings file {file} is not valid JSON: {error}") from error
    values = document.get("Values") if isinstance(document, dict) else None
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise HostError(f'the settings file {file} must hold an object "Values" of texts')
    kept = []
    for name, value in values.items():
        if environment.get(name, value) != value:
            kept.append(name)
        else:
            environment[name] = value
    return tuple(kept)


def resolve_placeholders(text: str, environment: Mapping[str, str], place: str) -> str:
    """`text` with each `%NAME%` replaced. Raises HostError, which names `place`, if a setting is missing."""

    def value_of(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in environment:
            raise HostError(f"{place} refers to %{name}%, and there is no such setting")
        return environment[name]

    return _PLACEHOLDER.sub(value_of, text)


def is_disabled(function: str, environment: Mapping[str, str]) -> bool:
    """Whether the setting `AzureWebJobs.<function>.Disabled` switches its trigger off."""
    name = f"azurewebjobs.{function}.disabled".lower()
    spellings = {name, name.replace(".", "__")}
    return any(
        key.lower() in spellings and value.lower() in {"true", "1"} for key, value in environment.items()
    )
