"""The tools of the catalog that a build needs, and which of them builds may not use now.

A build takes each file from the factory's own storage, so it begins only where all are admitted. This module starts
and ends no build.
"""

import contextlib
from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from threading import Lock

from pipeline_core.domain import blob_rights, staged_tools
from pipeline_core.domain.builds import Build, Phase
from pipeline_core.domain.definitions import ImageDefinition
from pipeline_core.domain.errors import NotFound, StaleWrite
from pipeline_core.domain.fingerprint import BuildInputs
from pipeline_core.domain.images import Registration
from pipeline_core.domain.names import Digest
from pipeline_core.domain.sources import SourceVersion
from pipeline_core.domain.staged_tools import CatalogTool
from pipeline_core.domain.tools import ToolState
from pipeline_core.guard import bundles
from pipeline_core.guard import catalog as guard
from pipeline_core.guard.catalog import CatalogEntry
from pipeline_core.ports import Blobs
from pipeline_core.services.effects.documents import Documents
from pipeline_core.state.catalog.tools import ToolStore
from pipeline_core.wire.bundle import COMPRESSED_LIMIT

_KEPT = 8  # catalogs of platform bundles held in memory: the content of a digest never changes


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsentTools:
    """Tools of a build that builds may not use now.

    The stage needs the file of each that is `missing`. Each that is `refused` is in the build's version, or would test
    it, and was found to be bad: no such version is published. A file that is only lost harms no version.
    """

    missing: tuple[CatalogTool, ...] = ()
    refused: tuple[CatalogTool, ...] = ()
    why: str = ""  # the build cannot go on, or not now


class NeededTools:
    """Costs one read of a platform bundle in each process, and one point read for each file that is asked about."""

    def __init__(self, blobs: Blobs, documents: Documents, store: ToolStore) -> None:
        self._blobs = blobs
        self._documents = documents
        self._store = store
        self._kept: OrderedDict[Digest, tuple[CatalogEntry, ...]] = OrderedDict()
        self._lock = Lock()

    def catalog_of(self, platform: Digest) -> tuple[CatalogEntry, ...]:
        """The catalog that the platform steps of this digest hold, by id. Raises NotFound without such a bundle."""
        with self._lock:
            if platform in self._kept:
                self._kept.move_to_end(platform)
                return self._kept[platform]
        content = self._blobs.read("bundles", f"{platform}.tar.gz", limit=COMPRESSED_LIMIT)
        entries = guard.entries_of(bundles.catalog_in(content) or {})
        with self._lock:
            self._kept[platform] = entries
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return entries

    def own(self, build: Build, definition: ImageDefinition, *, is_scanned: bool) -> tuple[CatalogEntry, ...]:
        """What the platform's steps of the build's present stage use. Tools that their catalog lacks are left out."""
        ids = (
            staged_tools.of_build(is_root=_is_root(build.inputs))
            if build.phase is Phase.BUILDING
            else staged_tools.of_verify(definition.os.architecture, is_scanned=is_scanned)
        )
        return tuple(each for each in self._held(build.inputs.platform) if each.id in ids)

    def missing_of(self, tools: Iterable[CatalogTool]) -> tuple[CatalogTool, ...]:
        """Those of them whose file is not admitted."""
        by_digest = {Digest(tool[2]): tool for tool in tools}
        return tuple(sorted(by_digest[digest] for digest in self._store.missing(by_digest)))

    def find_lack(self, build: Build) -> AbsentTools:
        """What the present stage of the build lacks, and what of the whole build is refused.

        Each version counts as scanned, as it does where a build is planned: that asks for no floor. One point read for
        each tool, one more for each that is not admitted.
        """
        own, absent = self._own_of(build), self.missing_of(self._tools_of(build))
        is_made = build.phase is not Phase.BUILDING
        needed = {*own, *(() if is_made else build.inputs.catalog)}
        missing = tuple(tool for tool in absent if tool in needed)
        states = ((tool, self._store.state_of(Digest(tool[2]))) for tool in absent)
        refused = tuple(tool for tool, state in states if state is ToolState.REFUSED)
        why = staged_tools.why_ended(refused) if is_made and refused else staged_tools.why_not(absent)
        return AbsentTools(missing=missing, refused=refused, why=why if absent else "")

    def note_lost(self, build: Build, now: datetime) -> tuple[CatalogTool, ...]:
        """The tools of the build whose file cannot be had now. A record whose copy is lost says so from now on.

        The next look of the admission copies the file again, or asks for it. Two reads for each tool.
        """
        for tool in self._tools_of(build):
            stored = self._store.find_readable(Digest(tool[2]))
            if stored is None or stored.value.state is not ToolState.ADMITTED:
                continue
            place = blob_rights.tool_place(tool[2])
            if self._blobs.find_facts(place.container, place.name) is not None:
                continue
            lost = stored.value.moved(ToolState.QUARANTINED, now, "its copy is lost")
            with contextlib.suppress(StaleWrite):  # a look at the file was faster
                self._store.save(lost, etag=stored.etag)
        return self.missing_of(self._tools_of(build))

    def missing_of_next(self, inputs: BuildInputs, registration: Registration) -> tuple[CatalogTool, ...]:
        """What a build of these inputs would lack in either stage, so that none is started.

        Every version counts as scanned: whether SecOps' floor wants a scan is known when the stage begins.
        """
        held = {each.id: each for each in self._held(inputs.platform)}
        needed = list(inputs.catalog)
        if held.keys() & {staged_tools.GUIDE, *staged_tools.GOSS.values()}:
            os = self._documents.definition(registration.definition).os
            ids: Collection[str] = {
                *staged_tools.of_build(is_root=_is_root(inputs)),
                *staged_tools.of_verify(os.architecture, is_scanned=True),
            }
            needed += [(each.id, each.version, each.sha256) for each in held.values() if each.id in ids]
        return self.missing_of(needed) if needed else ()

    def _tools_of(self, build: Build) -> list[CatalogTool]:
        """What the image names, and what the platform's own steps of the stage use: the guide of a base in both."""
        return [*build.inputs.catalog, *self._own_of(build)]

    def _own_of(self, build: Build) -> list[CatalogTool]:
        if not self._held(build.inputs.platform):
            return []
        definition = self._documents.definition(build.definition)
        own = self.own(build, definition, is_scanned=True)
        return [(each.id, each.version, each.sha256) for each in own]

    def _held(self, platform: Digest) -> tuple[CatalogEntry, ...]:
        """As `catalog_of`; empty where the bundle is gone: the builder reads it too, and says what is wrong."""
        try:
            return self.catalog_of(platform)
        except NotFound:
            return ()


def _is_root(inputs: BuildInputs) -> bool:
    return isinstance(inputs.origin, SourceVersion)
