"""Documents of simulated images, and the small bundles that they name."""

import gzip
import hashlib
import io
import json
import random
import tarfile
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline_core.domain.names import Digest

SOURCE = {"publisher": "RedHat", "offer": "RHEL", "sku": "9-lvm-gen2"}
SIZE = "Standard_D2s_v5"  # of the machines of builds
SECOND = {**SOURCE, "sku": "9-raw-gen2"}  # what a chapter builds some roots from
BUSY = {**SOURCE, "sku": "9-nightly-gen2"}  # another one, with a release every few minutes
HOST = "tools.factory.corp"  # that tools come from
SIX = {
    "rhel9-base": None,
    "rhel9-java": "rhel9-base",
    "rhel9-python": "rhel9-base",
    "rhel9-vault": "rhel9-base",
    "payments-api": "rhel9-java",
    "ml-worker": "rhel9-python",
}


def bundle(text: str = "content", *, catalog: Mapping[str, Any] | None = None) -> tuple[Digest, bytes]:
    """A bundle of one file whose content is `text`. Platform steps may hold their catalog beside it."""
    target = io.BytesIO()
    files = {"scripts/install.sh": f"#!/usr/bin/env bash\nset -euo pipefail\necho {text}\n".encode()}
    if catalog is not None:
        files["catalog.json"] = json.dumps(catalog, sort_keys=True).encode()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=target, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            archive.addfile(member, io.BytesIO(content))
    packed_bytes = target.getvalue()
    return Digest(hashlib.sha256(packed_bytes).hexdigest()), packed_bytes


def catalog(tools: Mapping[str, str]) -> dict[str, Any]:
    """A `catalog.json` of tools with their versions. An address serves one file for ever."""
    entries = [
        {
            "id": tool,
            "version": version,
            "url": address(tool, version),
            "sha256": hashlib.sha256(file_of(tool, version)).hexdigest(),
        }
        for tool, version in sorted(tools.items())
    ]
    return {"hosts": [HOST], "entries": entries}


def file_of(tool: str, version: str) -> bytes:
    """The content of a tool's file."""
    return f"{tool} {version}".encode()


def address(tool: str, version: str) -> str:
    """Where the file of a tool is."""
    return f"https://{HOST}/{tool}-{version}.rpm"


def document(
    name: str,
    parent: str | None,
    *,
    team: str = "secops",
    size: str = SIZE,
    catalog: Sequence[str] = (),
    source: Mapping[str, str] = SOURCE,
    build: Mapping[str, Any] | None = None,
    verify: Mapping[str, Any] | None = None,
    retention: Mapping[str, Any] | None = None,
    notify: Sequence[Mapping[str, Any]] = (),
    **rebuild: Any,
) -> dict[str, Any]:
    """An `image.yaml` as a mapping. `catalog` names the tools that are staged in the image, `source` is a root's.

    `build` and `verify` are further keys of these parts.
    """
    origin: dict[str, Any] = {"marketplace": dict(source)}
    if parent is not None:
        origin = {"parent": {"image": parent, "channel": "live"}}
    return {
        "apiVersion": "imagefactory/v1",
        "kind": "ImageDefinition",
        "metadata": {"name": name, "team": team, "owners": [f"{team}@example.com"]},
        "spec": {
            **origin,
            "version": {"major": 9},
            "build": {
                "vmSize": size,
                "timeout": "60m",
                "provisioners": [{"shell": "scripts/install.sh"}],
                **({"catalog": list(catalog)} if catalog else {}),
                **(build or {}),
            },
            "verify": {"compliance": {"profile": "cis_server_l1", "minScore": 90}, **(verify or {})},
            "publish": {"regions": [{"name": "westeurope", "replicas": 1}]},
            **({"rebuild": rebuild} if rebuild else {}),
            **({"retention": dict(retention)} if retention else {}),
            **({"notify": [dict(each) for each in notify]} if notify else {}),
        },
    }


def forest(count: int, chance: random.Random) -> Mapping[str, str | None]:
    """`count` images. The first is a root, and each other image is below an earlier one. The depth stays small."""
    parents: dict[str, str | None] = {"image-0": None}
    depth = {"image-0": 0}
    for number in range(1, count):
        name = f"image-{number}"
        above = [candidate for candidate in parents if depth[candidate] < 4]
        parent = None if chance.random() < 0.05 else chance.choice(above)
        parents[name] = parent
        depth[name] = 0 if parent is None else depth[parent] + 1
    return parents
