"""Reconcile: one build per input, parents first, whatever is doubled, late or raced."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.domain.claims import Outcome
from pipeline_core.domain.errors import AlreadyExists, ErrorClass, StaleWrite, TransientError
from pipeline_core.domain.images import ActiveBuild
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import LIVE, CampaignId, ImageName
from pipeline_core.domain.reasons import ReasonKind
from pipeline_core.domain.sources import ParentReference, ParentVersion, SourceVersion
from pipeline_core.ports import TableWrite, WriteKind
from pipeline_core.state import images as records
from simulation import fleet, world
from simulation.world import SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE, JAVA, PAYMENTS, SIX

ONE = {"rhel9-base": None}
TWO = {"rhel9-base": None, "rhel9-java": "rhel9-base"}
PARENTS = {child: parent for child, parent in fleet.SIX.items() if parent is not None}


def _only(made: SimulatedWorld, image: ImageName) -> Build:
    (build,) = scenes.builds(made, image)
    return build


def test_six_images_are_built_once_each_and_parents_come_first() -> None:
    made = scenes.settled()
    builds = {str(image): _only(made, image) for image in SIX}
    for child, parent in PARENTS.items():
        assert builds[child].created_at >= builds[parent].phase_since, child
        version = builds[parent].version
        assert version is not None
        assert builds[child].inputs.origin == ParentVersion(image=builds[parent].image, version=version)
    assert {build.result for build in builds.values()} == {Result.SUCCEEDED}


def test_a_release_rebuilds_each_image_once_and_children_from_the_new_parent() -> None:
    made = scenes.settled()
    old = {image: scenes.head(made, image).current for image in SIX}
    scenes.released(made)
    made.drain()
    for image in SIX:
        now, before = scenes.head(made, image).current, old[image]
        assert now is not None
        assert before is not None
        assert len(scenes.builds(made, image)) == 2
        assert now.version > before.version
        parent = scenes.head(made, image).registration.parent
        if parent is None:
            assert isinstance(now.inputs.origin, SourceVersion)
            assert str(now.inputs.origin.version) == scenes.NEXT_RELEASE
        else:
            above = scenes.head(made, parent).current
            assert above is not None
            assert now.inputs.origin == ParentVersion(image=parent, version=above.version)
    assert scenes.texts(made, "rebuild-requests") == []


def test_a_release_and_edits_meanwhile_still_build_every_image_once() -> None:
    made = scenes.settled()
    scenes.released(made)
    made.register("payments-api", "rhel9-java", text="edited")
    made.register("rhel9-java", "rhel9-base", text="edited")
    made.drain()
    assert [len(scenes.builds(made, image)) for image in SIX] == [2] * 6
    kinds = {reason.kind for reason in scenes.builds(made, PAYMENTS)[1].reasons}
    assert kinds == {ReasonKind.PARENT_CHANGED, ReasonKind.BUNDLE_CHANGED}


def test_a_second_identical_message_starts_nothing_and_says_why() -> None:
    made = scenes.registered(ONE)
    scenes.look(made, BASE)
    first = _only(made, BASE)
    scenes.look(made, BASE)
    assert _only(made, BASE) == first
    assert scenes.logged(made, "image-decided", image="rhel9-base", decision="in-flight")
    made.drain()
    scenes.look(made, BASE)
    assert _only(made, BASE).id == first.id
    assert scenes.rest_of(made, BASE) == "current"


def test_a_message_about_an_image_that_is_gone_is_a_named_no_op() -> None:
    made = scenes.registered({})
    scenes.look(made, BASE)
    assert scenes.rest_of(made, BASE) == "unregistered"
    assert made.ports.tables.rows("images") == []


def test_claim_build_and_head_appear_together_or_not_at_all() -> None:
    made = scenes.registered(ONE)

    def refuse(table: str, writes: Sequence[TableWrite]) -> None:
        if any(write.row.key.startswith("build:") for write in writes):
            raise TransientError(ErrorClass.NETWORK, "no answer")

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=refuse))
    with pytest.raises(TransientError):
        scenes.look(made, BASE)
    keys = [row.key.split(":")[0] for row in made.ports.tables.rows("images")]
    assert "build" not in keys
    assert "claim" not in keys
    assert scenes.head(made, BASE).active is None


def test_a_head_that_moved_meanwhile_is_looked_at_again() -> None:
    made = scenes.registered(ONE)
    race = scenes.once(lambda: scenes.touch(made, BASE))

    def before(table: str, writes: Sequence[TableWrite]) -> None:
        if any(write.row.key.startswith("build:") for write in writes):
            race()

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=before))
    scenes.look(made, BASE)
    lines = [line for line in made.ports.logs.lines if line.event == "image-decided"]
    assert [line.fields["decision"] for line in lines] == ["StartBuild", "StartBuild"]
    assert _only(made, BASE).phase is Phase.PENDING


def test_two_reconcilers_at_one_moment_make_one_build() -> None:
    made = scenes.registered(ONE)
    other = made.factory
    race = scenes.once(lambda: _ignore(other.reconciler.reconcile(BASE, CampaignId("other"))))

    def before(table: str, writes: Sequence[TableWrite]) -> None:
        if any(write.row.key.startswith("build:") for write in writes):
            race()

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=before))
    assert scenes.rest_of(made, BASE) == "in-flight"
    assert str(_only(made, BASE).campaign) == "other"
    made.drain()
    assert len(scenes.builds(made, BASE)) == 1


@pytest.mark.parametrize("error", [StaleWrite("moved"), AlreadyExists("there")])
def test_an_image_that_never_holds_still_is_looked_at_later(error: Exception) -> None:
    made = scenes.registered(ONE)

    def before(table: str, writes: Sequence[TableWrite]) -> None:
        if any(write.row.key.startswith("build:") for write in writes):
            raise error

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=before))
    with pytest.raises(TransientError) as raised:
        scenes.look(made, BASE)
    assert raised.value.retry_after == timedelta(seconds=2)
    assert scenes.head(made, BASE).active is None


def test_an_answer_that_was_lost_is_not_taken_for_somebody_elses_build() -> None:
    made = scenes.registered(ONE)

    class Lossy(scenes.WatchedTables):
        def write(self, table: str, writes: Sequence[TableWrite]) -> Sequence[str]:
            made_etags = super().write(table, writes)
            if writes[0].verb is WriteKind.REPLACE and any(w.row.key.startswith("build:") for w in writes):
                raise StaleWrite("the first answer was lost, the client sent it again")
            return made_etags

    tables = Lossy(inner=made.ports.tables, before=lambda *_: None)
    scenes.rewired(made, tables=tables)
    scenes.look(made, BASE)
    build = _only(made, BASE)
    assert scenes.claim(made, build).outcome is Outcome.IN_FLIGHT
    assert [pending.value.build for pending in scenes.index(made).pending(limit=10)] == [build.id]


def test_a_pending_build_is_superseded_by_an_edited_definition() -> None:
    made = scenes.registered(ONE)
    scenes.look(made, BASE)
    old = _only(made, BASE)
    made.ports.clock.advance(timedelta(seconds=1))
    made.register("rhel9-base", None, text="edited")
    scenes.look(made, BASE)
    first, second = scenes.builds(made, BASE)
    assert (first.id, first.result) == (old.id, Result.SUPERSEDED)
    assert scenes.claim(made, first).outcome is Outcome.SUPERSEDED
    assert scenes.head(made, BASE).active == ActiveBuild(
        build=second.id, fingerprint=second.fingerprint, phase=Phase.PENDING
    )
    assert [row.value.build for row in scenes.index(made).pending(limit=10)] == [second.id]
    assert list(scenes.index(made).active()) == [second.id]
    assert Event.SUPERSEDED in scenes.events(made, BASE)


def test_the_claim_of_a_superseded_build_is_renewed_when_its_input_is_wanted_again() -> None:
    made = scenes.registered(ONE)
    scenes.look(made, BASE)
    made.register("rhel9-base", None, text="edited")
    scenes.look(made, BASE)
    made.register("rhel9-base", None)  # back to what it was
    made.drain()
    results = {build.generation: build.result for build in scenes.builds(made, BASE)}
    current = scenes.head(made, BASE).current
    assert current is not None
    assert scenes.stored(made, current.build).value.generation == 2
    assert results[2] is Result.SUCCEEDED
    assert scenes.rest_of(made, BASE) == "current"


def test_a_build_that_is_outdated_by_its_end_is_followed_by_the_next() -> None:
    made = scenes.registered(ONE)
    scenes.in_phase(made, BASE, Phase.BUILDING)
    made.register("rhel9-base", None, text="edited")
    scenes.look(made, BASE)
    assert len(scenes.builds(made, BASE)) == 1
    assert scenes.rest_of(made, BASE) == "waits-for-running"
    scenes.lose(made, "rebuild-requests")  # nothing but the end of the build reminds of it
    made.drain()
    first, second = scenes.builds(made, BASE)
    assert (first.result, second.result) == (Result.SUCCEEDED, Result.SUCCEEDED)
    assert second.created_at >= first.phase_since
    assert scenes.rest_of(made, BASE) == "current"


def test_a_version_that_was_built_before_is_made_current_again_without_a_build() -> None:
    made = scenes.settled(TWO)
    first = scenes.head(made, JAVA).current
    made.register("rhel9-java", "rhel9-base", text="edited")
    made.drain()
    made.register("rhel9-java", "rhel9-base")
    made.drain()
    now = scenes.head(made, JAVA).current
    assert first is not None
    assert now is not None
    assert (now.version, now.build, now.fingerprint) == (first.version, first.build, first.fingerprint)
    assert len(scenes.builds(made, JAVA)) == 2
    assert scenes.events(made, JAVA).count(Event.REUSED) == 1


@pytest.mark.parametrize("spoilt", ["gone", "edited"])
def test_a_version_that_is_gone_or_no_longer_proven_is_not_made_current_again_but_built_anew(
    spoilt: str,
) -> None:
    made = scenes.settled(TWO)
    first = scenes.head(made, JAVA).current
    assert first is not None
    made.register("rhel9-java", "rhel9-base", text="edited")
    made.drain()
    live = made.ports.galleries.find_version(world.LIVE, JAVA, first.version)
    assert live is not None
    if spoilt == "gone":
        made.ports.galleries.begin_delete(world.LIVE, JAVA, first.version)
    else:
        made.ports.galleries.add_version(replace(live, tags={**live.tags, "imagefactory-period": "7"}))
    made.register("rhel9-java", "rhel9-base")
    made.drain()
    now = scenes.head(made, JAVA).current
    assert now is not None
    assert now.fingerprint == first.fingerprint
    assert now.version > first.version
    assert len(scenes.builds(made, JAVA)) == 3
    assert (Event.UNPROVEN in scenes.events(made, JAVA)) is (spoilt == "edited")


def test_children_follow_a_parent_that_was_set_back_to_an_earlier_version() -> None:
    made = scenes.settled(TWO)
    made.register("rhel9-base", None, text="edited")
    made.drain()
    made.register("rhel9-base", None)
    made.drain()
    base, java = scenes.head(made, BASE).current, scenes.head(made, JAVA).current
    assert base is not None
    assert java is not None
    assert java.inputs.origin == ParentVersion(image=BASE, version=base.version)
    assert len(scenes.builds(made, JAVA)) == 2


def test_a_suspended_image_rests_and_passes_the_look_on_to_its_children() -> None:
    made = scenes.settled({**TWO, "payments-api": "rhel9-java"})
    made.register("rhel9-java", "rhel9-base", suspend=True)
    made.drain()
    scenes.released(made)
    scenes.until(made, lambda: "payments-api" in scenes.asked(made))
    made.drain()
    assert scenes.rest_of(made, JAVA) == "suspended"
    assert scenes.rest_of(made, PAYMENTS) == "current"
    assert len(scenes.builds(made, PAYMENTS)) == 1


def test_who_waited_for_the_root_is_woken_through_images_that_rest() -> None:
    made = scenes.settled({"a-0": None, "a-1": "a-0", "a-2": "a-1", "a-3": "a-2"})
    made.register("a-1", "a-0", suspend=True)
    made.drain()
    scenes.released(made)
    scenes.in_phase(made, ImageName("a-0"), Phase.BUILDING)
    made.register("a-3", "a-2", text="edited")
    assert scenes.rest_of(made, ImageName("a-3")) == "waits-for-ancestor"
    scenes.lose(made, "rebuild-requests")  # nothing but the publication of the root reminds of it
    made.drain()
    assert scenes.rest_of(made, ImageName("a-1")) == "suspended"
    assert [len(scenes.builds(made, ImageName(name))) for name in ("a-1", "a-2", "a-3")] == [1, 1, 2]


def test_the_fleet_shows_what_was_decided() -> None:
    made = scenes.registered(ONE)
    scenes.look(made, BASE)
    (listed,) = scenes.index(made).fleet().heads
    assert listed == scenes.head(made, BASE)
    assert listed.active is not None


def test_a_projection_that_always_races_is_noted_and_harms_nothing() -> None:
    made = scenes.registered(ONE)

    def before(table: str, writes: Sequence[TableWrite]) -> None:
        if writes[0].row.partition == "fleet":
            raise StaleWrite("raced")

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=before))
    scenes.look(made, BASE)
    assert scenes.logged(made, "projection-lags", image="rhel9-base")
    assert scenes.head(made, BASE).active is not None


def test_a_chain_that_bites_its_tail_is_unknown_and_says_so() -> None:
    made = scenes.registered(TWO)
    found = scenes.images(made).get_head(BASE)
    looped = replace(found.value, registration=replace(scenes.head(made, JAVA).registration, name=BASE))
    looped = replace(
        looped,
        registration=replace(
            looped.registration,
            origin=ParentReference(image=JAVA, channel=LIVE),
        ),
    )
    scenes.images(made).commit([records.put_head(looped, etag=found.etag)])
    assert scenes.rest_of(made, JAVA) == "unknown"
    assert "descends from itself" in made.factory.queries.image(JAVA).image.detail


def _ignore(_: object) -> None:
    return
