"""Manual requests: a key is one request for ever, a foreign team is refused, and a person closes the breaker."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from pipeline_core.domain.builds import Phase, Result
from pipeline_core.domain.claims import Outcome
from pipeline_core.domain.errors import ErrorClass, NotFound, PermanentError, StaleWrite, TransientError
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import CampaignId, ImageName
from pipeline_core.domain.reasons import Lane, ReasonKind
from pipeline_core.ports import Row, TableWrite
from pipeline_core.state import images as records
from simulation.world import SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import ADMIN, BASE, JAVA

ONE = {"rhel9-base": None}
APP = ImageName("app")


def _ask(made: SimulatedWorld, key: str | None, image: ImageName = BASE) -> str:
    answer = made.factory.requests.request(image, ADMIN, "because", key)
    return str(answer.build or answer.why)


def _team_world() -> SimulatedWorld:
    made = scenes.settled(ONE)
    scenes.register_for(made, "app", "rhel9-base", "payments")
    made.drain()
    return made


def test_the_same_key_twice_is_one_build() -> None:
    made = scenes.settled(ONE)
    first = _ask(made, "k1")
    assert _ask(made, "k1") == first
    made.drain()
    assert _ask(made, "k1") == first
    made.drain()
    assert len(scenes.builds(made, BASE)) == 2
    assert scenes.events(made, BASE).count(Event.REQUESTED) == 1


def test_another_key_is_another_build() -> None:
    made = scenes.settled(ONE)
    first = _ask(made, "k1")
    made.drain()
    second = _ask(made, "k2")
    made.drain()
    assert first != second
    assert len(scenes.builds(made, BASE)) == 3


def test_without_a_key_every_request_is_one_of_its_own() -> None:
    made = scenes.settled(ONE)
    first = _ask(made, None)
    made.drain()
    assert _ask(made, None) != first


def test_an_old_key_does_not_set_a_newer_request_back() -> None:
    made = scenes.settled(ONE)
    _ask(made, "k1")
    made.drain()
    newest = _ask(made, "k2")
    made.drain()
    _ask(made, "k1")
    made.drain()
    current = scenes.head(made, BASE).current
    assert current is not None
    assert str(current.build) == newest
    assert len(scenes.builds(made, BASE)) == 3


def test_the_same_key_of_two_callers_is_two_requests() -> None:
    made = _team_world()
    by_admin = made.factory.requests.request(APP, ADMIN, "", "k1")
    made.drain()
    by_member = made.factory.requests.request(APP, scenes.principal("payments"), "", "k1")
    assert by_admin.token != by_member.token
    assert by_admin.build != by_member.build


def test_a_request_says_its_build_its_reason_and_goes_in_the_human_lane() -> None:
    made = scenes.settled(ONE)
    answer = made.factory.requests.request(BASE, ADMIN, "because", "k1")
    assert answer.why == "started"
    assert answer.build is not None
    build = scenes.stored(made, answer.build).value
    assert [reason.kind for reason in build.reasons] == [ReasonKind.REBUILD_REQUESTED]
    assert build.lane is Lane.HUMAN
    assert build.inputs.token == answer.token
    entry = scenes.images(made).list_journal(BASE, limit=100)
    asked = [line for line in entry if line.event is Event.REQUESTED]
    assert [(line.actor, line.detail, line.campaign) for line in asked] == [
        ("Admin", "because", str(build.campaign))
    ]


def test_a_request_of_a_foreign_team_is_refused_and_leaves_nothing() -> None:
    made = _team_world()
    before = scenes.head(made, APP)
    for caller in (scenes.principal("ml"), scenes.principal(), scenes.principal(roles=["Factory.Reader"])):
        with pytest.raises(PermanentError) as refused:
            made.factory.requests.request(APP, caller, "", "k1")
        assert refused.value.error_class is ErrorClass.PERMISSION
    assert scenes.head(made, APP) == before
    assert scenes.texts(made, "rebuild-requests") == []


def test_a_member_may_rebuild_the_images_of_the_team_and_not_those_of_secops() -> None:
    made = _team_world()
    member = scenes.principal("payments")
    assert made.factory.requests.request(APP, member, "", "k").why == "started"
    with pytest.raises(PermanentError, match="base image: only SecOps"):
        made.factory.requests.request(BASE, member, "", "k")


def test_a_request_for_an_unknown_image_is_not_found() -> None:
    with pytest.raises(NotFound, match="rhel9-base"):
        _ask(scenes.registered({}), "k")


def test_a_request_is_kept_where_the_process_ends_before_it_has_reconciled() -> None:
    made = scenes.settled(ONE)

    def before(table: str, writes: Sequence[TableWrite]) -> None:
        if any(write.row.key.startswith("build:") for write in writes):
            raise TransientError(ErrorClass.NETWORK, "the process ends here")

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=before))
    with pytest.raises(TransientError):
        _ask(made, "k1")
    scenes.rewired(made)
    made.drain()
    assert len(scenes.builds(made, BASE)) == 2
    assert scenes.rest_of(made, BASE) == "current"


def test_a_request_on_a_head_that_moves_is_recorded_on_what_is_there_then() -> None:
    made = scenes.settled(ONE)
    race = scenes.once(lambda: scenes.touch(made, BASE))

    def before(table: str, writes: Sequence[TableWrite]) -> None:
        if any(write.row.key.startswith("request:") for write in writes):
            race()

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=before))
    assert _ask(made, "k1").startswith("rhel9-base.")


def test_a_request_on_a_head_that_never_holds_still_is_to_be_asked_again() -> None:
    made = scenes.settled(ONE)

    def before(table: str, writes: Sequence[TableWrite]) -> None:
        if any(write.row.key.startswith("request:") for write in writes):
            raise StaleWrite("moved")

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=before))
    with pytest.raises(TransientError, match="ask again"):
        _ask(made, "k1")
    assert scenes.head(made, BASE).request is None


def test_a_request_while_a_build_runs_is_followed_after_its_end() -> None:
    made = scenes.registered(ONE)
    running = scenes.in_phase(made, BASE, Phase.BUILDING)
    answer = made.factory.requests.request(BASE, ADMIN, "", "k1")
    assert answer.why == "waits-for-running"
    made.drain()
    assert len(scenes.builds(made, BASE)) == 2
    current = scenes.head(made, BASE).current
    assert current is not None
    assert current.inputs.token == answer.token
    assert current.build != running.id


def test_three_failures_open_the_breaker_and_a_request_closes_it() -> None:
    made = scenes.settled(ONE)
    made.platform.failing = {("rhel9-base", "build"): "provisioner"}
    for release in ("9.8.2026062323", "9.9.2026072323", "9.10.2026082323"):
        scenes.released(made, release)
        made.drain()
    assert scenes.head(made, BASE).failures == 3
    assert scenes.head(made, BASE).breaker is not None
    count = len(scenes.builds(made, BASE))
    made.platform.failing = {}
    _ask(made, "looked")
    made.drain()
    assert scenes.head(made, BASE).failures == 0
    assert len(scenes.builds(made, BASE)) == count + 1
    assert scenes.rest_of(made, BASE) == "current"


def test_a_request_whose_build_fails_too_leaves_the_breaker_closed_for_the_next_release() -> None:
    made = scenes.settled(ONE)
    made.platform.failing = {("rhel9-base", "build"): "provisioner"}
    for release in ("9.8.2026062323", "9.9.2026072323", "9.10.2026082323"):
        scenes.released(made, release)
        made.drain()
    _ask(made, "looked")
    made.drain()
    assert scenes.head(made, BASE).failures == 1
    made.platform.failing = {}
    scenes.released(made, "9.11.2026092323")
    made.drain()
    assert scenes.rest_of(made, BASE) == "current"


def test_an_edited_definition_closes_the_breaker_too() -> None:
    made = scenes.settled(ONE)
    made.platform.failing = {("rhel9-base", "build"): "provisioner"}
    for edit in ("one", "two", "three", "four"):
        made.register("rhel9-base", None, text=edit)
        made.drain()
    assert len(scenes.builds(made, BASE)) == 5
    assert scenes.head(made, BASE).failures == 1


def test_a_blocked_input_is_built_again_by_a_request() -> None:
    made = scenes.registered(ONE, failing={("rhel9-base", "build"): "provisioner"})
    made.drain()
    (failed,) = scenes.builds(made, BASE)
    assert scenes.rest_of(made, BASE) == "blocked"
    made.platform.failing = {}
    assert _ask(made, None) != str(failed.id)
    made.drain()
    assert [build.result for build in scenes.builds(made, BASE)] == [Result.FAILED, Result.SUCCEEDED]
    assert scenes.claim(made, failed).outcome is Outcome.FAILED


def _ignore(_decision: object) -> None:
    """What the other process decided is not of interest."""


class _CountedHeads(scenes.WatchedTables):
    """Tables that count the reads of each image's head."""

    def __init__(self, made: SimulatedWorld) -> None:
        super().__init__(inner=made.ports.tables, before=lambda _table, _writes: None)
        self.reads: dict[str, int] = {}

    def find(self, table: str, partition: str, key: str) -> Row | None:
        if (table, key) == (records.TABLE, "head"):
            self.reads[partition] = self.reads.get(partition, 0) + 1
        return super().find(table, partition, key)


@contextmanager
def _counted(made: SimulatedWorld) -> Iterator[dict[str, int]]:
    """The reads of heads, by image, while the factory of this world works."""
    tables = _CountedHeads(made)
    scenes.rewired(made, tables=tables)
    yield tables.reads
    scenes.rewired(made)


def test_a_request_that_starts_a_build_reads_the_head_once() -> None:
    made = scenes.settled(ONE)
    with _counted(made) as reads:
        answer = made.factory.requests.request(BASE, ADMIN, "because", "k1")
    assert answer.build == scenes.builds(made, BASE)[-1].id
    assert reads == {"rhel9-base": 1}


def test_a_request_that_starts_nothing_reads_the_head_once_more_for_the_answer() -> None:
    made = scenes.settled({"rhel9-base": None, "rhel9-java": "rhel9-base"})
    scenes.released(made)
    with _counted(made) as reads:
        answer = made.factory.requests.request(JAVA, ADMIN, "because", "k1")
        assert answer.why == "waits-for-ancestor"
        assert reads == {"rhel9-java": 2, "rhel9-base": 1}
        again = made.factory.requests.request(JAVA, ADMIN, "because", "k1")
    assert again == answer
    assert reads == {"rhel9-java": 4, "rhel9-base": 2}


def test_a_request_is_in_the_fleets_copy_before_anything_is_delivered() -> None:
    made = scenes.settled({"rhel9-base": None, "rhel9-java": "rhel9-base"})
    scenes.released(made)
    made.factory.requests.request(JAVA, ADMIN, "because", "k1")
    (copy,) = [head for head in scenes.index(made).fleet().heads if head.name == JAVA]
    assert copy.request is not None
    assert copy == scenes.head(made, JAVA)


def test_a_repeated_request_writes_the_copy_that_a_dead_process_did_not() -> None:
    made = scenes.settled({"rhel9-base": None, "rhel9-java": "rhel9-base"})
    scenes.released(made)

    def before(table: str, writes: Sequence[TableWrite]) -> None:
        if any((write.row.partition, write.row.key) == ("fleet", "rhel9-java") for write in writes):
            raise TransientError(ErrorClass.NETWORK, "the process ends here")

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=before))
    with pytest.raises(TransientError):
        made.factory.requests.request(JAVA, ADMIN, "because", "k1")
    scenes.rewired(made)
    made.factory.requests.request(JAVA, ADMIN, "because", "k1")
    (copy,) = [head for head in scenes.index(made).fleet().heads if head.name == JAVA]
    assert copy == scenes.head(made, JAVA)


def test_a_build_that_another_process_started_meanwhile_is_named() -> None:
    made = scenes.settled(ONE)
    other = made.factory.reconciler
    race = scenes.once(lambda: _ignore(other.reconcile(BASE, CampaignId("other"))))

    def before(table: str, writes: Sequence[TableWrite]) -> None:
        if any(write.row.key.startswith("build:") for write in writes):
            race()

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=before))
    answer = made.factory.requests.request(BASE, ADMIN, "because", "k1")
    assert answer.why == "in-flight"
    assert answer.build == scenes.builds(made, BASE)[-1].id


def test_a_request_that_starts_nothing_names_no_build() -> None:
    made = scenes.registered({"rhel9-base": None, "rhel9-java": "rhel9-base"})
    answer = made.factory.requests.request(ImageName("rhel9-java"), ADMIN, "", "k1")
    assert (answer.build, answer.why) == (None, "unknown")
    assert "no published version yet" in answer.detail
