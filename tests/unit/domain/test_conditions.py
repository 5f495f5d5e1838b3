"""Conditions: a truth table of what is shown, from when, why, and what clears it."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from pipeline_core.domain import breaker, builds, conditions, registered_conditions
from pipeline_core.domain.builds import Build, CancelRequest, Failure, Phase, Result
from pipeline_core.domain.capacity import LimitWait
from pipeline_core.domain.claims import Claim, Outcome
from pipeline_core.domain.conditions import ConditionType
from pipeline_core.domain.definitions import ALWAYS_ON, RebuildOn
from pipeline_core.domain.errors import ErrorClass, ErrorScope, ScopeKind
from pipeline_core.domain.images import Breaker, ImageHead, MissingRegions, PoisonMark, RetentionHold
from pipeline_core.domain.lineage import LineageFault, LineageProblem
from pipeline_core.domain.names import ChannelName, build_id
from pipeline_core.domain.platform_breaker import BuildPlace, PlatformBreaker
from pipeline_core.domain.sources import ParentReference
from pipeline_core.domain.staleness import Current, Stale, Staleness, Unknown, detect_staleness
from tests.unit.domain import factories as make
from tests.unit.domain.factories import BASE, NEW, NOW

HOUR = timedelta(hours=1)
STALE_HEAD = make.settled_chain()[0]  # published a day before NOW
WORLD = make.world(STALE_HEAD, newest=NEW)
_DETECTED = detect_staleness(BASE, WORLD)
assert isinstance(_DETECTED, Stale)
STALE: Stale = _DETECTED
CONTENT = breaker.content_of(STALE.desired)
BUILD = make.build(Phase.BUILDING, phase_since=NOW)
OTHER = build_id(BASE, BUILD.fingerprint, 2)


def _mark(at: datetime = NOW, key: str = "k1", *, of_build: bool = False) -> PoisonMark:
    return PoisonMark(key=key, queue="build-steps", at=at, build=BUILD.id if of_build else None)


STOP = CancelRequest(actor="Ada", at=NOW, reason="wrong branch")
FAILURE = Failure(error_class=ErrorClass.SMOKE, message="no port answers")


@pytest.mark.parametrize(
    ("build", "reason", "message"),
    [
        (replace(BUILD, cancel=STOP), "Cancelled", "Ada cancelled it: wrong branch"),
        (replace(BUILD, cancel=replace(STOP, reason="")), "Cancelled", "no reason was given"),
        (replace(BUILD, given_up=True, failure=FAILURE), "Failed", "no port answers"),
        (replace(BUILD, given_up=True), "Failed", ""),
    ],
)
def test_a_build_that_stops_says_why(build: Build, reason: str, message: str) -> None:
    (shown,) = conditions.of_build(build, None)
    assert (shown.type, shown.reason) == (ConditionType.STOPPING, reason)
    assert message in shown.message


def test_a_build_that_goes_on_or_has_ended_does_not_stop() -> None:
    ended = builds.finish(replace(BUILD, cancel=STOP), Result.CANCELLED, NOW)
    assert conditions.of_build(BUILD, None) == conditions.of_build(ended, None) == ()


def _types(head: ImageHead, staleness: Staleness, claim: Claim | None = None) -> list[ConditionType]:
    return [each.type for each in conditions.of_image(head, staleness, claim)]


@pytest.mark.parametrize(
    ("head", "staleness", "shown"),
    [
        (STALE_HEAD, STALE, False),
        (replace(STALE_HEAD, poison=(_mark(),)), STALE, True),
        (replace(STALE_HEAD, poison=(_mark(),)), Unknown(missing="x"), True),
        (replace(STALE_HEAD, poison=(_mark(),)), Current(), False),
        (replace(STALE_HEAD, poison=(_mark(NOW - 2 * 24 * HOUR),)), STALE, False),
        (replace(STALE_HEAD, poison=(_mark(NOW - 2 * 24 * HOUR), _mark())), STALE, True),
        (replace(make.head(), poison=(_mark(),)), STALE, True),
    ],
    ids=[
        "nothing poisoned",
        "poisoned and stale",
        "poisoned and unknown",
        "current again",
        "published since",
        "one before and one after the last version",
        "never published",
    ],
)
def test_an_image_is_stalled_while_poison_is_open_and_it_has_not_become_current(
    head: ImageHead, staleness: Staleness, shown: bool
) -> None:
    assert _types(head, staleness) == ([ConditionType.STALLED] if shown else [])


def test_stalled_says_since_when_and_names_the_newest_record() -> None:
    marks = (_mark(NOW, "newest"), _mark(NOW - HOUR, "older"))
    (one,) = conditions.of_image(replace(STALE_HEAD, poison=marks), STALE)
    assert (one.since, one.reason) == (NOW - HOUR, "MessagePoisoned")
    assert "a message of build-steps could not be handled" in one.message
    assert "newest (and 1 more)" in one.message
    (single,) = conditions.of_image(replace(STALE_HEAD, poison=marks[:1]), STALE)
    assert "more" not in single.message


@pytest.mark.parametrize(
    ("build", "mark", "shown"),
    [
        (BUILD, _mark(NOW + HOUR, of_build=True), True),
        (replace(BUILD, phase_since=NOW + 2 * HOUR), _mark(NOW + HOUR, of_build=True), False),
        (BUILD, _mark(NOW + HOUR), False),
        (replace(BUILD, id=OTHER), _mark(NOW + HOUR, of_build=True), False),
        (
            replace(BUILD, phase=Phase.FINISHED, result=Result.FAILED),
            _mark(NOW + HOUR, of_build=True),
            False,
        ),
    ],
    ids=["poisoned", "moved since", "only its image", "another build", "finished"],
)
def test_a_build_is_stalled_until_its_next_transition(build: object, mark: PoisonMark, shown: bool) -> None:
    held = conditions.of_build(build, replace(STALE_HEAD, poison=(mark,)))  # type: ignore[arg-type]
    assert [each.type for each in held] == ([ConditionType.STALLED] if shown else [])


def test_a_build_without_a_registered_image_has_no_condition() -> None:
    assert conditions.of_build(BUILD, None) == ()


def test_an_open_breaker_is_shown_while_the_input_is_the_same() -> None:
    opened = replace(STALE_HEAD, failures=3, breaker=Breaker(opened_at=NOW - HOUR, content=CONTENT))
    (one,) = conditions.of_image(opened, STALE)
    assert (one.type, one.since, one.reason) == (ConditionType.BREAKER_OPEN, NOW - HOUR, "FailuresInARow")
    assert "3 builds failed in a row" in one.message
    changed = replace(STALE.desired, recipe=make.digest("8"))
    assert _types(opened, replace(STALE, desired=changed)) == []
    assert _types(opened, Current()) == []


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Outcome.FAILED, "InputFailed"),
        (Outcome.CANCELLED, "InputCancelled"),
        (Outcome.WITHHELD, "InputRevoked"),
        (Outcome.IN_FLIGHT, None),
        (Outcome.SUCCEEDED, None),
        (Outcome.EXHAUSTED, None),
        (Outcome.SUPERSEDED, None),
        (Outcome.PRUNED, None),
    ],
)
def test_an_input_that_only_a_person_can_free_is_blocked(outcome: Outcome, reason: str | None) -> None:
    claim = make.claim_on(STALE.desired, outcome, ended_at=NOW, detail="goss: 1 of 3 failed")
    found = conditions.of_image(STALE_HEAD, STALE, claim)
    assert [each.reason for each in found] == ([] if reason is None else [reason])
    if found:
        assert (found[0].type, found[0].since) == (ConditionType.BLOCKED, NOW)
        assert "goss: 1 of 3 failed" in found[0].message


def test_several_conditions_are_all_shown() -> None:
    head = replace(
        STALE_HEAD,
        failures=3,
        breaker=Breaker(opened_at=NOW, content=CONTENT),
        poison=(_mark(),),
    )
    claim = make.claim_on(STALE.desired, Outcome.FAILED, ended_at=NOW)
    assert _types(head, STALE, claim) == [
        ConditionType.STALLED,
        ConditionType.BREAKER_OPEN,
        ConditionType.BLOCKED,
    ]


@pytest.mark.parametrize(("versions", "words"), [(1, "1 live version beyond"), (7, "7 live versions beyond")])
def test_what_only_unknown_use_keeps_is_said_with_what_to_change(versions: int, words: str) -> None:
    head = replace(make.head(), retention_hold=RetentionHold(versions=versions, since=NOW))
    (found,) = conditions.of_image(head, Current())
    assert (found.type, found.reason, found.since) == (ConditionType.VERSIONS_KEPT, "UseUnknown", NOW)
    assert words in found.message
    assert "spec.retention.keepInUse: false" in found.message


def test_an_image_in_its_place_with_its_tools_has_no_condition_of_its_registration() -> None:
    assert registered_conditions.of_registration(STALE_HEAD, WORLD) == ()
    with_tool = replace(STALE_HEAD, registration=replace(STALE_HEAD.registration, catalog=("falcon",)))
    assert registered_conditions.of_registration(with_tool, WORLD) == ()
    assert registered_conditions.of_registration(with_tool, replace(WORLD, platform=None)) == ()


def test_a_lineage_that_is_broken_says_why_and_since_when() -> None:
    problem = LineageProblem(image=BASE, reason="cycle", message="descends from itself: a -> b -> a")
    around = replace(WORLD, broken={BASE: LineageFault(problem=problem, since=NOW)})
    (shown,) = registered_conditions.of_registration(STALE_HEAD, around)
    assert (shown.type, shown.reason, shown.since) == (ConditionType.LINEAGE_BROKEN, "Cycle", NOW)
    assert shown.message.startswith("it descends from itself: a -> b -> a")
    assert detect_staleness(BASE, around) == Unknown(missing=f"it {problem.message}")


@pytest.mark.parametrize("dropped", [{"agent": NOW}, {}])
def test_a_tool_that_left_the_catalog_says_since_when_where_that_is_known(
    dropped: dict[str, datetime],
) -> None:
    names_it = replace(STALE_HEAD, registration=replace(STALE_HEAD.registration, catalog=("falcon", "agent")))
    around = replace(WORLD, platform=replace(make.PLATFORM, dropped=dropped))
    (shown,) = registered_conditions.of_registration(names_it, around)
    assert (shown.type, shown.since) == (ConditionType.TOOL_DROPPED, dropped.get("agent"))
    assert "no longer has agent:" in shown.message


def test_a_channel_that_does_not_exist_says_what_the_image_follows() -> None:
    child = make.settled_chain()[1]
    origin = ParentReference(image=BASE, channel=ChannelName("canary"))
    named = replace(child, registration=replace(child.registration, origin=origin))
    (shown,) = registered_conditions.of_registration(named, WORLD)
    assert (shown.type, shown.reason) == (ConditionType.CHANNEL_NOT_FOLLOWED, "NoSuchChannel")
    assert registered_conditions.of_registration(child, WORLD) == ()


def test_a_copy_that_fails_is_shown_with_its_next_try() -> None:
    failure = Failure(error_class=ErrorClass.CAPACITY, message="northeurope: no room")
    publishing = replace(BUILD, phase=Phase.PUBLISHING, failure=failure, copy_after=NOW + HOUR)
    (shown,) = conditions.of_build(publishing, None)
    assert (shown.type, shown.since) == (ConditionType.COPY_FAILS, BUILD.phase_since)
    assert shown.message.startswith(
        "northeurope: no room; nothing is built again, the copy is tried from 2026-"
    )
    for other in ({"phase": Phase.VERIFYING}, {"copy_after": None}, {"failure": None}):
        assert conditions.of_build(replace(publishing, **other), None) == ()


@pytest.mark.parametrize(("why", "said"), [("no room", "no room"), ("", "replication failed")])
def test_a_live_version_that_is_not_in_every_region_says_so(why: str, said: str) -> None:
    missing = MissingRegions(names=("northeurope", "eastus"), tries=1, after=NOW, why=why)
    assert STALE_HEAD.current is not None
    head = replace(STALE_HEAD, current=replace(STALE_HEAD.current, missing=missing))
    (shown,) = conditions.of_image(head, Current())
    assert shown.type is ConditionType.REGIONS_MISSING
    assert f"is not in northeurope, eastus: {said}; the factory tries it again from" in shown.message


def test_unreadable_names_the_first_rows_and_counts_the_others() -> None:
    assert conditions.unreadable([], NOW) is None
    few = conditions.unreadable(["images/app/head"], NOW)
    assert few is not None
    assert (few.type, few.since, few.reason) == (ConditionType.UNREADABLE, NOW, "RowUnreadable")
    assert "the rows images/app/head: run the newer release again" in few.message
    many = conditions.unreadable([f"images/app/build:{number}" for number in range(8)], None)
    assert many is not None
    assert "images/app/build:4 and 3 more: run" in many.message


@pytest.mark.parametrize(
    ("on", "word"), [(ALWAYS_ON, "imagefactory rebuild rhel9-base"), (frozenset(RebuildOn), "follows")]
)
def test_a_version_that_was_judged_by_former_demands_says_when_the_new_ones_take_effect(
    on: frozenset[RebuildOn], word: str
) -> None:
    assert STALE_HEAD.current is not None
    head = replace(
        STALE_HEAD,
        registration=replace(STALE_HEAD.registration, gates="new", on=on),
        current=replace(STALE_HEAD.current, gates="old"),
    )
    (shown,) = conditions.of_image(head, Current())
    assert (shown.type, shown.reason) == (ConditionType.VERIFY_CHANGED, "JudgedBefore")
    assert word in shown.message
    same = replace(head, registration=replace(head.registration, gates="old"))
    assert conditions.of_image(same, Current()) == ()


def test_an_open_platform_breaker_is_shown_on_what_it_covers() -> None:
    scope = ErrorScope(kind=ScopeKind.SIZE, name="small")
    opened = PlatformBreaker(
        error_class=ErrorClass.AZURE_POLICY, scope=scope, opened_at=NOW, is_wide=True, message="denied"
    )
    place = BuildPlace(image=BASE, team=make.TEAM, root=BASE, source="s", size="small")
    (shown,) = conditions.of_platform([opened], place)
    assert (shown.type, shown.since, shown.reason) == (ConditionType.PLATFORM_FAULT, NOW, "AzurePolicy")
    assert "azure-policy in size:small" in shown.message
    assert conditions.of_platform([opened], replace(place, size="large")) == ()


@pytest.mark.parametrize(("failure", "words"), [(None, "no reason was given"), ("no room", "no room")])
def test_a_proven_version_without_room_names_the_cause_and_who_acts(failure: str | None, words: str) -> None:
    met = None if failure is None else Failure(error_class=ErrorClass.QUOTA, message=failure)
    waiting = replace(BUILD, phase=Phase.PUBLISHING, failure=met, full_since=NOW)
    (shown,) = conditions.of_build(waiting, None)
    assert (shown.type, shown.reason, shown.since) == (ConditionType.GALLERY_FULL, "SubscriptionLimit", NOW)
    assert shown.message.startswith(f"{words}; the version is proven")
    assert conditions.of_build(replace(waiting, full_since=None), None) == ()
    (shown,) = conditions.of_build(replace(waiting, phase=Phase.BUILDING), None)
    assert (shown.type, shown.reason, shown.since) == (ConditionType.GALLERY_FULL, "QuarantineLimit", NOW)
    assert shown.message.startswith(f"{words}; the quarantine has no room for the version")


def test_a_policy_that_cannot_be_read_is_shown_with_its_cause_and_what_secops_does() -> None:
    shown = conditions.policy_unreadable("this release cannot read policy 7, and waits: spec.x")
    assert (shown.type, shown.reason) == (ConditionType.UNREADABLE, "PolicyUnreadable")
    assert shown.message.startswith("this release cannot read policy 7, and waits: spec.x; no gate is passed")
    assert "SecOps runs the release that wrote the policy" in shown.message


def test_a_receiver_whose_feed_cannot_be_read_is_named() -> None:
    found = conditions.receiver_unreadable("payments--0123456789abcdef", "the row of a feed has schema 9")
    assert (found.type, found.reason) == (ConditionType.UNREADABLE, "ReceiverUnreadable")
    assert "schema 9; payments--0123456789abcdef gets no notifications" in found.message


def test_a_build_that_waits_for_a_limit_of_its_team_says_which_since_it_waits() -> None:
    build = make.build()
    wait = LimitWait(reason="Cores", message="the builds of the team use all cores")
    (found,) = conditions.waits_for_limit(build, wait)
    assert (found.type, found.since) == (ConditionType.TEAM_LIMIT, build.queued_at)
    assert (found.reason, found.message) == (wait.reason, wait.message)


def test_a_build_that_waits_for_no_limit_has_no_condition_of_one() -> None:
    assert conditions.waits_for_limit(make.build(), None) == ()
