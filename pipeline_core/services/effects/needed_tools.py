"""The tools of the catalog that a build needs, and which of them builds may not use now.

A build takes each file from the factory's own storage, so it begins only where all are admitted. This module starts
and ends no build.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable
from threading import Lock

from pipeline_core.domain import staged_tools
from pipeline_core.domain.builds import Build, Phase
from pipeline_core.domain.definitions import ImageDefinition
from pipeline_core.domain.errors import NotFound
from pipeline_core.domain.fingerprint import BuildInputs
from pipeline_core.domain.images import ImageHead, Registration
from pipeline_core.domain.names import Digest
from pipeline_core.domain.plan import Decision, DoNothing, RestReason, StartBuild
from pipeline_core.domain.sources import SourceVersion
from pipeline_core.domain.staged_tools import CatalogTool
from pipeline_core.guard import bundles
from pipeline_core.guard import catalog as guard
from pipeline_core.guard.catalog import CatalogEntry
from pipeline_core.ports import Blobs
from pipeline_core.services.effects.documents import Documents
from pipeline_core.state.catalog.tools import ToolStore
from pipeline_core.state.records import Stored
from pipeline_core.wire.bundle import COMPRESSED_LIMIT

_KEPT = 8  # catalogs of platform bundles held in memory: the content of a digest never changes


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

    def hold(self, decision: Decision, head: Stored[ImageHead] | None) -> Decision:
        """The decision, but no build is started while the file of a tool that it needs is not admitted."""
        if not isinstance(decision, StartBuild) or head is None:
            return decision
        missing = self.missing_of_next(decision.inputs, head.value.registration)
        if not missing:
            return decision
        detail = staged_tools.why_not(missing)
        return DoNothing(why=RestReason.NOT_ADMITTED, detail=detail, reasons=decision.reasons)

    def _held(self, platform: Digest) -> tuple[CatalogEntry, ...]:
        """As `catalog_of`; empty where the bundle is gone: the builder reads it too, and says what is wrong."""
        try:
            return self.catalog_of(platform)
        except NotFound:
            return ()


def _is_root(inputs: BuildInputs) -> bool:
    return isinstance(inputs.origin, SourceVersion)
