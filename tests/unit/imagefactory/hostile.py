"""Hostile input for the command, by a seed: arguments, files of a folder, answers of a server. Runs nothing."""

import json
import random
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import typer

from imagefactory.main import app

TEXTS = (
    *(
        "",
        " ",
        "-",
        "--",
        "-1",
        "0",
        "@",
        "x@1.2.3",
        "payments-api",
        "payments-api@1.20261121.1",
        "1.20261121.1",
    ),
    *(
        "payments-api.0c7cf3219811.1",
        "../..",
        "/",
        "%00",
        "%",
        "a" * 5000,
        "9" * 400,
        "１２",
        "é",
        "\U0001d49c",
        "\ufeff",
    ),
    *(
        "\x1b[31m",
        "a\u202eb",
        "a\nb",
        "\udcff",
        "{}",
        "[]",
        "&limit=1",
        "?#",
        "http://[::1",
        "http://x:99999/",
        "nan",
    ),
    *(
        "inf",
        "1e999",
        "2026-11-29T12:00:00Z",
        "9999-99-99",
        "*",
        "\\",
        "'",
        '"',
        "[bold]",
        "$(id)",
        "2026-11-29",
    ),
)
_SNIPPETS = (
    *(
        '"\\U00110000"',
        '"\\uD800"',
        '"\\x00"',
        '"\\xZZ"',
        "!!python/object:os.system x",
        "&a [*a]",
        "*a",
        "<<: *a",
    ),
    *(
        "{",
        "}",
        "[",
        "]" * 30,
        "[" * 30,
        "? ",
        "- ",
        ": ",
        "|",
        ">",
        "%YAML 9.9\n",
        "---\n",
        "...\n",
        "\t",
        "\x00",
        "\ud7ff",
    ),
    *(
        "0x1p99",
        "1e999",
        "-.inf",
        "9" * 400,
        "2026-13-45",
        "~",
        "null",
        "yes",
        "\u2028",
        "\x85",
        "é",
        "#",
        "@",
        "`",
        "0o777",
    ),
    *(
        '"\\ud83d"',
        '{"a": 1, "a": 2}',
        "NaN",
        "-Infinity",
        "1E400",
        '"' + "a" * 3000 + '"',
        "https://[",
        "https://a:b@c",
    ),
)
_PLAIN_ANSWERS = (
    b"",
    b"null",
    b"[]",
    b"{}",
    b'"x"',
    b"1",
    b"<html>",
    b"\xff\xfe",
    b"{" * 5000,
    b"[" * 100_000,
    b'{"a":' * 3000,
    b"NaN",
)


def leaves() -> dict[str, tuple[tuple[str, ...], Any]]:
    """Every command without commands of its own, by its words; groups that do something by themselves too."""
    found: dict[str, tuple[tuple[str, ...], Any]] = {}
    waiting: list[tuple[tuple[str, ...], Any]] = [((), typer.main.get_command(app))]
    while waiting:
        words, command = waiting.pop()
        below = getattr(command, "commands", {})
        waiting += [((*words, name), each) for name, each in below.items()]
        if not below or getattr(command, "invoke_without_command", False):
            found[" ".join(words)] = (words, command)
    return found


def arguments(command: Any, files: list[Path], chance: random.Random) -> list[str]:
    """Arguments for every parameter of a command: some right, some not, some left out."""
    given: list[str] = []
    for each in command.params:
        if each.opts[0].startswith("-"):
            is_needed = each.name in ("limit", "every") and command.name == "rebuild"
            if each.is_eager or each.name in ("url", "ca_file", "help"):
                continue
            if is_needed or chance.random() < 0.5:
                name = chance.choice([*each.opts, *each.secondary_opts])
                given += [name] if each.is_flag else [name, _value(each, files, chance)]
        elif chance.random() < 0.95:
            given.append(_value(each, files, chance))
    if chance.random() < 0.1:
        given.insert(chance.randrange(len(given) + 1), chance.choice(TEXTS))
    return given


def _value(parameter: Any, files: list[Path], chance: random.Random) -> str:
    kind = parameter.type_descriptor.annotation
    if kind is float:
        return "0.1"  # `rebuild --wait` would wait for hours
    if chance.random() < 0.6:
        if isinstance(kind, type) and issubclass(kind, Enum):
            return str(chance.choice(list(kind)).value)
        if kind is int:
            return str(chance.randint(1, 200))
        if kind is Path:
            return str(chance.choice(files))
    return chance.choice([*TEXTS, *map(str, files[:2])])


def mutated(text: str, chance: random.Random) -> bytes:
    """A document with a few hostile changes."""
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(text) + 1)
        words = text.split(" ")
        match chance.randrange(4):
            case 0:
                text = text[:at] + chance.choice(_SNIPPETS) + text[at:]
            case 1:
                text = text[:at] + text[at + chance.randint(1, 20) :]
            case 2:
                words[chance.randrange(len(words))] = chance.choice(_SNIPPETS)
                text = " ".join(words)
            case _:
                text = (
                    text[:at]
                    + chr(chance.choice([0, 7, 9, 10, 13, 34, 92, 0x85, 0x202E, 0xFEFF, 0x1F600]))
                    + text[at:]
                )
    content = text.encode("utf-8", "surrogatepass")
    return content if chance.random() < 0.9 else content + bytes([chance.randrange(256)])


def answer(keys: list[str], chance: random.Random) -> tuple[int, dict[str, str], bytes]:
    """What a server could say: not JSON, another shape, or the right keys with hostile values."""
    status = chance.choice([200, 200, 200, 201, 202, 204, 302, 400, 404, 409, 412, 422, 429, 500, 503])
    headers = {
        "ETag": chance.choice(['"1"', "", "x" * 2000, "W/\x7f"]),
        "Retry-After": chance.choice(["0", "x", "99999", "-1", "\xb2"]),
    }
    if status == 204:
        return status, headers, b""
    if chance.random() < 0.3:
        return status, headers, chance.choice(_PLAIN_ANSWERS)
    return status, headers, json.dumps(_object(keys, chance, 3)).encode()


def _object(keys: list[str], chance: random.Random, depth: int) -> Mapping[str, Any]:
    share = chance.choice([0.5, 0.95, 1.0])
    return {key: _json(keys, chance, depth - 1) for key in keys if chance.random() < share}


def _json(keys: list[str], chance: random.Random, depth: int) -> Any:
    kind = chance.randrange(8 if depth > 0 else 6)
    match kind:
        case 0:
            return None
        case 1:
            return chance.choice([True, False])
        case 2:
            return chance.choice([0, -1, 10**30, 1.5, 1e308])
        case 6:
            few = chance.sample(keys, min(8, len(keys)))
            return [_object(few, chance, depth - 1) for _ in range(chance.randint(0, 2))]
        case 7:
            return _object(chance.sample(keys, min(8, len(keys))), chance, depth - 1)
        case _:
            return chance.choice(TEXTS)


def seeds(command: str, count: int) -> Iterator[random.Random]:
    for number in range(count):
        yield random.Random(f"{command}/{number}")
