"""The files of tools are checked, scanned, copied and looked at again; one bad file stops no other."""

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline_core.domain.errors import ErrorClass, NotFound, PermanentError, TransientError
from pipeline_core.domain.names import Digest
from pipeline_core.domain.tools import NOT_SCANNED, QUARANTINE, SERVED, ScanAnswer, ScanResult, ToolState
from pipeline_core.services.catalog import admission
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import Failing

DAY = timedelta(days=1)


def digest_of(content: bytes) -> Digest:
    return Digest(hashlib.sha256(content).hexdigest())


def bring(made: SimulatedWorld, content: bytes, digest: Digest | None = None) -> Digest:
    """As the command does: ask, then write the one blob."""
    digest = digest or digest_of(content)
    made.factory.submissions.offer(digest, ADMIN)
    made.ports.blobs.create(QUARANTINE, str(digest), content, media_type="application/octet-stream")
    return digest


def state_of(made: SimulatedWorld, digest: Digest) -> ToolState:
    stored = made.base.records.tools.find(digest)
    assert stored is not None
    return stored.value.state


def look(made: SimulatedWorld, after: timedelta = timedelta(minutes=5)) -> int:
    made.ports.clock.advance(after)
    return made.factory.admission.look()


@pytest.fixture
def made() -> SimulatedWorld:
    return scenes.registered({})


def test_a_clean_file_is_copied_and_admitted(made: SimulatedWorld) -> None:
    digest = bring(made, b"falcon")
    assert look(made) == 1
    assert state_of(made, digest) is ToolState.ADMITTED
    assert made.ports.blobs.read(SERVED, str(digest), limit=100) == b"falcon"
    stored = made.base.records.tools.find(digest)
    assert stored is not None
    assert (stored.value.size, stored.value.scanned_by, stored.value.by) == (6, "memory", "user:admin")
    assert made.base.records.tools.missing([digest]) == ()


def test_a_file_of_many_parts_is_copied_whole(made: SimulatedWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "_PART", 7)
    content = bytes(range(256))
    digest = bring(made, content)
    look(made)
    assert made.ports.blobs.read(SERVED, str(digest), limit=1000) == content


@pytest.mark.parametrize("part", [3, 1000], ids=["in parts", "at once"])
def test_another_content_is_never_served(
    made: SimulatedWorld, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    monkeypatch.setattr(admission, "_PART", part)
    digest = bring(made, b"something else", digest_of(b"falcon"))
    look(made)
    stored = made.base.records.tools.find(digest)
    assert stored is not None
    assert stored.value.state is ToolState.REFUSED
    assert str(digest_of(b"something else")) in stored.value.reason
    assert made.ports.blobs.find_facts(SERVED, str(digest)) is None


def test_what_no_scanner_knows_waits_and_goes_on_by_itself(made: SimulatedWorld) -> None:
    digest = digest_of(b"falcon")
    made.ports.scanner.say(QUARANTINE, str(digest), ScanResult.UNKNOWN, "not yet")
    bring(made, b"falcon")
    look(made)
    assert state_of(made, digest) is ToolState.QUARANTINED
    assert made.base.records.tools.missing([digest]) == (digest,)
    assert made.ports.blobs.find_facts(SERVED, str(digest)) is None
    made.ports.scanner.say(QUARANTINE, str(digest), ScanResult.CLEAN)
    look(made)
    assert state_of(made, digest) is ToolState.ADMITTED


def test_the_scan_of_the_copy_decides_which_nobody_else_can_have_written(made: SimulatedWorld) -> None:
    """Who uploads may have forged a result in quarantine: it never lets a file in by itself."""
    digest = digest_of(b"eicar")
    made.ports.scanner.say(SERVED, str(digest), ScanResult.UNKNOWN, "not yet")
    bring(made, b"eicar")
    look(made)
    assert state_of(made, digest) is ToolState.QUARANTINED
    assert made.base.records.tools.missing([digest]) == (digest,)
    made.ports.scanner.say(SERVED, str(digest), ScanResult.FOUND, "Malicious")
    look(made)
    assert state_of(made, digest) is ToolState.REFUSED
    assert made.ports.blobs.find_facts(SERVED, str(digest)) is None


def test_a_finding_refuses_for_good(made: SimulatedWorld) -> None:
    digest = digest_of(b"eicar")
    made.ports.scanner.say(QUARANTINE, str(digest), ScanResult.FOUND, "Malicious")
    bring(made, b"eicar")
    look(made)
    made.ports.scanner.say(QUARANTINE, str(digest), ScanResult.CLEAN)
    look(made, 9 * DAY)
    assert state_of(made, digest) is ToolState.REFUSED
    assert made.ports.blobs.find_facts(SERVED, str(digest)) is None


def test_a_later_finding_takes_the_copy_back_and_is_said_once(made: SimulatedWorld) -> None:
    digest = bring(made, b"falcon")
    look(made)
    look(made)  # a round over the admitted files begins, and ends
    made.ports.scanner.say(SERVED, str(digest), ScanResult.FOUND, "Malicious")
    look(made)
    assert state_of(made, digest) is ToolState.ADMITTED  # asked again every six hours
    look(made, DAY)
    assert state_of(made, digest) is ToolState.REFUSED
    assert made.ports.blobs.find_facts(SERVED, str(digest)) is None
    look(made, DAY)
    assert made.ports.logs.events().count("tool-refused") == 1


def test_a_lost_copy_is_made_again_from_quarantine(made: SimulatedWorld) -> None:
    digest = bring(made, b"falcon")
    look(made)
    made.ports.blobs.lose(SERVED, str(digest))
    look(made, DAY)
    assert state_of(made, digest) is ToolState.ADMITTED
    assert made.ports.blobs.read(SERVED, str(digest), limit=100) == b"falcon"


def test_a_file_that_is_lost_everywhere_is_asked_for_again(made: SimulatedWorld) -> None:
    digest = bring(made, b"falcon")
    look(made)
    for container in (SERVED, QUARANTINE):
        made.ports.blobs.lose(container, str(digest))
    look(made, DAY)
    assert state_of(made, digest) is ToolState.REQUESTED
    made.ports.blobs.create(QUARANTINE, str(digest), b"falcon", media_type="application/octet-stream")
    look(made)
    assert state_of(made, digest) is ToolState.ADMITTED


def test_an_estate_that_scans_elsewhere_says_so_in_the_record(made: SimulatedWorld) -> None:
    made.ports.scanner.usual = ScanAnswer(result=ScanResult.ELSEWHERE, scanner="nobody")
    digest = bring(made, b"falcon")
    look(made)
    stored = made.base.records.tools.find(digest)
    assert stored is not None
    assert (stored.value.state, stored.value.scanned_by) == (ToolState.ADMITTED, NOT_SCANNED)


def test_a_copy_without_a_record_is_admitted_after_a_scan_alone(made: SimulatedWorld) -> None:
    """The process ended between the copy and the record, or the tables were lost."""
    digest = digest_of(b"falcon")
    made.factory.submissions.offer(digest, ADMIN)
    made.ports.blobs.create(SERVED, str(digest), b"falcon", media_type="application/octet-stream")
    look(made)
    assert state_of(made, digest) is ToolState.ADMITTED


def test_a_digest_of_the_catalog_in_force_without_a_record_gets_one(made: SimulatedWorld) -> None:
    """A release without these records put the catalog in force, or they were lost."""
    digest = digest_of(b"agent 1.0.0")
    platform = made.base.records.sources.find_platform()
    assert platform is not None
    from_before = {"agent": ("agent", "1.0.0", str(digest))}
    made.base.records.sources.save_platform(replace(platform, catalog=from_before), over=platform)
    look(made)
    assert state_of(made, digest) is ToolState.REQUESTED
    look(made)
    assert made.ports.logs.events().count("tool-missing") == 1


def test_one_bad_file_stops_no_other(made: SimulatedWorld) -> None:
    digests = sorted([bring(made, content) for content in (b"a", b"b", b"c")], key=str)
    errors: list[Exception] = [TransientError(ErrorClass.NETWORK, "the scanner does not answer")]
    scenes.rewired(made, scanner=Failing(inner=made.ports.scanner, name="ask", errors=errors))
    look(made)
    assert [state_of(made, digest) for digest in digests] == [
        ToolState.REQUESTED,
        ToolState.ADMITTED,
        ToolState.ADMITTED,
    ]
    look(made)
    assert state_of(made, digests[0]) is ToolState.ADMITTED


def test_a_service_that_is_down_ends_the_run(made: SimulatedWorld) -> None:
    for number in range(9):
        bring(made, str(number).encode())
    errors: list[Exception] = [TransientError(ErrorClass.NETWORK, "down") for _ in range(9)]
    scenes.rewired(made, scanner=Failing(inner=made.ports.scanner, name="ask", errors=errors))
    with pytest.raises(TransientError):
        look(made)
    assert len(errors) == 5


def test_a_run_has_a_bound_and_the_next_one_goes_on(
    made: SimulatedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "_SLICE", 20)
    digests = [bring(made, str(number).encode()) for number in range(25)]
    assert look(made) == 20
    assert look(made) == 5
    assert made.base.records.tools.missing(digests) == ()


def test_a_file_that_is_gone_while_it_is_looked_at_is_no_failure(made: SimulatedWorld) -> None:
    digest = bring(made, b"falcon")
    errors: list[Exception] = [NotFound("gone")]
    scenes.rewired(made, scanner=Failing(inner=made.ports.scanner, name="ask", errors=errors))
    look(made)
    assert state_of(made, digest) is ToolState.REQUESTED


def test_a_race_with_secops_changes_nothing(made: SimulatedWorld) -> None:
    digest = bring(made, b"falcon")
    tools_before = made.base.records.tools

    def remove(table: str, writes: object) -> None:
        watched.before = lambda *_: None
        stored = tools_before.find(digest)
        assert stored is not None
        tools_before.delete(digest, etag=stored.etag)

    watched = scenes.WatchedTables(inner=made.ports.tables, before=remove)
    scenes.rewired(made, tables=watched)
    assert look(made) == 0
    assert made.base.records.tools.find(digest) is None


def test_every_admitted_file_has_its_turn_in_a_round(
    made: SimulatedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "_AGAIN", 2)
    digests = [bring(made, str(number).encode()) for number in range(5)]
    look(made)
    for digest in digests:
        made.ports.scanner.say(SERVED, str(digest), ScanResult.FOUND, "Malicious")
    assert [look(made, DAY), look(made), look(made), look(made)] == [2, 2, 1, 0]


def test_a_run_that_finds_all_as_it_was_writes_nothing(made: SimulatedWorld) -> None:
    made.ports.scanner.say(QUARANTINE, str(digest_of(b"b")), ScanResult.UNKNOWN, "not yet")
    bring(made, b"a")
    bring(made, b"b")
    made.factory.submissions.offer(digest_of(b"c"), ADMIN)
    look(made)
    look(made)
    before = made.faulty.calls.changes
    assert [look(made) for _ in range(5)] == [0] * 5
    assert made.faulty.calls.changes == before


def test_a_copy_that_could_not_be_deleted_is_deleted_later(made: SimulatedWorld) -> None:
    digest = bring(made, b"falcon")
    look(made)
    made.ports.scanner.say(SERVED, str(digest), ScanResult.FOUND, "Malicious")
    errors: list[Exception] = [TransientError(ErrorClass.NETWORK, "down")]
    scenes.rewired(made, blobs=Failing(inner=made.ports.blobs, name="delete", errors=errors))
    look(made, DAY)
    assert state_of(made, digest) is ToolState.REFUSED  # at once: no build uses it any more
    assert made.ports.blobs.find_facts(SERVED, str(digest)) is not None
    look(made, DAY)
    assert made.ports.blobs.find_facts(SERVED, str(digest)) is None
    assert made.ports.logs.events().count("tool-refused") == 1


def test_a_look_that_only_a_person_can_help_is_told_in_the_list(made: SimulatedWorld) -> None:
    digest = bring(made, b"falcon")
    errors: list[Exception] = [
        PermanentError(ErrorClass.PERMISSION, f"this identity may not read tags; request {number}")
        for number in range(3)
    ]
    scenes.rewired(made, scanner=Failing(inner=made.ports.scanner, name="ask", errors=errors))
    look(made)
    (entry,) = [each for each in made.factory.submissions.list() if each.sha256 == digest]
    assert entry.record is not None
    assert entry.record.state is ToolState.REQUESTED
    assert entry.record.reason == ("the look failed, permission: this identity may not read tags; request 0")
    before = made.faulty.calls.changes
    look(made)
    look(made)
    assert made.faulty.calls.changes == before  # the same kind is told once
    look(made)
    stored = made.base.records.tools.find(digest)
    assert stored is not None
    assert (stored.value.state, stored.value.reason) == (ToolState.ADMITTED, "")
