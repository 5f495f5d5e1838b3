"""The keys that sign: an older one is believed after a rotation, and one that was revoked proves nothing any more."""

from pipeline_core.domain.journal import Event
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import GalleryImageVersion
from pipeline_core.services.provenance.statements import version_id
from pipeline_core.wire.provenance import Envelope
from simulation.world import LIVE, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE


def _versions(made: SimulatedWorld) -> list[GalleryImageVersion]:
    return sorted(made.ports.galleries.list_versions(LIVE, BASE), key=_number)


def _number(live: GalleryImageVersion) -> GalleryVersion:
    return live.version


def _signers(made: SimulatedWorld, live: GalleryImageVersion) -> set[str]:
    """The keys that signed the statement of a version, and the record of its publication."""
    start = f"{live.tags['imagefactory-provenance']}."
    names = [each.name for each in made.ports.blobs.list("provenance", start, limit=9)]
    signed = [name for name in names if name.endswith(".dsse.json")]
    assert len(signed) == 2
    read = (made.ports.blobs.read("provenance", name, limit=10**6) for name in signed)
    return {each.key for content in read for each in Envelope.from_wire(content).to_domain()}


def _observe(made: SimulatedWorld, live: GalleryImageVersion) -> int:
    """How many alarms there are after its event."""
    identity = version_id(scenes.deployment_of(made), live.gallery, live.image, live.version)
    made.factory.gallery_events.observe(identity, "Microsoft.Resources.ResourceWriteSuccess")
    entries = scenes.images(made).list_journal(BASE, limit=1000)
    return len([entry for entry in entries if entry.event is Event.UNPROVEN])


def test_versions_of_an_older_key_are_proven_until_it_is_revoked() -> None:
    made = scenes.settled({"rhel9-base": None})
    (old,) = made.ports.signer.trusted_keys()
    made.ports.signer.rotate()
    scenes.released(made)
    made.drain()
    first, second = _versions(made)
    (new,) = {key.id for key in made.ports.signer.trusted_keys()} - {old.id}
    assert (_signers(made, first), _signers(made, second)) == ({old.id}, {new})
    assert [_observe(made, each) for each in (first, second)] == [0, 0]
    made.ports.signer.disable(old)
    assert [_observe(made, each) for each in (second, first)] == [0, 1]
