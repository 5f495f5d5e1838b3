"""One full value of each row, message and log entry: every field has a value that is not its default."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from pipeline_core.domain import releases
from pipeline_core.domain.actors import Actor
from pipeline_core.domain.builds import (
    Build,
    CancelRequest,
    Failure,
    JudgedReport,
    ParentFacts,
    Phase,
    Result,
)
from pipeline_core.domain.bundle_owners import BundleRecord
from pipeline_core.domain.claims import Claim, Outcome
from pipeline_core.domain.compliance import Severity
from pipeline_core.domain.definitions import RebuildOn
from pipeline_core.domain.dispatch import PendingBuild, first_row_of
from pipeline_core.domain.errors import ErrorClass, ErrorScope, Owner, ScopeKind
from pipeline_core.domain.floors import LiveScan, Promises
from pipeline_core.domain.images import (
    ActiveBuild,
    Breaker,
    Doubt,
    DoubtKind,
    FailedWish,
    FormerImage,
    ImageHead,
    MissingRegions,
    PoisonMark,
    PublishedVersion,
    RebuildRequest,
    RetentionHold,
)
from pipeline_core.domain.journal import Entry, Event, entry_key
from pipeline_core.domain.lineage import LineageFault, LineageProblem, Move, MoveLedger
from pipeline_core.domain.names import (
    CampaignId,
    Digest,
    GalleryName,
    RebuildToken,
    Region,
    build_id,
)
from pipeline_core.domain.poison import PoisonRecord, PoisonState, poison_key
from pipeline_core.domain.policy import ComplianceFloor, PolicyVersion, WaiverRules
from pipeline_core.domain.reasons import ChangeCount, Lane, ReasonKind, RebuildReason
from pipeline_core.domain.releases import FollowedSource, SourceChange
from pipeline_core.domain.verdicts import Verdict
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.state.galleries.unproven import UnprovenVersion
from pipeline_core.state.lineage import DecidedMove
from pipeline_core.wire import messages
from pipeline_core.wire.recovery_log import ImageEntry, PlatformEntry, PolicyEntry
from tests.unit.compat import grant_samples, platform_samples
from tests.unit.domain import factories as make
from tests.unit.domain.factories import BASE, CHILD, NEW, NOW, OLD, SOURCE, TEAM

FLOOR = ComplianceFloor(
    profile="cis_server_l1",
    min_score=80,
    always_fail=frozenset({Severity.HIGH}),
    ratchet=1.5,
    waivers=WaiverRules(grantors=frozenset({"ciso@example.com"}), longest=timedelta(days=90)),
)
_INPUTS = replace(
    make.desired(CHILD, make.world(*make.settled_chain()[:2])),
    catalog=(("falcon", "7.1", "a" * 64),),
    period=1_700_000_000,
    token=RebuildToken("token-1"),
)
_VERSION = GalleryVersion(9, 20261121, 3)
_ROOT = make.build()
CHANGES = ChangeCount(security=2, human=1, security_at=NOW, fixes=(NOW - timedelta(hours=1), NOW))


_JUDGED = Verdict(
    gate="compliance",
    passed=True,
    evidence="91 of 80",
    simulated=True,
    score=91.5,
    profile="cis_server_l1",
    scanned=90.5,
    benchmark="RHEL-9 0.1.76",
    waived=("a (granted by Admin on 2026-11-21 until 2027-01-31)",),
)


def builds() -> Sequence[Build]:
    """A pending one, and one that has everything that a build may ever have."""
    full = make.build(
        Phase.FINISHED,
        id=build_id(BASE, _ROOT.fingerprint, 2),
        generation=2,
        inputs=replace(_ROOT.inputs, catalog=_INPUTS.catalog, period=_INPUTS.period, token=_INPUTS.token),
        reasons=(RebuildReason(kind=ReasonKind.SOURCE_CHANGED, old="9.6", new="9.10"),),
        lane=Lane.SECURITY,
        campaign=CampaignId("release-9.10"),
        attempt=2,
        result=Result.CANCELLED,
        failure=Failure(
            error_class=ErrorClass.COMPLIANCE,
            message='"quotes" \u00e4 \u2028 \U0001f600',
            owner=Owner.PLATFORM,
            permanent=True,
            scope=ErrorScope(kind=ScopeKind.REGION, name="westeurope"),
        ),
        build_result=make.digest("a"),
        build_attempt=2,
        verify_result=make.digest("b"),
        provenance=make.digest("c"),
        announce=True,
        notice=entry_key(NOW, "2"),
        alarm=entry_key(NOW, "3"),
        cancel=CancelRequest(actor="Me", identity="user:1111@2222", at=NOW, reason="a mistake"),
        given_up=True,
        started_at=NOW,
        verdicts=(
            _JUDGED,
            Verdict(gate="ratchet", passed=False, evidence="the parent's score is lost", held=True),
        ),
        floor=FLOOR,
        verify_attempt=3,
        planned_on=4,
        quarantine=GalleryName("quarantine2"),
        probes=("registry:region:westeurope",),
        waits_since=NOW,
        followed=CHANGES,
        left_out=("northeurope",),
        left_out_why="no capacity",
        copy_after=NOW,
        full_since=NOW,
        parent=ParentFacts(
            gallery=GalleryName("live2"),
            build=_ROOT.id,
            report=JudgedReport(attempt=2, digest=make.digest("d")),
        ),
        not_before=NOW,
        cores=4,
    )
    return (_ROOT, full)


def claims() -> Sequence[Claim]:
    """One of each outcome; the failed one has all fields."""
    plain = [make.claim_on(_ROOT.inputs, outcome) for outcome in Outcome if outcome is not Outcome.FAILED]
    full = make.claim_on(
        _INPUTS,
        Outcome.FAILED,
        generation=2,
        version=_VERSION,
        is_spare=True,
        detail="a gate refused",
        ended_at=NOW,
        gates="d" * 64,
        limits="e" * 64,
        grants=2,
        floor=FLOOR,
    )
    return (*plain, full)


def heads() -> Sequence[ImageHead]:
    """A new root, and a child that has everything that a head may ever have."""
    registration = make.registration(
        CHILD,
        BASE,
        catalog=("falcon", "other"),
        on=frozenset({RebuildOn.PARENT}),
        window="Mon-Fri 06:00-20:00 Europe/Amsterdam",
        max_age=timedelta(days=30),
        suspend=True,
        notify=frozenset({"build.failed"}),
        promises=Promises(
            profile="cis_server_l1",
            min_score=90,
            waivers=(("sec@example.com", date(2027, 1, 31)),),
            regions=(Region("westeurope"),),
            os_disk_gb=64,
            asked=3,
        ),
        gates="d" * 64,
    )
    build = _ROOT
    current = PublishedVersion(
        version=_VERSION,
        fingerprint=build.fingerprint,
        inputs=_INPUTS,
        build=build.id,
        lane=Lane.SECURITY,
        published_at=NOW,
        scan=LiveScan(profile="cis_server_l1", score=91.5, benchmark="RHEL-9 0.1.76"),
        followed=CHANGES,
        missing=MissingRegions(names=("northeurope",), tries=2, after=NOW, why="no capacity"),
        gates="d" * 64,
        report=JudgedReport(attempt=2, digest=make.digest("e")),
    )
    full = ImageHead(
        registration=registration,
        registered_at=NOW,
        current=current,
        active=ActiveBuild(build=build.id, fingerprint=build.fingerprint, phase=Phase.VERIFYING),
        last_version=_VERSION,
        period=1_700_000_000,
        request=RebuildRequest(token=RebuildToken("token-1"), actor="Me", at=NOW),
        failures=2,
        height=3,
        build_seconds=1200,
        chain_seconds=3600,
        revision=7,
        changes=CHANGES,
        announce="lost",
        doubt=Doubt(kind=DoubtKind.GONE, version=_VERSION, since=NOW, detail="the gallery does not hold it"),
        pointer_revision=5,
        retention_hold=RetentionHold(versions=2, since=NOW),
        failed_wish=FailedWish(build=build.id, at=NOW, error_class="smoke", why="the port is closed"),
        taken_out=(_VERSION,),
        grants=2,
        breaker=Breaker(opened_at=NOW, content=build.fingerprint),
        poison=(PoisonMark(key="0001-aa", queue=messages.BUILD_STEPS, at=NOW, build=build.id),),
    )
    return (make.head(), full)


def entries() -> Sequence[Entry]:
    """One line of each event; the first has all fields."""
    first, *others = Event
    full = Entry(
        key=entry_key(NOW, "0"),
        image=BASE,
        at=NOW,
        event=first,
        actor="Me",
        identity="user:1111@2222",
        build=_ROOT.id,
        version="9.20261121.1",
        reasons=("a: b -> c", "d"),
        detail="details",
        campaign="release-9.10",
    )
    plain = [
        Entry(key=entry_key(NOW, f"{number:02}-e"), image=BASE, at=NOW, event=event, actor="factory")
        for number, event in enumerate(others)
    ]
    return (full, *plain)


def requests() -> Sequence[RebuildRequest]:
    """The one kind."""
    return (RebuildRequest(token=RebuildToken("token-1"), actor="Me", at=NOW),)


def bundles() -> Sequence[BundleRecord]:
    """One in use, and one that is being removed."""
    used = BundleRecord(digest=Digest("b" * 64), owners=(TEAM,), touched_at=NOW)
    return (used, replace(used, digest=Digest("c" * 64), doomed="0x1"))


def formers() -> Sequence[FormerImage]:
    """The one kind."""
    full = FormerImage(
        name=CHILD,
        revision=8,
        last_version=_VERSION,
        team=TEAM,
        is_base=True,
        gallery=GalleryName("live"),
        definition=Digest("d" * 64),
        deleted_at=NOW,
        unseen_since=NOW,
        is_free=True,
    )
    return (full,)


def pendings() -> Sequence[PendingBuild]:
    """One of each line."""
    build = replace(_ROOT, lane=Lane.SECURITY, cores=4)
    line = first_row_of(build, f"0-999999-20261121T120000-{_ROOT.id}")
    late = replace(line, key=f"late-20261121T120000-{_ROOT.id}")
    return (line, late, line.parked())


def sources() -> Sequence[FollowedSource]:
    """A new one, and one that has everything."""
    withdrawn = releases.withdraw(
        FollowedSource(source=SOURCE, newest=NEW, looked_at=NOW, examined_at=NOW),
        NEW,
        releases.WithdrawalReason.ABSENT,
        frozenset({OLD, NEW}),
        NOW,
    )
    looks = releases.Looks(count=2, since=NOW)
    full = replace(
        releases.accept(withdrawn, OLD, Actor(name="Admin", identity="user:1111@2222"), "why", NOW),
        withdrawn=tuple(replace(each, listed=looks) for each in withdrawn.withdrawn),
        announce=True,
        missed=looks,
        silence=releases.Silence(looks=looks, why="nothing"),
        examined_at=NOW,
        ends_at=NOW,
        news=SourceChange(
            event=Event.RELEASE_ACCEPTED, at=NOW, actor="Admin", identity="user:1111@2222", detail="details"
        ),
    )
    return (FollowedSource(source=replace(SOURCE, sku="9-gen1")), full)


def policies() -> Sequence[PolicyVersion]:
    """The one kind."""
    return (
        PolicyVersion(revision=3, digest=make.digest("e"), actor="Admin", identity="user:1111@2222", at=NOW),
    )


def unproven() -> Sequence[UnprovenVersion]:
    """The one kind."""
    return (UnprovenVersion(image=BASE, version=_VERSION, entry=entry_key(NOW, "4"), told=True),)


def poison() -> Sequence[PoisonRecord]:
    """One that is open, and one that has everything."""
    text = messages.RebuildMessage(image=str(BASE)).to_wire()
    opened = PoisonRecord(
        key=poison_key(NOW, "a" * 16),
        queue=messages.REBUILD_REQUESTS,
        text=text,
        at=NOW,
        size=len(text),
        is_whole=True,
    )
    closed = replace(
        opened,
        key=poison_key(NOW, "b" * 16),
        is_whole=False,
        image=BASE,
        build=_ROOT.id,
        error="the text is not a RebuildMessage",
        state=PoisonState.DISMISSED,
        closed_by="Admin",
        closed_identity="user:1111@2222",
        closed_at=NOW,
        announce=False,
    )
    return (opened, closed)


def ledgers() -> Sequence[MoveLedger]:
    """One that has a move under way."""
    source = SOURCE
    move = Move(image=BASE, number=7, before=source, after=None, begun_at=NOW)
    return (MoveLedger(number=7, count=3, moves=(move,)),)


def faults() -> Sequence[LineageFault]:
    """The one kind."""
    problem = LineageProblem(image=CHILD, reason="cycle", message="is its own ancestor")
    return (LineageFault(problem=problem, since=NOW),)


def decided() -> Sequence[DecidedMove]:
    """The one kind."""
    return (DecidedMove(number=7, is_done=True, at=NOW),)


def log_entries() -> Sequence[ImageEntry | PlatformEntry | PolicyEntry]:
    """Each kind of entry of the recovery log, with every field."""
    new, full = heads()
    return (
        ImageEntry.of_head(new),
        ImageEntry.of_head(full),
        ImageEntry.of_former(formers()[0]),
        PlatformEntry.of(platform_samples.platforms()[0], 4),
        PolicyEntry.of(policies()[0]),
    )


def everything() -> Iterator[Any]:
    """Every stored value."""
    for make_all in (builds, claims, heads, entries, requests, formers, pendings):
        yield from make_all()
    for make_more in (sources, policies, unproven, poison, ledgers, faults, decided, bundles):
        yield from make_more()
    yield from platform_samples.platforms()
    yield from grant_samples.approvals()
    yield from grant_samples.waivers()
