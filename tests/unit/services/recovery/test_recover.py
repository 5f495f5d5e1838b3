"""Recovery: what was current is current and is not built again; what was stale is stale, and is built once."""

from dataclasses import replace

import pytest

from pipeline_core.domain.builds import Phase
from pipeline_core.domain.claims import Outcome
from pipeline_core.domain.errors import AlreadyExists
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.versions import GalleryVersion, MarketplaceVersion
from pipeline_core.ports import GalleryImageVersion, VersionState
from pipeline_core.wire.image_yaml.read import definition_blob
from simulation import fleet, world
from simulation.world import ADMIN, LIVE, QUARANTINE, UPLOADER, SimulatedWorld
from tests.unit.services import losses, scenes
from tests.unit.services.scenes import BASE, JAVA, SIX

TWO = {"rhel9-base": None, "rhel9-java": "rhel9-base"}
SHA = "0123456789abcdef0123456789abcdeffedcba9876543210fedcba9876543210"
THREE = {**TWO, "payments-api": "rhel9-java"}


def test_a_fleet_is_current_again_without_a_build_and_follows_the_next_release_once() -> None:
    made = scenes.settled()
    before, indexed, versions = losses.essence(made), losses.index_keys(made), made.versions()
    losses.lose_tables(made)
    reports = losses.recover(made)
    assert losses.recovered(reports) == sorted(map(str, SIX))
    assert losses.essence(made) == before
    assert losses.index_keys(made) == indexed
    made.settle()
    assert losses.build_count(made) == 0
    assert {scenes.rest_of(made, name) for name in SIX} == {"current"}
    assert made.versions() == versions
    assert all(Event.REBUILT in scenes.events(made, name) for name in SIX)
    scenes.released(made)
    made.settle()
    for name in SIX:
        (build,) = scenes.builds(made, name)
        old, new = before[name].current, scenes.head(made, name).current
        assert old is not None
        assert new is not None
        assert build.version == new.version > old.version
    assert made.poisoned == []


def test_claims_of_live_versions_are_there_again() -> None:
    made = scenes.settled(TWO)
    made.register("rhel9-java", "rhel9-base", text="edited")
    made.settle()
    before = {name: losses.claims(made, name) for name in (BASE, JAVA)}
    losses.lost_and_recovered(made)
    for name, claims in before.items():
        after = losses.claims(made, name)
        assert len(after) == len(claims)
        for old, new in zip(claims, after, strict=True):
            assert replace(new, ended_at=None) == replace(old, ended_at=None)


def test_what_was_stale_is_stale_after_and_built_once() -> None:
    made = scenes.settled(TWO)
    scenes.released(made)
    scenes.lose(made)
    losses.lost_and_recovered(made)
    assert losses.build_count(made) == 0
    made.settle()
    assert [len(scenes.builds(made, name)) for name in (BASE, JAVA)] == [1, 1]
    assert {scenes.rest_of(made, name) for name in (BASE, JAVA)} == {"current"}


def test_a_definition_that_was_edited_and_not_built_is_the_one_in_force() -> None:
    made = scenes.settled(TWO)
    made.register("rhel9-java", "rhel9-base", text="edited")
    edited = scenes.head(made, JAVA).registration
    losses.lost_and_recovered(made)
    assert scenes.head(made, JAVA).registration == edited
    made.settle()
    assert losses.build_count(made) == 1
    assert scenes.builds(made, JAVA)[0].definition == edited.definition


def test_an_image_that_was_never_built_is_registered_again() -> None:
    made = scenes.settled({"rhel9-base": None})
    made.register("rhel9-java", "rhel9-base")
    losses.lost_and_recovered(made)
    assert scenes.head(made, JAVA).current is None
    made.settle()
    assert losses.build_count(made) == 1
    assert scenes.rest_of(made, JAVA) == "current"


def test_a_deleted_image_stays_deleted_and_its_versions_are_not_taken_twice() -> None:
    made = scenes.settled(TWO)
    old = scenes.head(made, JAVA)
    made.factory.registrar.unregister(JAVA, ADMIN, str(old.registration.definition))
    losses.lose_tables(made)
    assert [name for report in losses.recover(made) for name in report.deleted] == ["rhel9-java"]
    assert sorted(losses.heads(made)) == [BASE]
    made.settle()
    assert losses.build_count(made) == 0
    made.register("rhel9-java", "rhel9-base", text="edited")
    made.settle()
    back = scenes.head(made, JAVA)
    assert back.revision == old.revision + 2
    assert back.current is not None
    assert old.current is not None
    assert back.current.version > old.current.version


def test_a_reused_version_is_current_again_though_it_is_not_the_highest() -> None:
    made = scenes.settled(THREE)
    first = scenes.head(made, JAVA).current
    made.register("rhel9-java", "rhel9-base", text="edited")
    made.settle()
    made.register("rhel9-java", "rhel9-base")
    made.settle()
    before = losses.essence(made)
    assert first is not None
    former = before[JAVA].current
    assert former is not None
    assert former.version == first.version
    assert len(made.ports.galleries.list_versions(LIVE, JAVA)) == 2
    losses.lost_and_recovered(made)
    assert losses.essence(made) == before
    made.settle()
    assert losses.build_count(made) == 0
    made.register("rhel9-java", "rhel9-base", text="edited")  # the higher version is there to be reused
    made.settle()
    assert losses.build_count(made) == 0
    assert made.ports.galleries.latest(LIVE, JAVA) == _version(made, JAVA)


def test_a_version_that_a_person_took_out_of_latest_stays_out_and_the_last_good_one_is_current() -> None:
    made = scenes.settled(TWO)
    scenes.released(made)
    made.settle()
    before, taken_out = losses.essence(made), _version(made, BASE)
    made.ports.galleries.set_excluded(LIVE, BASE, taken_out, excluded=True)
    latest = made.ports.galleries.latest(LIVE, BASE)
    losses.lost_and_recovered(made)
    assert losses.essence(made) == before
    made.settle()
    assert _version(made, BASE) == latest  # its inputs are in the tags and in the signed statement
    assert scenes.head(made, BASE).taken_out == (taken_out,)
    assert losses.build_count(made) == 0
    assert made.ports.galleries.latest(LIVE, BASE) == latest


def test_without_a_recovery_log_the_tags_alone_tell_and_a_version_out_of_latest_is_held() -> None:
    made = scenes.settled(TWO)
    scenes.released(made)
    made.settle()
    before = losses.essence(made)
    made.ports.galleries.set_excluded(LIVE, JAVA, _version(made, JAVA), excluded=True)
    scenes.rewired(made, blobs=losses.WithoutRecoveryLog(inner=made.ports.blobs))
    losses.lose_tables(made)
    assert losses.recovered(losses.recover(made)) == ["rhel9-base", "rhel9-java"]
    recovered = scenes.head(made, BASE)
    assert recovered.registration == before[BASE].registration
    assert recovered.current is not None
    former = before[BASE].current
    assert former is not None
    assert recovered.current.inputs == former.inputs
    made.settle()
    assert losses.build_count(made) == 0
    assert scenes.rest_of(made, JAVA) == "blocked"
    assert _version(made, JAVA) == made.ports.galleries.latest(LIVE, JAVA)


def test_a_request_is_remembered_with_its_token() -> None:
    made = scenes.settled(TWO)
    made.factory.requests.request(JAVA, ADMIN, "because", "key")
    made.settle()
    before = losses.essence(made)
    assert before[JAVA].request is not None
    losses.lost_and_recovered(made)
    assert losses.essence(made) == before
    made.settle()
    assert losses.build_count(made) == 0
    made.factory.requests.request(JAVA, ADMIN, "because", "key")
    made.settle()
    assert losses.build_count(made) == 0


def test_the_catalog_and_a_staged_tool_come_from_recovery_log_and_provenance() -> None:
    made = scenes.registered({})
    tool = {
        "id": "falcon",
        "version": "7.18.0",
        "url": "https://tools.factory.corp/falcon.rpm",
        "sha256": SHA,
    }
    catalog = {"hosts": ["tools.factory.corp"], "entries": [tool]}
    scenes.admit(made, catalog)
    made.factory.platforms.put(world.upload(made, "platform"), catalog, ADMIN)
    document = fleet.document("rhel9-base", None)
    document["spec"]["build"]["catalog"] = ["falcon"]
    bundle = world.upload(made, "content")
    made.factory.registrar.register(BASE, document, bundle, ADMIN, expected=None, create_only=True)
    made.settle()
    before, platform = losses.essence(made), scenes.sources(made).find_platform()
    former = before[BASE].current
    assert former is not None
    assert former.inputs.catalog == (("falcon", "7.18.0", SHA),)
    losses.lost_and_recovered(made)
    assert losses.essence(made) == before
    assert scenes.sources(made).find_platform() == platform
    assert scenes.sources(made).platform_revision() == 2
    assert scenes.rest_of(made, BASE) == "current"


def test_a_withdrawn_upstream_version_makes_nothing_stale() -> None:
    made = scenes.settled(TWO)
    scenes.released(made)
    made.settle()
    before = losses.essence(made)
    made.ports.marketplace.withdraw(world.SOURCE, MarketplaceVersion.parse(scenes.NEXT_RELEASE))
    losses.lost_and_recovered(made)
    made.factory.poller.poll()
    made.settle()
    assert losses.build_count(made) == 0
    assert losses.essence(made) == before


def test_a_refresh_period_that_is_no_longer_asked_for_does_not_go_back() -> None:
    made = scenes.registered({})
    made.register("rhel9-base", None, maxAge="7d")
    made.settle()
    made.register("rhel9-base", None)
    made.settle()
    before = losses.essence(made)
    assert before[BASE].period > 0
    losses.lost_and_recovered(made)
    made.settle()
    assert losses.essence(made) == before
    assert losses.build_count(made) == 0


@pytest.mark.parametrize("phase", [Phase.BUILDING, Phase.VERIFYING, Phase.PUBLISHING])
def test_a_build_that_ran_is_followed_by_one_under_an_id_and_a_version_of_its_own(phase: Phase) -> None:
    made = scenes.settled(TWO)
    scenes.released(made)
    scenes.in_phase(made, BASE, phase)
    scenes.until(made, lambda: phase is not Phase.BUILDING or bool(made.ports.containers.names()))
    lost = scenes.active(made, BASE).value
    losses.lose_tables(made)
    losses.recover(made)
    made.factory.poller.poll()
    made.settle()
    assert {scenes.rest_of(made, name) for name in (BASE, JAVA)} == {"current"}
    current = scenes.head(made, BASE).current
    assert current is not None
    assert lost.version is not None
    assert current.build != lost.id
    assert current.version > lost.version


def test_a_copy_that_was_complete_is_let_in_and_not_built_again() -> None:
    made = scenes.settled(TWO)
    scenes.released(made)
    lost = scenes.in_phase(made, BASE, Phase.PUBLISHING)
    assert lost.version is not None
    scenes.until(made, lambda: made.ports.galleries.find_version(LIVE, BASE, lost.version) is not None)  # type: ignore[arg-type]
    made.ports.clock.advance(made.ports.galleries.replication)
    losses.lose_tables(made)
    losses.recover(made)
    made.factory.poller.poll()
    made.settle()
    assert scenes.builds(made, BASE) == []
    assert _version(made, BASE) == made.ports.galleries.latest(LIVE, BASE) == lost.version
    assert len(scenes.builds(made, JAVA)) == 1


def test_an_input_that_failed_for_good_stays_blocked() -> None:
    made = scenes.registered({"rhel9-base": None}, failing={("rhel9-base", "verify"): "hygiene"})
    made.settle()
    assert scenes.rest_of(made, BASE) == "blocked"
    losses.lost_and_recovered(made)
    made.settle()
    assert scenes.rest_of(made, BASE) == "blocked"
    assert losses.build_count(made) == 0


def test_a_step_that_failed_for_good_stays_blocked() -> None:
    made = scenes.registered({"rhel9-base": None}, failing={("rhel9-base", "build"): "provisioner"})
    made.settle()
    assert scenes.rest_of(made, BASE) == "blocked"
    losses.lost_and_recovered(made)
    (claim,) = losses.claims(made, BASE)
    assert claim.outcome is Outcome.FAILED
    assert claim.detail == "the simulated provisioner failed"
    made.settle()
    assert losses.build_count(made) == 0


def test_a_version_that_is_only_in_quarantine_is_never_taken_again() -> None:
    made = scenes.registered({"rhel9-base": None}, failing={("rhel9-base", "verify"): "hygiene"})
    made.settle()
    taken = scenes.head(made, BASE).last_version
    ahead = GalleryVersion(9, 20270101, 3)  # of a clock that was ahead
    made.ports.galleries.add_version(
        GalleryImageVersion(
            gallery=QUARANTINE,
            image=BASE,
            version=ahead,
            state=VersionState.READY,
            excluded_from_latest=True,
        )
    )
    losses.lost_and_recovered(made)
    last = scenes.head(made, BASE).last_version
    assert taken is not None
    assert last is not None
    assert last > ahead > taken
    assert all(last > found.version for found in made.ports.galleries.list_versions(QUARANTINE, BASE))


def test_an_image_of_which_a_live_version_cannot_be_believed_is_left_and_reported() -> None:
    made = scenes.settled(TWO)
    version = _version(made, JAVA)
    found = made.ports.galleries.find_version(LIVE, JAVA, version)
    assert found is not None
    tags = {**found.tags, "imagefactory-period": "7"}
    made.ports.galleries.add_version(replace(found, tags=tags))
    losses.lose_tables(made)
    reports = losses.recover(made)
    assert losses.recovered(reports) == ["rhel9-base"]
    assert "is not proven: the tags have the digest" in losses.problems(reports)["rhel9-java"]
    made.ports.galleries.add_version(found)
    assert losses.recovered(losses.recover(made, force=True)) == ["rhel9-java"]
    made.settle()
    assert losses.build_count(made) == 0


def test_an_image_that_was_registered_before_the_loss_and_lost_its_race_does_not_win() -> None:
    made = scenes.settled(TWO)
    made.register("rhel9-java", "rhel9-base", text="in force")
    digest, content = fleet.bundle("never in force")
    made.factory.registrar.store_bundle(digest, content, UPLOADER)
    made.base.effects.documents.store(definition_blob(fleet.document("rhel9-java", "rhel9-base"), digest))
    with pytest.raises(AlreadyExists):
        made.factory.registrar.register(
            JAVA, fleet.document("rhel9-java", "rhel9-base"), digest, ADMIN, expected=None, create_only=True
        )
    before = losses.essence(made)
    losses.lost_and_recovered(made)
    assert losses.essence(made) == before


def _version(made: SimulatedWorld, image: ImageName) -> GalleryVersion:
    current = scenes.head(made, image).current
    assert current is not None
    return current.version
