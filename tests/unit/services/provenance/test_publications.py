"""The record of a publication: made once before `latest`, and what tells a version from one made anew in its place."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.domain.builds import Phase, Result
from pipeline_core.domain.errors import ErrorClass, NotProven, TransientError
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import ImageName
from pipeline_core.ports import GalleryImageVersion
from pipeline_core.services.provenance.statements import version_id
from pipeline_core.settings import Limits
from pipeline_core.wire.provenance import Envelope
from pipeline_core.wiring.foundation import foundation_of
from simulation.world import LIVE, QUARANTINE, SimulatedWorld
from tests.unit.services import forgeries, scenes
from tests.unit.services.scenes import BASE, JAVA

ONE = {"rhel9-base": None}
TWO = {"rhel9-base": None, "rhel9-java": "rhel9-base"}
_END = ".publication.dsse.json"


def _live(made: SimulatedWorld, image: ImageName = BASE) -> GalleryImageVersion:
    current = scenes.head(made, image).current
    assert current is not None
    found = made.ports.galleries.find_version(LIVE, image, current.version)
    assert found is not None
    return found


def _records(made: SimulatedWorld) -> list[str]:
    return [
        each.name for each in made.ports.blobs.list("provenance", "", limit=100) if each.name.endswith(_END)
    ]


def _record(made: SimulatedWorld) -> dict[str, Any]:
    (name,) = _records(made)
    envelope = Envelope.from_wire(made.ports.blobs.read("provenance", name, limit=10**6))
    assert made.ports.signer.find_signer(envelope.signed_message(), envelope.to_domain()) is not None
    said: dict[str, Any] = json.loads(envelope.content())
    return said


def _made_anew(made: SimulatedWorld, image: ImageName = BASE, **changed: Any) -> GalleryImageVersion:
    """Somebody deletes the live version and makes it again: the same number and tags, and what he likes behind it."""
    was = _live(made, image)
    made.ports.galleries.begin_delete(LIVE, image, was.version)
    made.ports.clock.advance(timedelta(minutes=1))
    assert made.ports.galleries.find_version(LIVE, image, was.version) is None
    now = replace(was, published_at=made.ports.clock.now(), **changed)
    made.ports.galleries.add_version(now)
    return now


def _complete_copy(made: SimulatedWorld) -> GalleryImageVersion:
    """The copy of a registered base before it has its record: it is complete, and its build has not looked yet."""
    version = scenes.in_phase(made, BASE, Phase.PUBLISHING).version
    assert version is not None
    scenes.until(made, lambda: made.ports.galleries.find_version(LIVE, BASE, version) is not None)
    made.ports.clock.advance(timedelta(hours=1))
    copied = made.ports.galleries.find_version(LIVE, BASE, version)
    assert copied is not None
    return copied


def _observe(made: SimulatedWorld, live: GalleryImageVersion) -> None:
    identity = version_id(scenes.deployment_of(made), live.gallery, live.image, live.version)
    made.factory.gallery_events.observe(identity, "Microsoft.Resources.ResourceWriteSuccess")


def _alarms(made: SimulatedWorld, image: ImageName = BASE) -> list[str]:
    entries = scenes.images(made).list_journal(image, limit=1000)
    return [entry.detail for entry in entries if entry.event is Event.UNPROVEN]


def test_what_the_gallery_shows_of_a_published_version_is_signed_and_bound_to_its_statement() -> None:
    made = scenes.settled(ONE)
    live, said = _live(made), _record(made)
    subject = version_id(scenes.deployment_of(made), LIVE, BASE, live.version)
    assert said["subject"][0]["name"] == subject
    assert live.published_at is not None
    assert said["predicate"] == {
        "statement": {"sha256": live.tags["imagefactory-provenance"]},
        "source": version_id(scenes.deployment_of(made), QUARANTINE, BASE, live.version),
        "publishedDate": live.published_at.isoformat(timespec="microseconds"),
        "osDiskSizeGb": live.disk_gb,
    }


def test_the_statement_names_image_version_and_the_quarantined_version_that_was_tested() -> None:
    made = scenes.settled(ONE)
    live = _live(made)
    name = f"{live.tags['imagefactory-provenance']}.json"
    definition = json.loads(made.ports.blobs.read("provenance", name, limit=10**6))["predicate"][
        "buildDefinition"
    ]
    said = definition["externalParameters"]
    assert (said["image"], said["version"]) == ("rhel9-base", str(live.version))
    source = version_id(scenes.deployment_of(made), QUARANTINE, BASE, live.version)
    assert definition["internalParameters"]["source"] == source


@pytest.mark.parametrize("signal", ["event", "timer"])
def test_a_version_that_was_made_anew_from_its_own_source_raises_the_alarm(signal: str) -> None:
    """Its tags and its source are the right ones. Only the time of its publication is another."""
    made = scenes.settled(ONE)
    was = _live(made).published_at
    assert was is not None
    anew = _made_anew(made)
    if signal == "event":
        _observe(made, anew)
    else:
        made.factory.galleries.observe()
    (detail,) = _alarms(made)
    assert f'it was published at "{was.isoformat(timespec="microseconds")}" by the record of its' in detail


@pytest.mark.parametrize("signal", ["event", "timer"])
def test_a_version_that_was_made_anew_from_the_disk_of_another_image_raises_the_alarm(signal: str) -> None:
    made = scenes.settled(TWO)
    java = _live(made, JAVA)
    anew = _made_anew(made, copied_from=f"{LIVE}/{JAVA}@{java.version}")
    if signal == "event":
        _observe(made, anew)
    else:
        made.factory.galleries.observe()
    (detail,) = _alarms(made)
    assert f"it was made from {LIVE}/rhel9-java@{java.version}, not from {QUARANTINE}/rhel9-base@" in detail


def test_a_version_that_latest_does_not_give_is_found_by_its_source_in_the_list() -> None:
    """Its event was lost. Consumers that name the number get the disk of another image."""
    made = scenes.settled(TWO)
    was, java = _live(made), _live(made, JAVA)
    scenes.released(made)
    made.drain()
    assert _live(made).version > was.version
    made.ports.galleries.add_version(
        replace(was, published_at=made.ports.clock.now(), copied_from=f"{LIVE}/{JAVA}@{java.version}")
    )
    made.factory.galleries.observe()
    (detail,) = _alarms(made)
    assert detail.startswith(
        f"rhel9-base@{was.version} in {LIVE} is not proven: it was made from {LIVE}/rhel9-java@"
    )


def test_a_version_out_of_latest_that_was_made_anew_raises_the_alarm_too() -> None:
    made = scenes.settled(ONE)
    _observe(made, _made_anew(made, excluded_from_latest=True))
    assert len(_alarms(made)) == 1


def test_a_current_version_that_was_made_anew_leaves_latest_and_is_built_again_where_the_setting_says_so() -> (
    None
):
    """Rule 12: made from another source than its statement says."""
    made = scenes.settled(TWO)
    limits = Limits(slots=8, creates_per_hour=10_000, team_slots=8, wait=scenes.WAIT)
    made.rewire(
        foundation_of(made.ports, replace(scenes.deployment_of(made), excludes_unproven=True), limits)
    )
    anew = _made_anew(made, copied_from=f"{LIVE}/{JAVA}@{_live(made, JAVA).version}")
    _observe(made, anew)
    assert made.ports.galleries.latest(LIVE, BASE) is None
    made.drain()
    again = _live(made)
    assert again.version > anew.version
    assert made.ports.galleries.latest(LIVE, BASE) == again.version
    assert len(_alarms(made)) == 1


def test_a_disk_of_another_size_is_not_the_one_that_was_published() -> None:
    made = scenes.registered(ONE)
    made.ports.galleries.add_version(replace(_complete_copy(made), disk_gb=64))
    made.drain()
    made.ports.galleries.add_version(replace(_live(made), disk_gb=65))
    _observe(made, _live(made))
    (detail,) = _alarms(made)
    assert 'its disk has the GB "64" by the record of its publication, "65" by the version' in detail


def test_a_record_that_a_stranger_signed_proves_nothing() -> None:
    made = scenes.settled(ONE)

    def forge(envelope: bytes) -> bytes:
        said = forgeries.payload(envelope)
        is_record = said["predicateType"].endswith("/publication/v1")
        return forgeries.signed(said, forgeries.STRANGER) if is_record else envelope

    scenes.rewired(made, blobs=forgeries.ForgedBlobs(inner=made.ports.blobs, forge=forge))
    _observe(made, _live(made))
    (detail,) = _alarms(made)
    assert "no trusted key has signed the record of publication" in detail


def test_a_process_that_dies_before_the_record_leaves_it_to_the_next_step() -> None:
    made = scenes.registered(ONE)
    scenes.in_phase(made, BASE, Phase.PUBLISHING)
    died = scenes.Failing(
        inner=made.ports.signer, name="sign", errors=[TransientError(ErrorClass.NETWORK, "the vault is down")]
    )
    scenes.rewired(made, signer=died)
    made.drain()
    (build,) = scenes.builds(made, BASE)
    assert build.result is Result.SUCCEEDED
    assert len(_records(made)) == 1
    assert (_alarms(made), died.errors) == ([], [])


def test_a_version_is_let_into_latest_after_its_record_was_written() -> None:
    made = scenes.registered(ONE)
    scenes.in_phase(made, BASE, Phase.PUBLISHING)
    down = TransientError(ErrorClass.NETWORK, "the store is down")
    refuses = scenes.Failing(inner=made.ports.blobs, name="create", errors=[down])
    scenes.rewired(made, blobs=refuses)
    build = scenes.active(made, BASE).value
    scenes.until(made, lambda: refuses.errors == [])
    assert made.ports.galleries.latest(LIVE, BASE) is None
    assert scenes.stored(made, build.id).value.phase is Phase.PUBLISHING
    made.drain()
    assert made.ports.galleries.latest(LIVE, BASE) == build.version


def test_the_event_of_a_copy_that_is_on_its_way_raises_no_alarm() -> None:
    made = scenes.registered(ONE)
    copied = _complete_copy(made)
    version = copied.version
    assert _records(made) == []
    _observe(made, copied)
    assert _alarms(made) == []
    examiner = made.parts.provenance.provenance
    with pytest.raises(NotProven, match="no signed record says that the version was published at"):
        examiner.examine(copied)
    made.ports.galleries.set_excluded(LIVE, BASE, version, excluded=False)
    included = made.ports.galleries.find_version(LIVE, BASE, version)
    assert included is not None
    _observe(made, included)
    assert len(_alarms(made)) == 1  # somebody has let it in before its turn


@pytest.mark.parametrize("marks", [{"excluded_from_latest": False}, {"is_divided": True}])
def test_the_recovery_signs_no_copy_that_somebody_let_into_latest(marks: dict[str, bool]) -> None:
    made = scenes.registered(ONE)
    copied = _complete_copy(made)
    service = made.parts.provenance.provenance
    with pytest.raises(NotProven, match="no signed record says that the version was published at"):
        service.adopt(replace(copied, **marks))  # type: ignore[arg-type]
    assert _records(made) == []
    assert service.adopt(copied).build == copied.tags["imagefactory-build"]
    assert len(_records(made)) == 1


def test_a_fact_that_the_gallery_shows_only_later_raises_no_alarm() -> None:
    made = scenes.registered(ONE)
    copied, galleries = _complete_copy(made), made.ports.galleries
    galleries.add_version(replace(copied, published_at=None, disk_gb=None))
    made.drain()
    (build,) = scenes.builds(made, BASE)
    assert build.result is Result.SUCCEEDED
    galleries.add_version(replace(_live(made), published_at=copied.published_at, disk_gb=64))
    _observe(made, _live(made))
    assert _alarms(made) == []


def test_a_copy_that_the_factory_had_to_make_again_has_a_record_of_its_own() -> None:
    made = scenes.registered(ONE)
    build = scenes.in_phase(made, BASE, Phase.PUBLISHING)
    version = build.version
    assert version is not None
    service, galleries = made.parts.provenance.provenance, made.ports.galleries
    scenes.until(made, lambda: galleries.find_version(LIVE, BASE, version) is not None)
    first = galleries.find_version(LIVE, BASE, version)
    assert first is not None
    service.attest(first)
    galleries.begin_delete(LIVE, BASE, version)
    made.drain()
    assert scenes.stored(made, build.id).value.result is Result.SUCCEEDED
    assert len(_records(made)) == 2
    assert service.examine(_live(made)).build == str(build.id)


def test_tables_that_were_lost_believe_no_version_that_was_made_anew() -> None:
    made = scenes.settled(ONE)
    service = made.parts.provenance.provenance
    assert service.adopt(_live(made)).build
    with pytest.raises(NotProven, match="by the record of its publication"):
        service.adopt(_made_anew(made))
    assert len(_records(made)) == 1
