"""The images of a run: a copy of `images/` with a catalog of its own, which says that it is a demonstration.

`images/` holds only what a first build on Azure can fetch. A licensed agent is not among it. So that a run shows a tool
of SecOps in a base all the same, the copy has one that exists nowhere. A person may change and register the copy.
"""

import json
import shutil
from pathlib import Path
from typing import Any

FOLDER = "images"
BASE = "rhel9-base"
HOST = "tools.demonstration.internal"  # `.internal` is for private use: no public name server answers for it
TOOL = {
    "id": "demonstration-agent",
    "version": "1.0.0",
    "url": f"https://{HOST}/demonstration-agent/1.0.0/demonstration-agent-1.0.0.rpm",
    # Of the text `imagefactory demonstration artifact: demonstration-agent 1.0.0` and a line end.
    "sha256": "00769e3c069ff0f11b4dca8247f111b58b5fe86a90c79247c937457d36092efd",
}
_BUILD = "  build:\n"


def prepare(source: Path, target: Path) -> Path:
    """Copy the images of `source` to the folder `target`, with the demonstration's catalog and base. Safe to repeat."""
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(source, target, ignore=ignore, dirs_exist_ok=True)
    catalog = target / "catalog.json"
    document: dict[str, Any] = json.loads((source / "catalog.json").read_text(encoding="utf-8"))
    document["hosts"] = sorted([*document["hosts"], HOST])
    document["entries"] = sorted([*document["entries"], TOOL], key=lambda entry: str(entry["id"]))
    catalog.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    base = target / BASE / "image.yaml"
    text = (source / BASE / "image.yaml").read_text(encoding="utf-8")
    line = f"    catalog: [{TOOL['id']}]  # a tool of the demonstration alone\n"
    base.write_text(text.replace(_BUILD, _BUILD + line, 1), encoding="utf-8")
    return target
