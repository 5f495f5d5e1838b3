"""Twins of the services of versions: one version was taken out, and one image differs from its gallery."""

from dataclasses import dataclass, field, replace

from pipeline_core.domain import access
from pipeline_core.domain.access_table import ApiOperation
from pipeline_core.domain.errors import NotFound
from pipeline_core.domain.images import DoubtKind
from pipeline_core.domain.names import ImageName, TeamName
from pipeline_core.domain.observed import Suspect, Suspects
from pipeline_core.domain.version_records import VersionRecord
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import Principal
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
