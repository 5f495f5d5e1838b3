"""What a build inherits of its base's hardening, from the factory's own rows: nothing in an image decides about it.

It follows the versions that the build descends from, up to the base's, and reads the definition which that was built
with. So a base that asks for FIPS from today on asks nothing of children of its older versions.
"""

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

from pipeline_core.domain.builds import Build
from pipeline_core.domain.lineage import MAX_DEPTH, upwards
from pipeline_core.domain.names import BuildId, Digest, ImageName
from pipeline_core.domain.sources import ParentVersion
from pipeline_core.services.effects.documents import Documents
from pipeline_core.state.images import ImageStore

_KEPT = 1024  # builds whose base is held in memory; it never changes


class InheritedHardening:
    """Costs a point read for each level above the image, and the base's definition; memory has most of them.

    It keeps each build that asks, so a cascade that one process launches reads nothing here.

    Where a row of a build is lost, the bases that are registered decide: one point read for each level once more.
    """

    def __init__(self, images: ImageStore, documents: Documents) -> None:
        self._images = images
        self._documents = documents
        self._kept: OrderedDict[BuildId, Digest] = OrderedDict()
        self._lock = Lock()

    def is_fips(self, build: Build) -> bool:
        """True where the base that the build's version descends from was built in FIPS mode. False for a base.

        Raises NotFound and PermanentError as `Documents.definition`.
        """
        if not isinstance(build.inputs.origin, ParentVersion):
            self._keep([build.id], build.definition)  # its children ask
            return False
        digest = self._find(build.id) or self._built(build) or self._registered(build.inputs.origin.image)
        return digest is not None and self._documents.definition(digest).hardening.fips

    def _built(self, build: Build) -> Digest | None:
        """The definition that the base's version was built with; None where nothing names it."""
        here, passed = build, [build.id]
        for _ in range(MAX_DEPTH + 1):
            if not isinstance(here.inputs.origin, ParentVersion):
                return self._keep(passed, here.definition)
            if here.parent is None:
                return None
            passed.append(here.parent.build)
            kept = self._find(here.parent.build)
            if kept is not None:
                return self._keep(passed, kept)
            above = self._images.find_build(here.parent.build)
            if above is None:
                return None
            here = above.value
        return None

    def _find(self, build: BuildId) -> Digest | None:
        with self._lock:
            return self._kept.get(build)

    def _keep(self, builds: Sequence[BuildId], definition: Digest) -> Digest:
        with self._lock:
            for build in builds:
                self._kept[build] = definition
                self._kept.move_to_end(build)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return definition

    def _registered(self, parent: ImageName) -> Digest | None:
        """The definition of the base in the registrations above; None where the chain is broken."""
        *_, base = upwards(parent, self._parent_of)
        head = self._images.find_head(base)
        return None if head is None else head.value.registration.definition

    def _parent_of(self, image: ImageName) -> ImageName | None:
        head = self._images.find_head(image)
        return None if head is None else head.value.registration.parent
