"""Definitions by digest, from Blob storage. The content of a digest never changes, so memory may keep it."""

import contextlib
from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock

from pipeline_core.domain import machine_sizes
from pipeline_core.domain.definitions import ImageDefinition
from pipeline_core.domain.errors import AlreadyExists, ErrorClass, PermanentError
from pipeline_core.domain.images import Registration
from pipeline_core.domain.names import Digest, Region
from pipeline_core.ports import Blobs
from pipeline_core.wire.image_yaml import read as image_yaml
from pipeline_core.wire.problems import InvalidDocument

_KEPT = 256  # parsed definitions held in memory
_DEFINITION_LIMIT = 128 * 1024  # bytes: a document has 64 KiB at most, as canonical JSON with its bundle


class Documents:
    """Reads definitions as domain values and keeps the most recently used ones."""

    def __init__(self, blobs: Blobs, location: Region) -> None:
        self._blobs = blobs
        self._location = location
        self._kept: OrderedDict[Digest, ImageDefinition] = OrderedDict()
        self._lock = Lock()

    def definition(self, digest: Digest) -> ImageDefinition:
        """The definition, by the rules under which it was accepted.

        Raises NotFound, and PermanentError where the blob's content does not have the digest, or where this release
        cannot tell what it means. The latter is the factory's fault, never the team's.
        """
        with self._lock:
            if digest in self._kept:
                self._kept.move_to_end(digest)
                return self._kept[digest]
        content = self._blobs.read("definitions", f"{digest}.json", limit=_DEFINITION_LIMIT)
        if image_yaml.digest_of(content) != digest:
            raise PermanentError(
                ErrorClass.POLICY, f"the content of definition {digest} does not match its name"
            )
        try:
            definition = image_yaml.read_definition_blob(content, location=self._location)
        except InvalidDocument as error:
            problem = next(iter(error.problems), None)
            raise PermanentError(
                ErrorClass.INTERNAL,
                f"this release cannot read the registered definition {digest}: {problem};"
                " register the image again, or run the release that accepted it",
            ) from error
        with self._lock:
            self._kept[digest] = definition
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return definition

    def cores_of(self, registration: Registration) -> int | None:
        """The cores of the machines of an image's next build; None where nobody can tell.

        A registration that does not keep the size, of many waivers or of an older release, costs a read of its
        document. What is wrong with that says the build itself.
        """
        size = "" if registration.promises is None else registration.promises.vm_size
        if not size:
            with contextlib.suppress(PermanentError):
                size = self.definition(registration.definition).build.vm_size
        return machine_sizes.cores_of(size)

    def parse(self, document: Mapping[str, object], bundle: Digest) -> ImageDefinition:
        """A document that a person sent, as a domain value. Raises InvalidDocument with every problem."""
        return image_yaml.parse_definition(document, bundle=bundle, location=self._location)

    def store(self, content: bytes) -> Digest:
        """Store a definition blob under its digest; safe to repeat."""
        digest = image_yaml.digest_of(content)
        with contextlib.suppress(AlreadyExists):
            self._blobs.create("definitions", f"{digest}.json", content, media_type="application/json")
        return digest
