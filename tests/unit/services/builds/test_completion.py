"""The end of a build: one transaction for its effects, reported until each receiver has it, and always bounded."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline_core.domain.builds import Build, Failure, Phase, Result
from pipeline_core.domain.claims import Outcome
from pipeline_core.domain.errors import ErrorClass, PermanentError, StaleWrite, TransientError
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import Digest
from pipeline_core.ports import TableWrite
from pipeline_core.services.effects.documents import Documents
from pipeline_core.services.effects.notices import QUIET
from pipeline_core.state import images as records
from pipeline_core.state.concurrency import PATIENCE
from pipeline_core.state.records import Stored
from simulation.world import SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE, JAVA

ONE = {"rhel9-base": None}
FAILURE = Failure(error_class=ErrorClass.PROVISIONER, message="it broke")


def _building(parents: Mapping[str, str | None] = ONE) -> tuple[SimulatedWorld, Build]:
    made = scenes.registered(parents)
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    scenes.lose(made)
    return made, build


def _end(made: SimulatedWorld, build: Build) -> None:
    made.parts.builds.completion.end(scenes.stored(made, build.id), Result.FAILED, FAILURE)


def test_an_end_writes_build_claim_head_and_journal_together() -> None:
    made, build = _building()
    _end(made, build)
    ended = scenes.stored(made, build.id).value
    head = scenes.head(made, BASE)
    assert (ended.phase, ended.result, ended.failure) == (Phase.FINISHED, Result.FAILED, FAILURE)
    assert (head.active, head.failures) == (None, 1)
    assert scenes.claim(made, build).outcome is Outcome.FAILED
    assert scenes.entry_of(made, BASE, Event.FAILED).detail == "provisioner: it broke"


def test_an_end_that_races_changes_nothing() -> None:
    made, build = _building()
    old = scenes.stored(made, build.id)
    scenes.step(made, build)
    made.ports.clock.advance(timedelta(minutes=20))
    scenes.until(made, lambda: scenes.stored(made, build.id).value.seq > build.seq)
    with pytest.raises(StaleWrite):
        made.parts.builds.completion.end(old, Result.FAILED, FAILURE)
    assert scenes.claim(made, build).outcome is Outcome.IN_FLIGHT
    assert Event.FAILED not in scenes.events(made, BASE)


def test_an_end_is_sent_to_the_image_the_dispatcher_the_owners_and_the_children() -> None:
    made, build = _building({"rhel9-base": None, "rhel9-java": "rhel9-base", "payments-api": "rhel9-java"})
    scenes.lose(made)
    scenes.wants(made, build.image, Event.FAILED)
    _end(made, build)
    assert scenes.asked(made) == ["rhel9-java", "rhel9-base"]
    assert len(scenes.texts(made, "dispatch-requests")) == 1
    assert len(scenes.texts(made, "notification-requests")) == 1
    assert scenes.texts(made, "image-published") == []
    assert list(scenes.index(made).active()) == []
    assert scenes.capacity(made).holders() == ()


def test_an_end_that_no_webhook_wants_costs_no_message() -> None:
    made, build = _building()
    scenes.lose(made)
    scenes.wants(made, build.image, Event.PUBLISHED)
    _end(made, build)
    assert scenes.texts(made, "notification-requests") == []


def test_owners_are_notified_although_the_sender_of_the_end_died_before() -> None:
    made, build = _building()
    scenes.lose(made)
    scenes.wants(made, build.image, Event.FAILED)
    queues = made.ports.queues
    error = TransientError(ErrorClass.NETWORK, "the host died")
    scenes.rewired(made, queues=scenes.Failing(inner=queues, name="send", errors=[error]))
    _end(made, build)
    assert scenes.texts(made, "notification-requests") == []
    scenes.rewired(made)
    made.ports.clock.advance(QUIET)
    made.factory.sweeper.sweep()
    assert len(scenes.texts(made, "notification-requests")) == 1


def test_a_slot_that_is_being_changed_is_given_back_later() -> None:
    made, build = _building()
    races = [StaleWrite("raced")] * PATIENCE

    def before(table: str, writes: Sequence[TableWrite]) -> None:
        if table == "capacity" and races:
            raise races.pop()

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=before))
    with pytest.raises(TransientError, match="is being changed"):
        _end(made, build)
    ended = scenes.stored(made, build.id).value
    assert not scenes.is_announced(made, build.id)
    assert scenes.capacity(made).holds(build.id)
    scenes.step(made, ended)
    assert not scenes.capacity(made).holds(build.id)
    assert scenes.is_announced(made, build.id)


def _ended_by_older_release(made: SimulatedWorld, build: Build) -> Stored[Build]:
    """The row of a build whose end an older release has committed, and not announced."""
    stored = scenes.stored(made, build.id)
    older = replace(stored.value, announce=True)
    scenes.images(made).commit([records.put_build(older, etag=stored.etag)])
    return scenes.stored(made, build.id)


def test_an_end_that_an_older_release_has_committed_is_announced_and_cleared() -> None:
    made, build = _building()
    _end(made, build)
    older = _ended_by_older_release(made, build)
    scenes.lose(made)
    scenes.step(made, older.value)
    assert scenes.asked(made) == ["rhel9-base"]
    assert not scenes.stored(made, build.id).value.announce


def test_an_end_that_two_report_is_noted_and_reported_at_least_once() -> None:
    made, build = _building()
    _end(made, build)
    older = _ended_by_older_release(made, build)
    made.parts.builds.completion.announce(Stored(value=older.value, etag='W/"0"'))
    assert scenes.logged(made, "announced-twice", build_id=str(build.id))


def test_a_build_whose_image_was_unregistered_meanwhile_can_still_end() -> None:
    made, build = _building()
    found = scenes.images(made).get_head(BASE)
    scenes.images(made).commit([records.delete_head(BASE, etag=found.etag)])
    _end(made, build)
    assert scenes.stored(made, build.id).value.result is Result.FAILED
    assert scenes.images(made).find_head(BASE) is None
    assert scenes.capacity(made).holders() == ()


def test_children_that_bite_their_own_tail_do_not_keep_a_build_from_ending() -> None:
    made, build = _building({"rhel9-base": None, "rhel9-java": "rhel9-base"})
    scenes.index(made).add_child(JAVA, BASE)
    _end(made, build)
    assert scenes.stored(made, build.id).value.result is Result.FAILED
    assert scenes.is_announced(made, build.id)
    assert set(scenes.asked(made)) == {"rhel9-java", "rhel9-base"}


def test_a_definition_that_is_not_what_its_name_says_is_refused() -> None:
    made = scenes.registered(ONE)
    name = Digest("ab" * 32)
    digest = scenes.head(made, BASE).registration.definition
    content = made.ports.blobs.read("definitions", f"{digest}.json", limit=10**6)
    made.ports.blobs.create("definitions", f"{name}.json", content, media_type="application/json")
    documents = Documents(made.ports.blobs, scenes.deployment_of(made).location)
    assert documents.definition(digest) is documents.definition(digest)
    with pytest.raises(PermanentError, match="does not match its name"):
        documents.definition(name)
