"""Hold a definition against the Marketplace when it is registered: does the source exist, does it fit, which plan.

A fault of the Marketplace refuses nothing. The definition is accepted, a note says what was not checked, and the
first build asks again before it starts a machine.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pipeline_core.deployment import Deployment
from pipeline_core.domain import captures, source_images
from pipeline_core.domain.definitions import ImageDefinition, OsTraits
from pipeline_core.domain.errors import FactoryError, NotFound
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import GalleryName, ImageName
from pipeline_core.domain.source_images import SourceImage
from pipeline_core.domain.sources import MarketplaceSource, PurchasePlan
from pipeline_core.domain.versions import newest
from pipeline_core.ports import Galleries, Logs, MarketplaceOffers
from pipeline_core.services.effects.documents import Documents
from pipeline_core.state.images import ImageStore
from pipeline_core.wire.problems import Problem

_SISTERS = 3  # SKUs that are looked at for a fitting one


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFindings:
    """What the look found: `problems` refuse the registration, `notes` are for the person who registers."""

    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Found:
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRules:
    """Two requests for a source that fits, a few more for one that does not."""

    marketplace: MarketplaceOffers
    galleries: Galleries
    heads: ImageStore
    documents: Documents
    deployment: Deployment
    logs: Logs

    def look(self, definition: ImageDefinition, old: ImageHead | None) -> SourceFindings:
        """The source of a root, the plan and the traits that the image definitions were made for."""
        found = _Found()
        origin = definition.origin
        try:
            if old is not None:
                found.problems.extend(self._trait_problems(definition, old))
            if isinstance(origin, MarketplaceSource):
                self._look_at_source(definition, origin, old, found)
            elif old is not None and old.registration.parent != origin.image:
                parent = self.galleries.find_image(self._quarantine_of(origin.image), origin.image)
                if parent is not None:
                    self._compare(definition, parent.plan, "spec.parent.image", found)
            if not isinstance(origin, MarketplaceSource) and definition.build.os_disk_gb is not None:
                self._look_at_disk(definition, origin.image, found)
        except FactoryError as error:
            self.logs.note("source-not-checked", image=str(definition.name), error=str(error))
            found.notes.append(
                f"the source was not checked, because Azure did not answer ({error}); the first build checks it"
            )
        return SourceFindings(problems=tuple(found.problems), notes=tuple(found.notes))

    def _trait_problems(self, definition: ImageDefinition, old: ImageHead) -> Iterator[Problem]:
        """Other traits are possible as long as no image definition fixes them, or where SecOps has changed it."""
        if self.documents.definition(old.registration.definition).os == definition.os:
            return
        for gallery in (self._quarantine_of(definition.name), old.registration.gallery):
            found = self.galleries.find_image(gallery, definition.name)
            problem = None if found is None else captures.misfit(definition.os, found)
            if problem is not None:
                yield Problem(
                    path="spec.os",
                    message=f"does not fit the image definition in {gallery}: {problem.reason}",
                    remedy=problem.remedy,
                )

    def _look_at_source(
        self, definition: ImageDefinition, source: MarketplaceSource, old: ImageHead | None, found: _Found
    ) -> None:
        try:
            top = newest(self.marketplace.list_versions(source))
        except NotFound:
            found.problems.append(self._unknown(source))
            return
        if top is None:
            found.notes.append(f"the Marketplace lists no version of {source.key} yet")
            return
        image = self.marketplace.get_image(source, top)
        fitting = self._fitting(source, image, definition.os)
        for each in source_images.misfits(source, image, definition, fitting):
            found.problems.append(Problem(path=each.path, message=each.message, remedy=each.remedy))
        found.notes.extend(source_images.doubts(source, image, definition.os))
        if image.plan is not None:
            found.notes.append(
                f"{source.urn(top)} is sold under the plan {image.plan}: builds fail until somebody has accepted its "
                f"terms once in the subscription (`az vm image terms accept --urn {source.urn(top)}`), and the first "
                "build fixes the plan for the image and all its descendants"
            )
        if old is not None:
            self._compare(definition, image.plan, "spec.marketplace", found)

    def _compare(
        self, definition: ImageDefinition, plan: PurchasePlan | None, path: str, found: _Found
    ) -> None:
        """Refuse a source with another plan than the image definition that exists."""
        made = self.galleries.find_image(self._quarantine_of(definition.name), definition.name)
        if made is not None and made.plan != plan:
            refused = source_images.PlanChange(kept=made.plan, sold=plan)
            found.problems.append(Problem(path=path, message=refused.message, remedy=refused.remedy))

    def _quarantine_of(self, image: ImageName) -> GalleryName:
        head = self.heads.find_head(image)
        return self.deployment.quarantine_of(None if head is None else head.value.registration.quarantine)

    def _look_at_disk(self, definition: ImageDefinition, parent: ImageName, found: _Found) -> None:
        """Refuse a disk below that of the parent's current version. A parent may grow later: then the larger counts."""
        head = self.heads.find_head(parent)
        if head is None or head.value.current is None:
            return
        version, gallery = head.value.current.version, head.value.registration.gallery
        live = self.galleries.find_version(gallery, parent, version)
        size = None if live is None else live.disk_gb
        for each in source_images.disk_misfits(definition.build.os_disk_gb, size, f"{parent}@{version}"):
            found.problems.append(Problem(path=each.path, message=each.message, remedy=each.remedy))

    def _fitting(self, source: MarketplaceSource, image: SourceImage, os: OsTraits) -> str:
        """A SKU of the same offer with the wanted generation and architecture, empty where none is known."""
        if image.generation in (None, os.generation) and image.architecture in (None, os.architecture):
            return ""
        names = self.marketplace.list_names(source.location, source.publisher, source.offer)
        for sku in source_images.sister_skus(source.sku, names)[:_SISTERS]:
            sister = _of(source, sku)
            top = newest(self.marketplace.list_versions(sister))
            facts = None if top is None else self.marketplace.get_image(sister, top)
            if facts is not None and (facts.generation, facts.architecture) == (
                os.generation,
                os.architecture,
            ):
                return sku
        return ""

    def _unknown(self, source: MarketplaceSource) -> Problem:
        """The first of publisher, offer and SKU that does not exist, with the names that are near to it."""
        place = source.location
        parts = (("publisher", source.publisher), ("offer", source.offer), ("sku", source.sku))
        for depth, (key, name) in enumerate(parts):
            known = self._names(source, *(value for _, value in parts[:depth]))
            if known and name.lower() not in {each.lower() for each in known}:
                near = ", ".join(source_images.nearest_names(name, known))
                return Problem(
                    path=f"spec.marketplace.{key}",
                    message=f"is {name!r}, which the Marketplace does not know in {place}",
                    remedy=f"use one of: {near}" if near else f"use one that {_LISTS[depth]} shows",
                )
        return Problem(
            path="spec.marketplace",
            message=f"is {source.publisher}:{source.offer}:{source.sku}, which is not offered in {place}",
            remedy="use one that `az vm image list --all` shows for this region and subscription",
        )

    def _names(self, source: MarketplaceSource, *parents: str) -> Sequence[str]:
        try:
            return self.marketplace.list_names(source.location, *parents)
        except NotFound:
            return ()


_LISTS = ("`az vm image list-publishers`", "`az vm image list-offers`", "`az vm image list-skus`")


def _of(source: MarketplaceSource, sku: str) -> MarketplaceSource:
    return MarketplaceSource(
        publisher=source.publisher, offer=source.offer, sku=sku, location=source.location
    )
