"""SecOps bring the files of tools: ask for an address, write the one blob, and have the factory look at it."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from pipeline_core.adapters.memory import scanner
from pipeline_core.domain import tools
from pipeline_core.domain.errors import PermanentError
from pipeline_core.domain.names import Digest
from pipeline_core.domain.tools import ScanAnswer, ScanResult
from pipeline_core.ports import Blobs, Principal
from simulation import fleet

if TYPE_CHECKING:
    from simulation.world import SimulatedWorld

CLEAN = ScanAnswer(result=ScanResult.CLEAN, scanner=scanner.NAME)
_SECOPS = Principal(subject="admin", name="Admin", roles=frozenset({"Factory.Admin"}))


def digest_of(tool: str, version: str) -> Digest:
    """The SHA-256 of a tool's file."""
    return Digest(hashlib.sha256(fleet.file_of(tool, version)).hexdigest())


def are_served(blobs: Blobs, digests: Iterable[str]) -> bool:
    """True where a builder finds the file of each."""
    return all(blobs.find_facts(tools.SERVED, digest) is not None for digest in digests)


def bring(world: "SimulatedWorld", wanted: Mapping[str, str]) -> None:
    """Bring these versions of tools, and have them looked at, as `imagefactory catalog submit --wait` does.

    Nothing goes wrong meanwhile: people repeat the command until it has done all. What is refused stays refused.
    """
    if not wanted:
        return
    enabled, world.injector.enabled = world.injector.enabled, False
    try:
        for tool, version in sorted(wanted.items()):
            digest = digest_of(tool, version)
            try:
                offer = world.factory.submissions.offer(digest, _SECOPS)
            except PermanentError:
                continue  # refused: a catalog with it is refused, too
            if offer.address is not None:
                content = fleet.file_of(tool, version)
                world.ports.blobs.create(tools.QUARANTINE, str(digest), content, media_type="text/plain")
        world.factory.admission.look()
    finally:
        world.injector.enabled = enabled
