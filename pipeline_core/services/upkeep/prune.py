"""Retention: remove the live versions that no rule keeps, and record in their claims that they are gone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline_core.domain import attempts
from pipeline_core.domain.claims import Outcome
from pipeline_core.domain.errors import FactoryError
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import Fingerprint, ImageName
from pipeline_core.domain.retention import KeptVersions, prunable
from pipeline_core.domain.sources import ParentVersion
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import Galleries, GalleryImageVersion
from pipeline_core.services.effects.effects import Effects
from pipeline_core.state import images as records
from pipeline_core.state.stores import Records


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruner:
    """Runs once a day; one list call per image."""

    records: Records
    galleries: Galleries
    effects: Effects

    def prune(self) -> int:
        """The number of versions whose deletion has begun. An image that fails is logged and skipped."""
        pruned = 0
        for head in self.records.index.heads():
            try:
                listed = self.galleries.list_versions(head.registration.gallery, head.name)
                pruned += self._prune_image(head, listed)
            except FactoryError as error:
                self.effects.logs.note("prune-failed", image=str(head.name), error=str(error))
        return pruned

    def _prune_image(self, head: ImageHead, listed: Sequence[GalleryImageVersion]) -> int:
        definition = self.effects.documents.definition(head.registration.definition)
        if definition.retention.keep_in_use:
            return 0
        live = {found.version: found for found in listed if found.tags.get(attempts.PROVENANCE_TAG)}
        kept = KeptVersions(
            current=None if head.current is None else head.current.version,
            parents_of_current=self._used_by_children(head.name),
        )
        chosen = prunable(live, kept, definition.retention, self.effects.clock.now())
        for version in chosen:
            self._remove(head, live[version])
        return len(chosen)

    def _used_by_children(self, image: ImageName) -> frozenset[GalleryVersion]:
        used: set[GalleryVersion] = set()
        for child in self.records.index.children(image):
            head = self.records.images.find_head(child)
            if head is None:
                continue
            current, active = head.value.current, head.value.active
            build = None if active is None else self.records.images.find_build(active.build)
            origins = [
                None if current is None else current.inputs.origin,
                None if build is None else build.value.inputs.origin,
            ]
            used |= {origin.version for origin in origins if isinstance(origin, ParentVersion)}
        return frozenset(used)

    def _remove(self, head: ImageHead, found: GalleryImageVersion) -> None:
        """Update the claim, then delete the version. The claim must never call a deleted version good."""
        fingerprint = found.tags.get(attempts.FINGERPRINT_TAG, "")
        writes = [
            records.add_entry(
                self.effects.journal.of_image(
                    found.image, Event.PRUNED, detail=f"{found.image}@{found.version}"
                )
            )
        ]
        claim = self.records.images.find_claim(found.image, Fingerprint(fingerprint)) if fingerprint else None
        if claim is not None and claim.value.version == found.version:
            pruned = replace(claim.value, outcome=Outcome.PRUNED)
            writes.append(records.put_claim(pruned, etag=claim.etag))
        self.records.images.commit(writes, head=head)
        self.galleries.begin_delete(found.gallery, found.image, found.version)
