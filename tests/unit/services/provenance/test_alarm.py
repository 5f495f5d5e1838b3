"""Live versions that nothing proves: one alarm each, out of `latest` if so set, found without their event."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.domain.errors import ErrorClass, PermanentError, TransientError
from pipeline_core.domain.journal import Event
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import GalleryImageVersion
from pipeline_core.services.provenance.statements import version_id
from pipeline_core.settings import Limits
from pipeline_core.state import images as records
from pipeline_core.wiring.foundation import foundation_of
from simulation.world import LIVE, SimulatedWorld
from tests.unit.services import forgeries, scenes
from tests.unit.services.forgeries import FORGERIES, ForgedBlobs, Forgery
from tests.unit.services.scenes import BASE, WAIT

ONE = {"rhel9-base": None}


def _live(made: SimulatedWorld) -> GalleryImageVersion:
    """The version that the factory published."""
    current = scenes.head(made, BASE).current
    assert current is not None
    found = made.ports.galleries.find_version(LIVE, BASE, current.version)
    assert found is not None
    return found


def _observe(made: SimulatedWorld, live: GalleryImageVersion) -> None:
    identity = version_id(scenes.deployment_of(made), live.gallery, live.image, live.version)
    made.factory.gallery_events.observe(identity, "Microsoft.Resources.ResourceWriteSuccess")


def _alarms(made: SimulatedWorld) -> list[str]:
    entries = scenes.images(made).list_journal(BASE, limit=1000)
    return [entry.detail for entry in entries if entry.event is Event.UNPROVEN]


def _told(made: SimulatedWorld) -> int:
    return len(scenes.texts(made, "notification-requests"))


def _with(made: SimulatedWorld, **changed: Any) -> GalleryImageVersion:
    """The live version as somebody has changed it."""
    changed_version = replace(_live(made), **changed)
    made.ports.galleries.add_version(changed_version)
    return changed_version


def _bare(made: SimulatedWorld, version: str) -> GalleryImageVersion:
    foreign = replace(_live(made), version=GalleryVersion.parse(version), tags={})
    made.ports.galleries.add_version(foreign)
    return foreign


def _excluding(made: SimulatedWorld) -> SimulatedWorld:
    """The same factory, set to take what is not proven out of `latest`."""
    limits = Limits(slots=8, creates_per_hour=10_000, team_slots=8, wait=WAIT)
    deployment = replace(scenes.deployment_of(made), excludes_unproven=True)
    made.rewire(foundation_of(made.ports, deployment, limits))
    return made


def _look_daily(made: SimulatedWorld) -> None:
    """The round of the next day."""
    made.ports.clock.advance(timedelta(days=1))
    made.factory.pruner.prune()


def test_a_version_that_is_proven_raises_nothing_however_often_it_is_seen() -> None:
    made = scenes.settled(ONE)
    rows = len(made.ports.tables.rows("images"))
    for _ in range(3):
        _observe(made, _live(made))
        made.factory.galleries.observe()
    assert _alarms(made) == []
    assert len(made.ports.tables.rows("images")) == rows


@pytest.mark.parametrize(
    ("tags", "why"),
    [
        ({}, "it names no provenance"),
        ({"imagefactory-provenance": ""}, "it names no provenance"),
        ({"imagefactory-provenance": "not-a-digest"}, "its provenance is not a digest"),
        ({"imagefactory-provenance": "0" * 64}, "there is no statement"),
        ({"imagefactory-token": "by-hand"}, "the tags have the digest"),
        ({"imagefactory-more": "x"}, "the tags have the digest"),
        ({"imagefactory-build": "rhel9-base.0123456789ab.7"}, "it was made by build"),
    ],
)
def test_a_version_whose_tags_were_edited_raises_an_alarm(tags: dict[str, str], why: str) -> None:
    made = scenes.settled(ONE)
    _observe(made, _with(made, tags={**_live(made).tags, **tags} if tags else {}))
    (detail,) = _alarms(made)
    assert why in detail
    assert _live(made).excluded_from_latest is False


@pytest.mark.parametrize(("forge", "why"), FORGERIES.values(), ids=FORGERIES.keys())
def test_a_version_whose_envelope_was_forged_raises_an_alarm(forge: Forgery, why: str) -> None:
    made = scenes.settled(ONE)
    scenes.rewired(made, blobs=ForgedBlobs(inner=made.ports.blobs, forge=forge))
    _observe(made, _live(made))
    (detail,) = _alarms(made)
    assert why in detail


def test_the_tags_of_a_proven_version_prove_no_other_one() -> None:
    made = scenes.settled(ONE)
    copied = replace(_live(made), version=GalleryVersion.parse("9.20990101.1"))
    made.ports.galleries.add_version(copied)
    _observe(made, copied)
    (detail,) = _alarms(made)
    assert "9.20990101.1 in live is not proven: it is about" in detail


def test_a_version_that_was_made_from_another_one_than_its_own_is_not_proven() -> None:
    """Somebody deletes a version and makes it anew under its number, with all its tags, from content of his own."""
    made = scenes.settled(ONE)
    _observe(made, _with(made, copied_from="quarantine/rhel9-base@9.20990101.1"))
    (detail,) = _alarms(made)
    assert "it was made from quarantine/rhel9-base@9.20990101.1, not from quarantine/rhel9-base@" in detail


def test_an_alarm_is_raised_once_for_each_version() -> None:
    made = scenes.settled(ONE)
    before = _told(made)
    first, second = _bare(made, "9.20990101.1"), _bare(made, "9.20990101.2")
    for _ in range(3):
        _observe(made, first)
        made.factory.galleries.observe()
        _observe(made, second)
    assert len(_alarms(made)) == 2
    assert _told(made) == before + 2


def test_an_alarm_whose_sender_was_killed_is_reported_by_the_next_look() -> None:
    made = scenes.settled(ONE)
    foreign, before = _bare(made, "9.20990101.1"), _told(made)
    died = scenes.Failing(
        inner=made.ports.queues, name="send", errors=[TransientError(ErrorClass.NETWORK, "x")]
    )
    scenes.rewired(made, queues=died)
    with pytest.raises(TransientError):
        _observe(made, foreign)
    assert (len(_alarms(made)), _told(made)) == (1, before)
    for _ in range(2):
        _observe(made, foreign)
    assert (len(_alarms(made)), _told(made)) == (1, before + 1)


def test_two_handlers_at_once_raise_one_alarm() -> None:
    made = scenes.settled(ONE)
    foreign = _bare(made, "9.20990101.1")
    overtake = scenes.once(lambda: _observe(made, foreign))

    def before(table: str, writes: object) -> None:
        overtake()

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=before))
    _observe(made, foreign)
    assert len(_alarms(made)) == 1


def test_a_lost_event_is_made_good_by_the_look_at_the_galleries_at_what_latest_gives() -> None:
    made = scenes.settled(ONE)
    _with(made, tags={**_live(made).tags, "imagefactory-token": "by-hand"})
    made.factory.galleries.observe()
    assert len(_alarms(made)) == 1


def test_a_version_without_provenance_is_found_wherever_it_stands() -> None:
    made = scenes.settled(ONE)
    made.ports.galleries.add_version(replace(_bare(made, "1.20000101.1"), excluded_from_latest=True))
    made.factory.galleries.observe()
    assert len(_alarms(made)) == 1


def test_where_all_is_well_the_look_at_the_galleries_reads_two_blobs_for_each_image() -> None:
    made = scenes.settled({"rhel9-base": None, "rhel9-java": "rhel9-base"})
    read: list[str] = []

    def count(content: bytes) -> bytes:
        read.append("envelope")
        return content

    scenes.rewired(made, blobs=ForgedBlobs(inner=made.ports.blobs, forge=count))
    made.factory.galleries.observe()
    assert len(read) == 2 * 2  # its statement, and the record of its publication


def test_an_unproven_version_stays_in_latest_unless_a_setting_excludes_it() -> None:
    made = scenes.settled(ONE)
    proven, foreign = _live(made), _bare(made, "9.20990101.1")
    _observe(made, foreign)
    assert made.ports.galleries.latest(LIVE, BASE) == foreign.version
    _observe(_excluding(made), foreign)
    assert made.ports.galleries.latest(LIVE, BASE) == proven.version
    assert len(_alarms(made)) == 1


@pytest.mark.parametrize("is_done", [False, True], ids=["before the call", "after the call"])
def test_a_process_that_dies_at_the_exclusion_leaves_the_alarm_and_blames_nobody(
    is_done: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = _excluding(scenes.settled(ONE))
    proven, foreign = _live(made), _bare(made, "9.20990101.1")
    scenes.die_at_exclusion(monkeypatch, made, is_done=is_done)
    with pytest.raises(scenes.Died):
        _observe(made, foreign)
    assert len(_alarms(made)) == 1
    for _ in range(2):
        made.ports.clock.advance(timedelta(hours=1))
        made.factory.galleries.observe()
    head = scenes.head(made, BASE)
    assert made.ports.galleries.latest(LIVE, BASE) == proven.version
    assert (head.current is not None, head.taken_out, head.doubt) == (True, (), None)
    assert len(_alarms(made)) == 1
    assert Event.EXCLUDED not in scenes.events(made, BASE)


def test_what_was_let_in_again_by_hand_leaves_latest_again() -> None:
    made = _excluding(scenes.settled(ONE))
    foreign = _bare(made, "9.20990101.1")
    for _ in range(2):
        made.ports.galleries.set_excluded(LIVE, BASE, foreign.version, excluded=False)
        made.factory.galleries.observe()
        assert made.ports.galleries.latest(LIVE, BASE) != foreign.version


@pytest.mark.parametrize(
    "error",
    [
        TransientError(ErrorClass.NETWORK, "the vault is down"),
        PermanentError(ErrorClass.PERMISSION, "the vault forbids"),
    ],
)
def test_a_vault_that_cannot_be_asked_raises_no_alarm_and_takes_nothing_out(error: Exception) -> None:
    made = scenes.settled(ONE)
    signer = scenes.Failing(inner=made.ports.signer, name="find_signer", errors=[error, error])
    scenes.rewired(made, signer=signer)
    with pytest.raises(type(error)):
        _observe(made, _live(made))
    made.factory.galleries.observe()
    assert _alarms(made) == []
    assert made.ports.galleries.latest(LIVE, BASE) == _live(made).version


def test_a_version_that_is_being_deleted_needs_no_proof() -> None:
    made = scenes.settled(ONE)
    foreign = _bare(made, "9.20990101.1")
    made.ports.galleries.deletion = timedelta(hours=1)
    made.ports.galleries.begin_delete(LIVE, BASE, foreign.version)
    _observe(made, foreign)
    made.factory.galleries.observe()
    assert _alarms(made) == []


def test_an_image_that_is_not_registered_has_its_alarm_too() -> None:
    made = scenes.settled(ONE)
    foreign = _bare(made, "9.20990101.1")
    head = scenes.images(made).get_head(BASE)
    scenes.images(made).commit([records.delete_head(BASE, etag=head.etag)])
    _observe(made, foreign)
    assert len(_alarms(made)) == 1


def test_the_forgeries_are_not_what_was_stored() -> None:
    """Else the tables above would show nothing."""
    made = scenes.settled(ONE)
    name = f"{_live(made).tags['imagefactory-provenance']}.dsse.json"
    stored = made.ports.blobs.read("provenance", name, limit=10**6)
    for forge, _ in FORGERIES.values():
        if forge is not forgeries._gone:
            assert forge(stored) != stored
