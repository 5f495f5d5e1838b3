"""Publishing: copied while excluded from latest, watched without an end, let in last, and never backwards."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from pipeline_core.domain.builds import Build, Failure, Phase, Result
from pipeline_core.domain.dispatch import PendingBuild
from pipeline_core.domain.errors import ErrorClass, ErrorScope, Owner, PermanentError, ScopeKind
from pipeline_core.domain.images import ActiveBuild
from pipeline_core.domain.names import BuildId
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import GalleryImageVersion, TableWrite, VersionState
from pipeline_core.services.images import cascade
from pipeline_core.state import images as records
from pipeline_core.state.capacity import SlotTaken
from pipeline_core.state.outages.breakers import BreakerStore
from pipeline_core.wire.messages import PublishedMessage
from simulation.faults import Killed
from simulation.world import LIVE, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.builds import copying
from tests.unit.services.scenes import BASE, JAVA
from tests.unit.services.unreadable_rows import keys, make_unreadable

ONE = {"rhel9-base": None}


def test_a_version_is_excluded_until_it_is_ready_and_included_then() -> None:
    made, build, version = copying.publishing()
    for _ in range(2):
        scenes.step(made, build)
        shown = copying.live(made, version)
        assert shown is not None
        assert (shown.state, shown.excluded_from_latest) == (VersionState.CREATING, True)
        assert made.ports.galleries.latest(LIVE, BASE) is None
        assert scenes.head(made, BASE).current is None
    made.ports.clock.advance(made.ports.galleries.replication)
    assert made.ports.galleries.latest(LIVE, BASE) is None
    scenes.step(made, build)
    assert made.ports.galleries.latest(LIVE, BASE) == version
    current = scenes.head(made, BASE).current
    assert current is not None
    assert (current.version, current.build) == (version, build.id)
    assert copying.after(made, build).result is Result.SUCCEEDED


def test_a_replication_that_takes_days_is_watched_and_never_given_up() -> None:
    made, build, version = copying.publishing(replication=timedelta(days=3))
    for _ in range(5):
        made.ports.clock.advance(timedelta(hours=12))
        scenes.step(made, build)
        assert copying.after(made, build) == build
        assert made.ports.galleries.latest(LIVE, BASE) is None
    made.ports.clock.advance(timedelta(hours=12))
    scenes.step(made, build)
    assert made.ports.galleries.latest(LIVE, BASE) == version


def test_a_replication_of_hours_ends_well_by_the_steps_alone_and_its_children_wait() -> None:
    made = scenes.registered({"rhel9-base": None, "rhel9-java": "rhel9-base"})
    made.ports.galleries.replication = timedelta(hours=9)  # longer than any deadline of a stage
    began = made.ports.clock.now()
    scenes.until(made, lambda: scenes.head(made, BASE).current is not None)
    assert made.ports.clock.now() - began >= timedelta(hours=9)
    made.ports.galleries.replication = timedelta(minutes=3)
    made.drain()
    (base,), (java,) = scenes.builds(made, BASE), scenes.builds(made, JAVA)
    assert (base.result, base.attempt, java.result) == (Result.SUCCEEDED, 1, Result.SUCCEEDED)
    assert made.poisoned == []


@pytest.mark.parametrize("change", ["key", "tags"])
def test_only_what_may_concern_other_versions_too_counts_towards_the_platform_breaker(change: str) -> None:
    made, build, version = copying.publishing(replication=timedelta(hours=5))
    live = copying.live(made, version)
    assert live is not None
    if change == "key":
        made.ports.signer.rotate()
        made.ports.signer.disable(made.ports.signer.trusted_keys()[-1])
    else:
        made.ports.galleries.add_version(
            replace(live, tags={**live.tags, "imagefactory-period": "7"}, state=VersionState.READY)
        )
    made.ports.clock.advance(timedelta(hours=5))
    scenes.step(made, build)
    hit = [str(each.build) for found in BreakerStore(made.ports.tables).list() for each in found.value.hits]
    assert hit == ([str(build.id)] if change == "key" else [])


@pytest.mark.parametrize("change", ["key", "tags"])
def test_what_is_no_longer_proven_when_it_has_replicated_is_not_let_in(change: str) -> None:
    made, build, version = copying.publishing(replication=timedelta(hours=5))
    live = copying.live(made, version)
    assert live is not None
    if change == "key":
        made.ports.signer.rotate()
        made.ports.signer.disable(made.ports.signer.trusted_keys()[-1])
    else:
        tags = {**live.tags, "imagefactory-origin": "RedHat:RHEL:9-lvm-gen2:9.9.2099010100"}
        made.ports.galleries.add_version(replace(live, tags=tags, state=VersionState.READY))
    made.ports.clock.advance(timedelta(hours=5))
    scenes.step(made, build)
    made.drain()
    ended = copying.after(made, build)
    assert ended.result is Result.FAILED
    assert ended.failure is not None
    assert ended.failure.error_class is ErrorClass.PROVENANCE
    assert scenes.head(made, BASE).current is None
    assert copying.left(made) == []


def test_the_tags_of_a_live_version_tell_what_it_was_made_from() -> None:
    made, build, version = copying.publishing()
    shown = copying.live(made, version)
    assert shown is not None
    assert shown.tags == {
        "imagefactory-build": str(build.id),
        "imagefactory-definition": str(build.definition),
        "imagefactory-fingerprint": str(build.fingerprint),
        "imagefactory-image": "rhel9-base",
        "imagefactory-origin": "RedHat:RHEL:9-lvm-gen2:9.6.2025112113",
        "imagefactory-period": "0",
        "imagefactory-platform": str(build.inputs.platform),
        "imagefactory-provenance": str(build.provenance),
        "imagefactory-token": "",
    }


def test_a_version_of_another_origin_under_the_same_number_is_refused_and_left_alone() -> None:
    made = scenes.registered(ONE)
    build = scenes.in_phase(made, BASE, Phase.VERIFYING)
    version = build.version
    assert version is not None
    foreign = GalleryImageVersion(
        gallery=LIVE,
        image=BASE,
        version=version,
        state=VersionState.READY,
        excluded_from_latest=True,
        tags={"made-by": "hand"},
    )
    made.ports.galleries.add_version(foreign)
    made.drain()
    ended = copying.after(made, build)
    assert ended.result is Result.FAILED
    assert ended.failure is not None
    assert "was not made by this build" in ended.failure.message
    assert BreakerStore(made.ports.tables).list() == []  # no call of Azure was refused
    assert copying.left(made) == [foreign]
    assert scenes.head(made, BASE).current is None


def test_a_version_that_is_not_above_the_current_one_is_refused() -> None:
    made = scenes.settled(ONE)
    made.register("rhel9-base", None, text="edited")
    build = scenes.in_phase(made, BASE, Phase.PUBLISHING)
    scenes.lose(made)
    found = scenes.images(made).get_head(BASE)
    assert found.value.current is not None
    newer = replace(found.value.current, version=GalleryVersion(9, 20301231, 1))
    scenes.images(made).commit([records.put_head(replace(found.value, current=newer), etag=found.etag)])
    scenes.step(made, build)
    made.drain()
    ended = copying.after(made, build)
    assert ended.result is Result.FAILED
    assert ended.failure is not None
    assert "is not above the current 9.20301231.1" in ended.failure.message
    assert build.version is not None
    assert build.version not in [each.version for each in copying.left(made)]
    assert scenes.head(made, BASE).current == newer


def test_a_build_that_is_no_longer_the_active_one_is_not_included() -> None:
    made, build, version = copying.publishing()
    made.ports.clock.advance(timedelta(minutes=5))
    found = scenes.images(made).get_head(BASE)
    other = ActiveBuild(
        build=BuildId("rhel9-base.000000000000.1"), fingerprint=build.fingerprint, phase=Phase.PENDING
    )
    scenes.images(made).commit([records.put_head(replace(found.value, active=other), etag=found.etag)])
    scenes.step(made, build)
    made.drain()
    assert copying.after(made, build).result is Result.FAILED
    assert version not in [each.version for each in copying.left(made)]
    head = scenes.head(made, BASE)
    assert (head.current, head.active) == (None, other)


def test_publishing_holds_no_slot() -> None:
    made, build, _ = copying.publishing()
    assert scenes.capacity(made).holders() == ()
    scenes.step(made, build)
    assert scenes.capacity(made).holders() == ()


def test_a_slot_that_the_stage_before_could_not_give_back_is_given_back_by_the_sweep() -> None:
    made, build, _ = copying.publishing()
    assert build.version is not None
    made.ports.galleries.begin_delete(LIVE, BASE, build.version)  # as if the copy had not been begun
    capacity = scenes.capacity(made)
    pending = PendingBuild(key="k", build=build.id, team=build.team)
    assert capacity.take(0, pending, capacity.read(made.ports.clock.now())) is SlotTaken.TAKEN
    made.factory.sweeper.sweep()
    assert not capacity.holds(build.id)


def test_a_published_version_begins_the_builds_of_few_children_at_once() -> None:
    made = scenes.registered({"rhel9-base": None, "rhel9-java": "rhel9-base"})
    base = scenes.in_phase(made, BASE, Phase.PUBLISHING)
    scenes.until(made, lambda: scenes.head(made, BASE).current is not None)
    assert scenes.texts(made, "image-published") == []
    assert scenes.is_announced(made, base.id)
    assert scenes.active(made, JAVA).value.phase is Phase.PENDING
    made.drain()
    assert scenes.head(made, JAVA).current is not None


def test_many_children_are_left_to_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cascade, "MOST_TOGETHER", 1)
    made = scenes.registered({"rhel9-base": None, "rhel9-java": "rhel9-base", "rhel9-python": "rhel9-base"})
    scenes.in_phase(made, BASE, Phase.PUBLISHING)
    scenes.until(made, lambda: scenes.head(made, BASE).current is not None)
    (text,) = scenes.texts(made, "image-published")
    assert scenes.head(made, JAVA).active is None
    scenes.lose(made)
    made.factory.cascade.handle(PublishedMessage.from_wire(text))
    assert scenes.asked(made) == ["rhel9-java", "rhel9-python"]


def test_a_process_that_dies_while_it_begins_the_childrens_builds_leaves_them_to_the_message() -> None:
    made = scenes.registered({"rhel9-base": None, "rhel9-java": "rhel9-base", "rhel9-python": "rhel9-base"})
    base = scenes.in_phase(made, BASE, Phase.PUBLISHING)

    def die(table: str, writes: Sequence[TableWrite]) -> None:
        if table == "images" and any(write.row.partition == "rhel9-python" for write in writes):
            raise Killed

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=die))
    with pytest.raises(Killed):
        _step_to_the_end(made, base)
    ended = scenes.stored(made, base.id).value
    assert ended.is_finished
    assert not scenes.is_announced(made, base.id)
    began = scenes.active(made, JAVA).value.id  # without a row in any line yet
    scenes.rewired(made)
    scenes.lose(made)
    scenes.step(made, ended, redelivered=True)
    assert len(scenes.texts(made, "image-published")) == 1
    made.drain()
    assert all(made.versions().values())
    assert [build.id for build in scenes.builds(made, JAVA)] == [began]


def _step_to_the_end(made: SimulatedWorld, build: Build) -> None:
    for _ in range(20):
        scenes.step(made, scenes.stored(made, build.id).value)
        made.ports.clock.advance(timedelta(minutes=5))


@pytest.mark.parametrize("below", [{}, {"rhel9-java": "rhel9-base"}], ids=["leaf", "parent"])
def test_an_image_that_was_changed_while_it_was_built_is_built_again_by_its_own_end(
    below: dict[str, str],
) -> None:
    made = scenes.registered({"rhel9-base": None, **below})
    first = scenes.in_phase(made, BASE, Phase.PUBLISHING)
    made.register("rhel9-base", None, text="edited meanwhile")
    scenes.until(made, lambda: scenes.stored(made, first.id).value.is_finished)
    assert scenes.texts(made, "image-published") == []  # its own step looks
    assert scenes.asked(made) == list(below)
    assert scenes.active(made, BASE).value.id != first.id
    assert scenes.is_announced(made, first.id)
    assert scenes.rest_of(made, BASE) == "in-flight"


@pytest.mark.parametrize("below", [{}, {"rhel9-java": "rhel9-base"}], ids=["leaf", "parent"])
def test_a_look_that_fails_fails_no_build_and_is_left_to_the_message(below: dict[str, str]) -> None:
    made = scenes.registered({"rhel9-base": None, **below})
    build = scenes.in_phase(made, BASE, Phase.PUBLISHING)
    (source,) = keys(made, "index", "sources")

    def spoil(table: str, writes: Sequence[TableWrite]) -> None:
        if any(write.row.key.startswith("made:") for write in writes):  # the end of the build
            make_unreadable(made, "index", "sources", source)

    tables = scenes.WatchedTables(inner=made.ports.tables, before=spoil)
    scenes.rewired(made, tables=tables)
    scenes.until(made, lambda: scenes.stored(made, build.id).value.is_finished)
    ended = scenes.stored(made, build.id).value
    assert ended.result is Result.SUCCEEDED
    assert scenes.is_announced(made, build.id)
    assert len(scenes.texts(made, "image-published")) == 1


def test_an_included_version_whose_end_was_not_written_is_ended_by_the_next_step() -> None:
    made, build, version = copying.publishing()
    made.ports.clock.advance(timedelta(minutes=5))
    made.ports.galleries.set_excluded(LIVE, BASE, version, excluded=False)
    scenes.step(made, build)
    assert copying.after(made, build).result is Result.SUCCEEDED


def test_a_publication_that_fails_for_good_is_noted_before_anything_is_deleted() -> None:
    made, build, version = copying.publishing(replication=timedelta(0))
    error = PermanentError(ErrorClass.POLICY, "the policy of the subscription denies it")
    galleries = scenes.Failing(inner=made.ports.galleries, name="set_excluded", errors=[error])
    scenes.rewired(made, galleries=galleries)
    made.ports.galleries.deletion = timedelta(minutes=10)
    scenes.step(made, build)
    given_up = copying.after(made, build)
    assert (given_up.phase, given_up.given_up, given_up.seq) == (Phase.PUBLISHING, True, build.seq + 1)
    assert scenes.head(made, BASE).active is not None
    shown = copying.live(made, version)
    assert shown is not None
    assert shown.state is VersionState.DELETING
    made.drain()
    ended = copying.after(made, build)
    assert ended.result is Result.FAILED
    region = ErrorScope(kind=ScopeKind.REGION, name="westeurope")
    assert ended.failure == Failure(
        error_class=ErrorClass.POLICY, message=str(error), owner=Owner.PLATFORM, scope=region
    )
    assert copying.left(made) == []


def test_a_failed_publication_that_is_cancelled_meanwhile_ends_once() -> None:
    made, build, _ = copying.publishing(replication=timedelta(0))
    error = PermanentError(ErrorClass.POLICY, "denied")
    galleries = scenes.Failing(inner=made.ports.galleries, name="set_excluded", errors=[error])
    scenes.rewired(made, galleries=galleries)
    made.ports.galleries.deletion = timedelta(minutes=10)
    scenes.step(made, build)
    made.factory.canceller.cancel(build.id, scenes.ADMIN, "no longer needed")
    made.drain()
    ended = copying.after(made, build)
    assert ended.result is Result.CANCELLED
    assert scenes.is_announced(made, build.id)
    assert copying.left(made) == []


@dataclass(frozen=True, slots=True, kw_only=True)
class _Again:
    """A version that a slow handler has let into `latest` again, behind the end of its build."""

    name: str
    gone_back: bool  # a person has gone back to the former version since
    ours: bool = True  # the version bears the tag of the build
    excluded: bool = False
    stays: bool  # whether the version may stay in `latest`


@pytest.mark.parametrize(
    "case",
    [
        _Again(name="it is the current version", gone_back=False, stays=True),
        _Again(name="the former version is current again", gone_back=True, stays=False),
        _Again(name="it is out of latest already", gone_back=True, excluded=True, stays=False),
        _Again(name="the version is of another build", gone_back=True, ours=False, stays=True),
    ],
    ids=lambda case: case.name,
)
def test_a_step_after_the_end_takes_back_what_was_let_in_too_late(case: _Again) -> None:
    made = scenes.registered({})
    galleries = made.ports.galleries
    made.register("rhel9-base", None, text="former")
    made.drain()
    former = galleries.latest(LIVE, BASE)
    made.register("rhel9-base", None, text="newer")
    made.drain()
    build = scenes.builds(made, BASE)[-1]
    assert build.result is Result.SUCCEEDED
    assert build.version is not None
    assert galleries.latest(LIVE, BASE) == build.version != former
    if case.gone_back:
        made.register("rhel9-base", None, text="former")
        made.drain()
        assert galleries.latest(LIVE, BASE) == former
    live = copying.live(made, build.version)
    assert live is not None
    tags = live.tags if case.ours else {**live.tags, "imagefactory-build": "rhel9-base.000000000000.1"}
    galleries.add_version(replace(live, tags=tags, excluded_from_latest=case.excluded))
    scenes.step(made, build)
    assert galleries.latest(LIVE, BASE) == (build.version if case.stays else former)
