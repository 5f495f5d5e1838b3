"""Lets a real Packer with azure plugin 1.x run the factory's template, which is written for 2.x. Test support.

`python -m local.older_plugin PACKER WORDS...`: for `validate` and `build` it makes a copy of the template beside the
template. The copy lacks the options that 1.x does not know, and stderr lists them. Then this process becomes PACKER.
The template itself does not change, and nothing else in the copy differs.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any, Final

_COMMANDS: Final = ("validate", "build")
_UNKNOWN_KEYS: Final = ("security_type",)  # 1.x derives it from secure boot and the virtual TPM
_ANY_VERSION: Final = ">= 1"
_SUFFIX: Final = ".pkr.json"


def older(template: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The template as 1.x reads it, and the names of the options that are left out."""
    copied = json.loads(json.dumps(template))
    left_out = []
    for name, plugin in copied.get("packer", {}).get("required_plugins", {}).items():
        plugin["version"] = _ANY_VERSION
        left_out.append(f"the version of required_plugins.{name}")
    for source in copied.get("source", {}).get("azure-arm", {}).values():
        left_out += _removed(source, _UNKNOWN_KEYS)
    return copied, left_out


def _removed(values: dict[str, Any], keys: tuple[str, ...]) -> list[str]:
    return [key for key in keys if values.pop(key, None) is not None]


def rewritten(words: list[str]) -> list[str]:
    """The words of the command line, with the copy in place of the template."""
    if not words or words[0] not in _COMMANDS or not words[-1].endswith(_SUFFIX):
        return words
    path = Path(words[-1])
    copied, left_out = older(json.loads(path.read_text(encoding="utf-8")))
    if not left_out:
        return words
    copy = path.with_name(path.name.removesuffix(_SUFFIX) + f".older-plugin{_SUFFIX}")
    copy.write_text(json.dumps(copied, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    print(
        f"older plugin: {', '.join(left_out)} left out of a copy of {path.name}, for azure plugin 1.x",
        file=sys.stderr,
        flush=True,
    )
    return [*words[:-1], str(copy)]


def main(arguments: list[str]) -> int:
    """Become Packer. Returns only if that is impossible."""
    program, *words = arguments
    try:
        words = rewritten(words)
    except (OSError, ValueError) as error:
        print(f"older plugin: the template is passed on unchanged: {error}", file=sys.stderr, flush=True)
    os.execv(program, [program, *words])  # noqa: S606  # a program and words of our own choice, no shell


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
