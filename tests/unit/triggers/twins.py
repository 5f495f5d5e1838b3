"""A factory of twins: each behaves as its service does towards a caller, and keeps what it was given.

The rules of access are the real ones (`domain.access`), so that the truth table of routes shows the truth.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

from pipeline_core.domain import access
from pipeline_core.domain.access_table import ApiOperation
from pipeline_core.domain.builds import Build, Phase
from pipeline_core.domain.definitions import OsTraits
from pipeline_core.domain.errors import (
    AlreadyExists,
    NotFound,
    StaleWrite,
)
from pipeline_core.domain.images import ImageHead, Registration
from pipeline_core.domain.names import (
    LIVE,
    BuildId,
    Digest,
    GalleryName,
    ImageName,
    RebuildToken,
    TeamName,
)
from pipeline_core.domain.poison import PoisonRecord, PoisonState
from pipeline_core.domain.policy import PolicyVersion
from pipeline_core.domain.releases import AcceptedRelease, Looks, Silence, WithdrawalReason, WithdrawnRelease
from pipeline_core.domain.sources import ParentReference
from pipeline_core.domain.versions import MarketplaceVersion
from pipeline_core.ports import Principal
from pipeline_core.services.images.requests import RequestAnswer
from pipeline_core.services.images.sources import SourceView
from pipeline_core.services.policies.policy import PolicyShown
from pipeline_core.services.recovery.recover import RecoveryProblem as Unrecovered
from pipeline_core.services.recovery.recover import RecoveryReport
from pipeline_core.services.views.views import BuildView, ImageDetail, ImagePage, LineageView
from pipeline_core.state.poison import PoisonPage
from pipeline_core.wire.problems import InvalidDocument, Problem
from tests.unit.domain import factories
from tests.unit.triggers import (
    evidence_twins,
    grant_twins,
    history_twins,
    provenance_twins,
    receiver_twins,
    version_twins,
    views,
)
from tests.unit.triggers.callers import Tokens
from tests.unit.triggers.outage_twins import Retries
from tests.unit.triggers.pause_twins import Pauses
from tests.unit.triggers.platform_twins import Platforms
from tests.unit.triggers.rate_twins import Rates
from tests.unit.triggers.retention_twins import Retentions
from tests.unit.triggers.tool_twins import Submissions

PAYMENTS = TeamName("payments")


@dataclass
class Registrar:
    """One image is registered: payments-api, of team payments."""

    bundles: dict[str, bytes] = field(default_factory=dict)
    documents: dict[str, Any] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)

    def store_bundle(self, digest: Digest, content: bytes, principal: Principal) -> bool:
        if hashlib.sha256(content).hexdigest() != str(digest):
            raise InvalidDocument([Problem(path="bundle", message="has another digest", remedy="pack again")])
        is_new = str(digest) not in self.bundles
        self.bundles[str(digest)] = content
        return is_new

    def register(
        self,
        name: ImageName,
        document: Any,
        bundle: Digest,
        principal: Principal,
        *,
        expected: str | None,
        create_only: bool,
    ) -> Any:
        _demand(principal)
        exists = str(name) == "payments-api"
        if create_only and exists:
            raise AlreadyExists(f"{name} exists")
        if not create_only and not exists:
            raise NotFound(f"{name} is not registered")
        if not create_only and expected != views.DETAIL.etag:
            raise StaleWrite(f"{name} has changed")
        if "spec" not in document:
            problems = [
                Problem(path="spec", message="is missing", remedy="add it"),
                Problem(path="metadata.owners", message="is empty", remedy="name an owner"),
            ]
            raise InvalidDocument(problems)
        self.documents[str(name)] = document
        return SimpleNamespace(
            head=_head(name, bundle), os=OsTraits(), etag="next", created=create_only, notes=("look",)
        )

    def unregister(self, name: ImageName, principal: Principal, expected: str) -> None:
        _demand(principal)
        if expected != views.DETAIL.etag:
            raise StaleWrite(f"{name} has changed")
        self.removed.append(str(name))


@dataclass
class Requests:
    """Every request starts the one build."""

    reasons: list[str] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    build: BuildId | None = field(default_factory=lambda: BuildId(views.BUILD_ID))

    def request(self, name: ImageName, principal: Principal, reason: str, key: str | None) -> RequestAnswer:
        _demand(principal)
        self.reasons.append(reason)
        self.keys.append(key)
        why = "started" if self.build else "suspended"
        return RequestAnswer(token=RebuildToken("f" * 32), build=self.build, why=why, detail=reason)


@dataclass
class Canceller:
    """The one build can be stopped."""

    reasons: list[str] = field(default_factory=list)
    error: Exception | None = None

    def cancel(self, identity: BuildId, principal: Principal, reason: str) -> Build:
        if str(identity) != views.BUILD_ID:
            raise NotFound(f"there is no build {identity}")
        _demand(principal)
        if self.error is not None:
            raise self.error
        self.reasons.append(reason)
        return replace(factories.build(Phase.BUILDING), id=identity)


@dataclass
class PoisonReview:
    """One open record, about payments-api, and one that is about nothing."""

    asked: list[tuple[object, ...]] = field(default_factory=list)
    closed: list[tuple[str, str]] = field(default_factory=list)
    view: PoisonRecord = views.POISON

    def page(
        self, principal: Principal, *, state: PoisonState | None = None, after: str = "", limit: int = 100
    ) -> PoisonPage:
        self.asked.append((principal.name, state, after, limit))
        return PoisonPage(records=(self.view, views.STRAY), after=None)

    def requeue(self, key: str, principal: Principal) -> PoisonRecord:
        self._close(key, "requeued", principal)
        return replace(self.view, state=PoisonState.REQUEUED, closed_by=principal.name, closed_at=views.NOW)

    def dismiss(self, key: str, principal: Principal) -> None:
        self._close(key, "dismissed", principal)

    def _close(self, key: str, state: str, principal: Principal) -> None:
        if key != self.view.key:
            raise NotFound(f"there is no poisoned message {key}")
        _demand(principal)
        if self.closed:
            raise AlreadyExists(f"{key} was {self.closed[0][1]} already")
        self.closed.append((key, state))


@dataclass
class Policies:
    """SecOps only; two versions, and 2 is in force unless `revision` says otherwise."""

    put_documents: list[Any] = field(default_factory=list)
    asked: list[tuple[int | None, int]] = field(default_factory=list)
    revision: int = 2

    def shown(self, revision: int | None = None) -> PolicyShown:
        if revision not in (None, 1, 2) or not self.revision:
            raise NotFound("no policy is in force")
        return PolicyShown(version=views.policy_version(revision or self.revision), document={"spec": {}})

    def put(
        self, document: Any, principal: Principal, *, expected: str | None, create_only: bool
    ) -> PolicyShown:
        access.demand(ApiOperation.PUT_POLICY, principal)
        if create_only and self.revision:
            raise AlreadyExists("a policy is in force already")
        if not create_only and expected != str(self.revision):
            raise StaleWrite("the policy has changed")
        if "spec" not in document:
            raise InvalidDocument([Problem(path="spec", message="is missing", remedy="add it")])
        self.put_documents.append(document)
        self.revision += 1
        return PolicyShown(
            version=views.policy_version(self.revision),
            document=document,
            unregistered=(ImageName("rhel10-base"),),
        )

    def versions(self, *, before: int | None = None, limit: int) -> tuple[PolicyVersion, ...]:
        self.asked.append((before, limit))
        first = self.revision if before is None else before - 1
        return tuple(views.policy_version(number) for number in range(first, max(0, first - limit), -1))


@dataclass
class Recovery:
    """SecOps only; two steps."""

    cursors: list[tuple[str, bool]] = field(default_factory=list)

    def step(self, principal: Principal, after: str, *, force: bool = False) -> RecoveryReport:
        access.demand(ApiOperation.REBUILD_STATE, principal)
        self.cursors.append((after, force))
        if not after:
            return RecoveryReport(recovered=("app", "base"), deleted=("old",), after="lineage:")
        return RecoveryReport(kept=("base",), problems=(Unrecovered(image="app", message="is gone"),))


@dataclass
class Queries:
    """Two images, one build; `error` is raised by every question where it is set."""

    error: Exception | None = None
    page: ImagePage = views.PAGE
    detail: ImageDetail = views.DETAIL
    lineage_view: LineageView = views.LINEAGE
    asked: list[tuple[object, ...]] = field(default_factory=list)

    def image(self, name: ImageName) -> ImageDetail:
        self.check()
        if str(name) != self.detail.image.name:
            raise NotFound(f"image {name} is not registered")
        return self.detail

    def images(self, *, team: TeamName | None = None, after: str = "", limit: int = 200) -> ImagePage:
        self.check()
        self.asked.append((team, after, limit))
        return self.page

    def build(self, identity: BuildId) -> BuildView:
        self.check()
        if str(identity) != views.BUILD_ID:
            raise NotFound(f"there is no build {identity}")
        return views.BUILD

    def lineage(
        self, image: ImageName | None = None, *, after: Sequence[ImageName] = (), limit: int = 1000
    ) -> LineageView:
        self.check()
        self.asked.append((image, after, limit))
        return self.lineage_view

    def check(self) -> bool:
        if self.error is not None:
            raise self.error
        return True


@dataclass
class Receiver:
    """Any service behind a function: keeps what it was given, and raises `error` where it is set."""

    received: list[object] = field(default_factory=list)
    error: Exception | None = None

    def take(self, *given: object, **named: object) -> None:
        """Stands for every method of every service."""
        if self.error is not None:
            raise self.error
        self.received.append((*given, *named.values()) if len(given) + len(named) != 1 else given[0])

    handle = dispatch = step = observe = deliver = record = poll = sweep = reap = prune = again = leave = take
    archive = remove = look = take


SOURCE = SourceView(
    key="redhat:rhel:9-lvm-gen2:westeurope",
    urn="RedHat:RHEL:9-lvm-gen2",
    location="westeurope",
    newest=MarketplaceVersion.parse("9.6.2025112113"),
    revision=3,
    looked_at=views.NOW,
    ends_at=None,
    images=(ImageName("rhel9-base"),),
    withdrawn=(
        WithdrawnRelease(
            version=MarketplaceVersion.parse("9.8.2026062323"), since=views.NOW, by=WithdrawalReason.ABSENT
        ),
    ),
    accepted=None,
    silence=Silence(looks=Looks(count=3, since=views.NOW), why="the Marketplace lists no version of it"),
)


@dataclass
class Sources:
    """One source is followed, whose newest release was withdrawn."""

    accepted: list[tuple[str, str]] = field(default_factory=list)

    def list(self) -> tuple[SourceView, ...]:
        return (SOURCE,)

    def accept(self, key: str, release: MarketplaceVersion, principal: Principal, reason: str) -> SourceView:
        access.demand(ApiOperation.ACCEPT_RELEASE, principal)
        access.demand_reason(reason, "the journal")
        if key != SOURCE.key:
            raise NotFound(f"no image follows {key}")
        if release != SOURCE.newest:
            raise AlreadyExists(f"{key}: {release} is not the newest release that is offered")
        self.accepted.append((str(release), reason))
        accepted = AcceptedRelease(version=release, actor=principal.name, at=views.NOW, reason=reason)
        return replace(SOURCE, accepted=accepted, silence=None)


class TwinFactory:
    """What `wiring.factory.factory()` gives, of twins."""

    def __init__(self) -> None:
        self.tokens = Tokens()
        self.rates = Rates()
        self.registrar, self.bundles = Registrar(), version_twins.Bundles()
        self.requests = Requests()
        self.canceller = Canceller()
        self.poison_review = PoisonReview()
        self.platforms = self.platform_plans = Platforms()
        self.submissions = Submissions()
        self.sources = Sources()
        self.retention = Retentions()
        self.receivers = receiver_twins.Receivers()
        self.readmission, self.suspicion = version_twins.Readmission(), version_twins.Suspicion()
        self.names, self.version_lists = version_twins.ReservedNames(), version_twins.VersionQueries()
        self.retries, self.pauses = Retries(), Pauses()
        self.approvals, self.bases = grant_twins.Approvals(), grant_twins.Bases()
        self.waivers = grant_twins.Waivers()
        self.recovery = Recovery()
        self.policy = Policies()
        self.queries, self.history, self.unreadable = (
            Queries(),
            history_twins.History(),
            history_twins.Unreadable(),
        )
        self.proofs = provenance_twins.Proofs()
        self.evidence, self.version_diff = evidence_twins.Files(), evidence_twins.Versions()
        self.poller, self.sweeper, self.pruner = Receiver(), Receiver(), Receiver()
        self.archiver, self.bundle_retention = Receiver(), Receiver()
        self.reaper, self.galleries, self.admission = Receiver(), Receiver(), Receiver()
        self.reconciler, self.dispatcher, self.driver = Receiver(), Receiver(), Receiver()
        self.build_events, self.cascade, self.notifier = Receiver(), Receiver(), Receiver()
        self.gallery_events, self.poison, self.redelivery = Receiver(), Receiver(), Receiver()


def _demand(principal: Principal) -> None:
    payments = access.subject_of(ImageName("payments-api"), PAYMENTS, is_base=False)
    access.demand(ApiOperation.REQUEST_BUILD, principal, payments)


def _head(name: ImageName, bundle: Digest) -> ImageHead:
    registration = Registration(
        name=name,
        team=PAYMENTS,
        origin=ParentReference(image=ImageName("rhel9-base"), channel=LIVE),
        major=1,
        definition=Digest("cd" * 32),
        recipe=Digest("ab" * 32),
        bundle=bundle,
        gallery=GalleryName("live"),
    )
    return ImageHead(registration=registration, registered_at=views.NOW)
