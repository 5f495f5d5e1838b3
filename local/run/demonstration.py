"""The images of a run: a copy of `images/` with a catalog of its own, which says that it is a demonstration.

No file of a vendor can be fetched here. So each tool of the catalog has a file that is made here, with its own digest,
and goes the way of every file: into quarantine, checked, scanned, admitted, and from our own storage to the guests. The
shipped catalog holds no licensed agent; so that a run shows a tool of SecOps in a base all the same, the copy has one
that exists nowhere. A person may change and register the copy.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

FOLDER = "images"
FILES = "files"  # the folder of the copy with the files of the tools, each under the name that its address ends with
BASE = "rhel9-base"
HOST = "tools.demonstration.internal"  # `.internal` is for private use: no public name server answers for it
AGENT = {
    "id": "demonstration-agent",
    "version": "1.0.0",
    "url": f"https://{HOST}/demonstration-agent/1.0.0/demonstration-agent-1.0.0.rpm",
}
_BUILD = "  build:\n"


def prepare(source: Path, target: Path) -> Path:
    """Copy the images of `source` to the folder `target`, with the demonstration's catalog and base. Safe to repeat."""
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(source, target, ignore=ignore, dirs_exist_ok=True)
    document: dict[str, Any] = json.loads((source / "catalog.json").read_text(encoding="utf-8"))
    entries = [_made_here(entry) for entry in (*document["entries"], AGENT)]
    document["hosts"] = [HOST]
    document["entries"] = sorted(entries, key=lambda entry: entry["id"])
    (target / "catalog.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    files = target / FILES
    files.mkdir(exist_ok=True)
    for entry in entries:
        (files / entry["url"].rpartition("/")[2]).write_bytes(content_of(entry))
    base = target / BASE / "image.yaml"
    text = (source / BASE / "image.yaml").read_text(encoding="utf-8")
    line = f"    catalog: [{AGENT['id']}]  # a tool of the demonstration alone\n"
    base.write_text(text.replace(_BUILD, _BUILD + line, 1), encoding="utf-8")
    return target


def content_of(entry: dict[str, str]) -> bytes:
    """The file of a tool: one line that says what it is."""
    return f"imagefactory demonstration artifact: {entry['id']} {entry['version']}\n".encode()


def _made_here(entry: dict[str, str]) -> dict[str, str]:
    """The entry with the address and the digest of the file that is made here."""
    file = entry["url"].rpartition("/")[2]
    return {
        "id": entry["id"],
        "version": entry["version"],
        "url": f"https://{HOST}/{entry['id']}/{entry['version']}/{file}",
        "sha256": hashlib.sha256(content_of(entry)).hexdigest(),
    }
