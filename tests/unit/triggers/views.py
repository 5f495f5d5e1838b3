"""Views as the services make them, for tests of what shows them."""

from dataclasses import replace
from datetime import UTC, datetime

from pipeline_core.domain.conditions import Condition, ConditionType
from pipeline_core.domain.journal import Entry, Event
from pipeline_core.domain.names import BuildId, Digest, ImageName
from pipeline_core.domain.poison import PoisonRecord, PoisonState
from pipeline_core.domain.policy import PolicyVersion
from pipeline_core.domain.verdicts import Verdict
from pipeline_core.services.views.views import (
    BuildHistory,
    BuildView,
    ImageDetail,
    ImagePage,
    ImageView,
    LineageView,
)
from pipeline_core.state.history import JournalPage
from pipeline_core.state.reading.unreadable import UnreadablePage, UnreadableRecord

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
BUILD_ID = "payments-api.3fa9c1d20b77.1"


def policy_version(revision: int) -> PolicyVersion:
    """A version of the policy that Sam put in force."""
    return PolicyVersion(
        revision=revision, digest=Digest("ab" * 32), actor="Sam", identity="user:5a@te", at=NOW
    )


STALLED = Condition(
    type=ConditionType.STALLED,
    since=NOW,
    reason="MessagePoisoned",
    message="a message of build-steps could not be handled",
)
POISON = PoisonRecord(
    key="08204748400000000-00000000000000ff",
    queue="build-steps",
    text='{"schema":1}',
    at=NOW,
    size=12,
    is_whole=True,
    image=ImageName("payments-api"),
    build=BuildId(BUILD_ID),
)
STRAY = PoisonRecord(
    key="08204748400000001-00000000000000ff",
    queue="rebuild-requests",
    text="garb",
    at=NOW,
    size=48_000,
    is_whole=False,
    error="the text is not a RebuildMessage: message: Invalid JSON",
    state=PoisonState.DISMISSED,
    closed_by="Admin",
    closed_at=NOW,
)

BASE = ImageView(
    name="rhel9-base",
    team="secops",
    parent=None,
    source="redhat:rhel:9-lvm-gen2:westeurope",
    version="9.20261121.1",
    origin_version="RedHat:RHEL:9-lvm-gen2:9.6.2025112113",
    fingerprint="ab" * 32,
    published_at=NOW,
    active_build=None,
    active_phase=None,
    state="current",
)
PAYMENTS = ImageView(
    name="payments-api",
    team="payments",
    parent="rhel9-base",
    source=None,
    version=None,
    origin_version=None,
    fingerprint=None,
    published_at=None,
    active_build=BUILD_ID,
    active_phase="building",
    state="stale",
    reasons=("never-built",),
    detail="a build is on its way",
)
BUILD = BuildView(
    id=BUILD_ID,
    image="payments-api",
    phase="building",
    result=None,
    seq=1,
    attempt=1,
    lane="human",
    version="1.20261121.1",
    origin_version="rhel9-base@9.20261121.1",
    fingerprint="3fa9c1d20b77" + "0" * 52,
    campaign="definition-payments-api-000000000000",
    reasons=("never-built",),
    created_at=NOW,
    phase_since=NOW,
    provenance=None,
)
FINISHED = replace(BUILD, phase="finished", result="succeeded", version="1.20261120.1", seq=4)
GATES = (
    Verdict(gate="boot", passed=True, evidence="", simulated=True),
    Verdict(gate="compliance", passed=False, score=41.5, evidence="scored 41.5 of <90>", simulated=True),
)
FAILED = replace(
    BUILD,
    id="payments-api.000000000000.1",
    phase="finished",
    result="failed",
    gates=GATES,
    failure_class="provisioner",
    failure_owner="team",
    failure="scripts/install.sh ended with 1",
)
ENTRY = Entry(
    key="20261121T093000000000-00000000000000ff",
    image=ImageName("payments-api"),
    at=NOW,
    event=Event.QUEUED,
    actor="factory",
    build=BuildId(BUILD_ID),
    reasons=("never-built",),
)
ETAG = "W/\"datetime'2026-11-21T09%3A30%3A00Z'\""
DETAIL = ImageDetail(
    image=PAYMENTS,
    etag=ETAG,
    definition="cd" * 32,
    bundle="ef" * 32,
    builds=(BUILD, FINISHED, FAILED),
    journal=(ENTRY,),
    next_builds="dfd9eedeTf6cfffffffff-p5ym1nts-5pi.fedcba987654.e",
)
UNREADABLE = UnreadableRecord(
    table="images",
    partition="payments-api",
    key=f"build:{BUILD_ID}",
    schema="2",
    why="row payments-api/build has schema 2 of Build, and this release reads up to 1",
    first_seen=NOW,
)
BUILDS = BuildHistory(builds=(BUILD, FINISHED), next="dfd9eedeTf6cfffffffff-p5ym1nts-5pi.fedcba987654.e")
JOURNAL = JournalPage(entries=(ENTRY,), after="20261121T093000000000-00000000000000ff")
ROWS = UnreadablePage(records=(UNREADABLE,), after="images:payments-api:build:x:0123456789abcdef")
PAGE = ImagePage(images=(PAYMENTS, BASE), next=None, total=2)
LINEAGE = LineageView(
    levels=(("rhel9-base",), ("payments-api",)), parents={"payments-api": "rhel9-base", "rhel9-base": None}
)
