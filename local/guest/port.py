"""Lets a real Packer reach the emulated machines on any port. Test support.

`python -m local.guest.port PACKER PORT WORDS...`: for `validate` and `build` it makes a copy of the template beside
the template. In the copy the port of SSH is PORT. Then this process becomes PACKER. Packer connects to a machine's
address itself, without a proxy, on port 22 unless the template names another. Not every user may open a port below
1024. In the copy the builder's probe of ports runs against the emulated ports of `served`. The template itself does
not change, and nothing else in the copy differs.
"""

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any, Final

from local.scenario import of_tags

_COMMANDS: Final = ("validate", "build")
_CHECKOUT: Final = Path(__file__).resolve().parents[2]
_SUFFIX: Final = ".pkr.json"


def with_port(template: dict[str, Any], port: int) -> dict[str, Any]:
    """The template with the port of SSH in every azure-arm source."""
    sources = template.get("source", {}).get("azure-arm", {})
    ported = {name: {**source, "ssh_port": port} for name, source in sources.items()}
    return {**template, "source": {**template.get("source", {}), "azure-arm": ported}}


def with_ports(template: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The template with the emulated probe in place of the builder's. Writes its script beside the builder's."""
    build = template.get("build") or [{}]
    steps = [_emulated(step, template, folder) for step in build[0].get("provisioner", [])]
    return {**template, "build": [{**build[0], "provisioner": steps}, *build[1:]]} if steps else template


def _emulated(step: dict[str, Any], template: dict[str, Any], folder: Path) -> dict[str, Any]:
    local = step.get("shell-local")
    if local is None:
        return step
    text = (folder / local["script"]).read_text(encoding="utf-8")
    own, _, _ = text.partition("exec ")
    sources = template.get("source", {}).get("azure-arm", {})
    tags = next((source.get("azure_tags") or {} for source in sources.values()), {})
    scenario = of_tags(os.environ.get("IF_RECORDED_SCENARIO", ""), tags).name
    words = [sys.executable, "-m", "local.guest.served", scenario, "ports-asked.json", "ports-found.json"]
    path = f"{local['script']}.emulated"
    call = f'PYTHONPATH={shlex.quote(str(_CHECKOUT))} exec {shlex.join(words)} "$IMAGEFACTORY_HOST"'
    (folder / path).write_text(f"{own}{call}\n", encoding="utf-8")
    return {"shell-local": {**local, "script": path}}


def rewritten(words: list[str], port: int) -> list[str]:
    """The words of the command line, with the copy in place of the template."""
    if not words or words[0] not in _COMMANDS or not words[-1].endswith(_SUFFIX):
        return words
    path = Path(words[-1])
    copied = with_ports(with_port(json.loads(path.read_text(encoding="utf-8")), port), path.parent)
    copy = path.with_name(path.name.removesuffix(_SUFFIX) + f".emulated-guest{_SUFFIX}")
    copy.write_text(json.dumps(copied, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return [*words[:-1], str(copy)]


def main(arguments: list[str]) -> int:
    """Become Packer. Returns only if that is impossible."""
    program, port, *words = arguments
    try:
        words = rewritten(words, int(port))
    except (OSError, ValueError, AttributeError) as error:
        print(f"emulated guest: the template is passed on unchanged: {error}", file=sys.stderr, flush=True)
    os.execv(program, [program, *words])  # noqa: S606  # a program and words of our own choice, no shell


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
