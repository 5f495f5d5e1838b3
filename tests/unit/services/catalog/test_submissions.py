"""SecOps bring a file by an address that writes one blob once; they see what became of it, and may remove it."""

from urllib.parse import parse_qs, urlsplit

import pytest

from pipeline_core.domain.errors import ErrorClass, NotFound, PermanentError
from pipeline_core.domain.names import Digest
from pipeline_core.domain.tools import QUARANTINE, SERVED, ScanResult, ToolState
from pipeline_core.ports import Principal
from simulation import fleet, world
from simulation.chapters.inputs import brought
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.catalog.test_admission import bring, digest_of, look, state_of
from tests.unit.services.unreadable_rows import make_unreadable

DIGEST = digest_of(b"falcon")


@pytest.fixture
def made() -> SimulatedWorld:
    return scenes.registered({})


def test_an_offer_has_an_address_that_writes_the_one_blob_once(made: SimulatedWorld) -> None:
    offer = made.factory.submissions.offer(DIGEST, ADMIN)
    assert offer.record.state is ToolState.REQUESTED
    assert offer.address is not None
    address = urlsplit(offer.address)
    assert (address.scheme, address.path) == ("https", f"/{QUARANTINE}/{DIGEST}")
    assert parse_qs(address.query)["sp"] == ["c"]  # create: no read, no second write, no tag
    assert offer.until is not None
    assert (offer.until - made.ports.clock.now()).total_seconds() == 7200


def test_an_offer_may_be_repeated_until_the_file_is_there(made: SimulatedWorld) -> None:
    first = made.factory.submissions.offer(DIGEST, ADMIN)
    assert made.factory.submissions.offer(DIGEST, ADMIN).address == first.address
    bring(made, b"falcon")
    known = made.factory.submissions.offer(DIGEST, ADMIN)
    assert (known.address, known.record.reason) == (None, "it was brought, and not looked at yet")
    look(made)
    offer = made.factory.submissions.offer(DIGEST, ADMIN)
    assert (offer.record.state, offer.address) == (ToolState.ADMITTED, None)


@pytest.mark.parametrize("caller", [scenes.principal("payments"), scenes.principal()], ids=["team", "nobody"])
def test_only_secops_bring_and_remove(made: SimulatedWorld, caller: Principal) -> None:
    bring(made, b"falcon")
    for ask in (
        lambda: made.factory.submissions.offer(DIGEST, caller),
        lambda: made.factory.submissions.remove(DIGEST, caller, "because"),
    ):
        with pytest.raises(PermanentError) as refused:
            ask()
        assert refused.value.error_class is ErrorClass.PERMISSION


def _refused(made: SimulatedWorld) -> None:
    made.ports.scanner.say(QUARANTINE, str(DIGEST), ScanResult.FOUND, "Malicious")
    bring(made, b"falcon")
    look(made)
    assert state_of(made, DIGEST) is ToolState.REFUSED


def test_a_refused_file_is_not_taken_again_until_its_record_is_removed(made: SimulatedWorld) -> None:
    _refused(made)
    with pytest.raises(PermanentError, match=r"is refused: memory: Malicious.*imagefactory catalog remove"):
        made.factory.submissions.offer(DIGEST, ADMIN)
    made.factory.submissions.remove(DIGEST, ADMIN, "a false finding")
    assert made.base.records.tools.find(DIGEST) is None
    assert made.ports.blobs.find_facts(QUARANTINE, str(DIGEST)) is None
    made.ports.scanner.say(QUARANTINE, str(DIGEST), ScanResult.CLEAN)
    bring(made, b"falcon")
    look(made)
    assert state_of(made, DIGEST) is ToolState.ADMITTED


def test_an_admitted_file_that_no_catalog_names_is_removed_with_its_copy(made: SimulatedWorld) -> None:
    bring(made, b"falcon")
    look(made)
    assert state_of(made, DIGEST) is ToolState.ADMITTED
    made.factory.submissions.remove(DIGEST, ADMIN, "nobody uses it")
    assert made.base.records.tools.find(DIGEST) is None
    for container in (SERVED, QUARANTINE):
        assert made.ports.blobs.find_facts(container, str(DIGEST)) is None


@pytest.mark.parametrize("where", ["in force", "on trial"])
def test_an_admitted_file_that_a_catalog_names_is_not_removed(made: SimulatedWorld, where: str) -> None:
    """A build would wait for it at once."""
    agent = digest_of(b"agent 1.0.0")
    world.put_platform(made, "platform")
    made.register("rhel9-base", None)
    brought.bring(made, {"agent": "1.0.0"})
    catalog = fleet.catalog({"agent": "1.0.0"})
    digest = world.uploaded(made, *fleet.bundle("other steps", catalog=catalog))
    canaries = [scenes.BASE] if where == "on trial" else []
    made.factory.platforms.put(digest, catalog, ADMIN, canaries=canaries)
    assert state_of(made, agent) is ToolState.ADMITTED
    with pytest.raises(
        PermanentError, match=r"names it as agent 1\.0\.0: register a catalog without it"
    ) as refused:
        made.factory.submissions.remove(agent, ADMIN, "because")
    assert refused.value.error_class is ErrorClass.CONFLICT
    assert made.ports.blobs.find_facts(SERVED, str(agent)) is not None
    assert state_of(made, agent) is ToolState.ADMITTED


def test_a_removal_needs_a_record_and_a_reason(made: SimulatedWorld) -> None:
    with pytest.raises(NotFound, match="nobody has asked"):
        made.factory.submissions.remove(DIGEST, ADMIN, "because")
    with pytest.raises(PermanentError, match="no reason"):
        made.factory.submissions.remove(DIGEST, ADMIN, " ")


def test_the_list_has_what_was_asked_for_and_what_the_catalog_names(made: SimulatedWorld) -> None:
    made.tools = {"agent": "1.0.0"}
    world.put_platform(made, "platform")
    agent, other = digest_of(b"agent 1.0.0"), Digest("ff" * 32)
    made.factory.submissions.offer(other, ADMIN)
    listed = {entry.sha256: entry for entry in made.factory.submissions.list()}
    assert set(listed) == {agent, other}
    assert (listed[agent].named_by, listed[agent].is_missing) == (("agent 1.0.0",), False)
    assert (listed[other].named_by, listed[other].is_missing) == ((), False)
    stored = made.base.records.tools.find(agent)
    assert stored is not None
    made.base.records.tools.delete(agent, etag=stored.etag)
    (missing,) = [entry for entry in made.factory.submissions.list() if entry.is_missing]
    assert (missing.sha256, missing.record) == (agent, None)


def test_a_removal_that_meets_a_look_deletes_no_file_that_it_has_just_admitted(made: SimulatedWorld) -> None:
    made.ports.scanner.say(SERVED, str(DIGEST), ScanResult.UNKNOWN, "not yet")
    bring(made, b"falcon")
    look(made)
    assert state_of(made, DIGEST) is ToolState.QUARANTINED
    made.ports.scanner.say(SERVED, str(DIGEST), ScanResult.CLEAN)
    before = made.factory

    def admit(*_: object) -> None:
        watched.before = lambda *_: None
        before.admission.look()

    watched = scenes.WatchedTables(inner=made.ports.tables, before=admit)
    scenes.rewired(made, tables=watched)
    with pytest.raises(PermanentError, match="looked at just now"):
        made.factory.submissions.remove(DIGEST, ADMIN, "a mistake")
    assert state_of(made, DIGEST) is ToolState.ADMITTED
    assert made.ports.blobs.find_facts(SERVED, str(DIGEST)) is not None


def test_a_removal_that_died_half_way_is_repeated(made: SimulatedWorld) -> None:
    _refused(made)
    stored = made.base.records.tools.find(DIGEST)
    assert stored is not None
    made.base.records.tools.delete(DIGEST, etag=stored.etag)
    made.factory.submissions.remove(DIGEST, ADMIN, "a false finding")
    assert made.ports.blobs.find_facts(QUARANTINE, str(DIGEST)) is None
    with pytest.raises(NotFound, match="nobody has asked"):
        made.factory.submissions.remove(DIGEST, ADMIN, "a false finding")


def test_a_record_that_cannot_be_read_admits_nothing_and_can_be_removed(made: SimulatedWorld) -> None:
    bring(made, b"falcon")
    look(made)
    assert made.base.records.tools.missing([DIGEST]) == ()
    make_unreadable(made, "index", "tools", str(DIGEST))
    assert made.base.records.tools.missing([DIGEST]) == (DIGEST,)
    made.factory.submissions.remove(DIGEST, ADMIN, "it cannot be read")
    assert made.base.records.tools.find(DIGEST) is None
    bring(made, b"falcon")
    look(made)
    assert state_of(made, DIGEST) is ToolState.ADMITTED
