"""Twins of the services of versions and bundles: one version was taken out, one image differs from its gallery."""

from dataclasses import dataclass, field, replace

from pipeline_core.domain import access
from pipeline_core.domain.access_table import ApiOperation
from pipeline_core.domain.bundle_owners import BundleRecord
from pipeline_core.domain.errors import NotFound
from pipeline_core.domain.images import DoubtKind, FormerImage
from pipeline_core.domain.names import Digest, ImageName, TeamName
from pipeline_core.domain.observed import Suspect, Suspects
from pipeline_core.domain.version_records import VersionRecord
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import Principal
from pipeline_core.services.versions.listing import VersionLine, VersionsView
from pipeline_core.services.versions.names import NamePage
from tests.unit.triggers import views

PAYMENTS = TeamName("payments")


@dataclass(slots=True)
class Readmission:
    """The image of team payments has one version that was taken out."""

    included: list[tuple[str, str]] = field(default_factory=list)

    def include(
        self, name: ImageName, version: GalleryVersion, principal: Principal, reason: str
    ) -> VersionRecord:
        access.demand(
            ApiOperation.INCLUDE_VERSION, principal, access.subject_of(name, PAYMENTS, is_base=False)
        )
        if version != GalleryVersion.parse("1.20261121.1"):
            raise NotFound(f"live holds no {name}@{version}")
        self.included.append((str(version), reason))
        return VersionRecord(image=name, version=version, at=views.NOW, actor=principal.name, reason=reason)


@dataclass(slots=True)
class VersionQueries:
    """One image with one live version."""

    def of_image(self, name: ImageName) -> VersionsView:
        if str(name) != "payments-api":
            raise NotFound(f"image {name} is not registered")
        version = GalleryVersion.parse("1.20261121.1")
        line = VersionLine(
            version=version,
            gallery="live",
            state="ready",
            in_latest=True,
            standing="live",
            reason="",
            build=views.BUILD_ID,
            provenance="ab" * 32,
            end_of_life=None,
        )
        return VersionsView(
            image=name, team=PAYMENTS, is_deleted=False, deleted_at=None, current=version, versions=(line,)
        )


@dataclass(slots=True)
class ReservedNames:
    """One image was deleted."""

    handed_over: list[tuple[str, str, str]] = field(default_factory=list)
    former: FormerImage = field(
        default_factory=lambda: FormerImage(
            name=ImageName("pay-tmp"), revision=2, team=PAYMENTS, deleted_at=views.NOW
        )
    )

    def page(self, after: str, limit: int) -> NamePage:
        following = "pay-tmp" if limit == 1 else None
        return NamePage(names=() if after else (self.former,), next=following)

    def hand_over(self, name: ImageName, to: TeamName, principal: Principal, reason: str) -> FormerImage:
        access.demand(ApiOperation.HAND_OVER_NAME, principal)
        access.demand_reason(reason, "the journal of the image")
        self.handed_over.append((str(name), str(to), reason))
        return replace(self.former, team=to)


@dataclass(slots=True)
class Suspicion:
    """One image differs from its gallery."""

    accepted: list[str] = field(default_factory=list)

    def seen(self) -> Suspects:
        suspect = Suspect(
            image=ImageName("payments-api"),
            kind=DoubtKind.GONE,
            version=GalleryVersion.parse("1.20261121.1"),
            since=views.NOW,
        )
        return Suspects(suspects=(suspect,), alarmed_at=views.NOW)

    def accept(self, principal: Principal, reason: str) -> Suspects:
        access.demand(ApiOperation.ACCEPT_GALLERIES, principal)
        access.demand_reason(reason, "the journal")
        self.accepted.append(reason)
        return replace(self.seen(), alarmed_at=None, accepted_until=views.NOW, accepted_by=principal.name)


@dataclass(slots=True)
class Bundles:
    """One bundle, of payments."""

    shared: list[tuple[str, str, str]] = field(default_factory=list)

    def share(self, digest: Digest, to: TeamName, principal: Principal, reason: str) -> BundleRecord:
        access.demand(ApiOperation.SHARE_BUNDLE, principal)
        access.demand_reason(reason, "the log of the factory")
        self.shared.append((str(digest), str(to), reason))
        return BundleRecord(digest=digest, owners=(PAYMENTS, to), touched_at=views.NOW)
