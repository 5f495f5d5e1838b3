"""The ports that an image serves come to the builder with each stage; without its word nothing is published."""

from collections.abc import Iterator

from pipeline_core.domain.builds import Result
from pipeline_core.domain.names import ImageName
from pipeline_core.wire.job import JOB_LIMIT, BuildJob, JobPort
from simulation import fleet, world
from simulation.world import SimulatedWorld
from tests.unit.services import scenes

BASE = ImageName("rhel9-base")
WANTED = [{"port": 8443, "when": "deployed"}, {"port": 53, "protocol": "udp"}]


def test_both_stages_get_the_ports_of_the_image_and_not_those_of_its_parent() -> None:
    made = _registered("rhel9-base", WANTED)
    _register(made, "api", "rhel9-base", [])
    made.drain()
    given = {(job.image, job.stage): job.serves for job in _jobs(made)}
    served = (JobPort(port=53, protocol="udp"), JobPort(port=8443, when="deployed"))
    assert given["rhel9-base", "build"] == given["rhel9-base", "verify"] == served
    assert given["api", "build"] == given["api", "verify"] == ()


def test_another_port_builds_the_image_anew() -> None:
    made = _registered("rhel9-base", [{"port": 8443}])
    made.drain()
    _register(made, "rhel9-base", None, [{"port": 8444}])
    made.drain()
    assert len({build.fingerprint for build in scenes.builds(made, BASE)}) == 2


def test_an_image_whose_ports_the_builder_did_not_try_is_not_published() -> None:
    made = _registered("rhel9-base", [{"port": 8443}])
    made.platform.tries_ports = False
    made.drain()
    (build, *_) = scenes.builds(made, BASE)
    assert build.result is Result.FAILED
    assert build.failure is not None
    assert build.failure.message == "ports: the builder did not report this check"


def _registered(name: str, serves: list[dict[str, object]]) -> SimulatedWorld:
    made = scenes.registered({})
    _register(made, name, None, serves)
    return made


def _register(made: SimulatedWorld, name: str, parent: str | None, serves: list[dict[str, object]]) -> None:
    document = fleet.document(name, parent)
    document["spec"]["serves"] = serves
    image = ImageName(name)
    known = made.base.records.images.find_head(image)
    made.factory.registrar.register(
        image,
        document,
        world.upload(made, "content"),
        scenes.ADMIN,
        expected=None if known is None else known.value.document_etag,
        create_only=known is None,
    )
    made.registered.add(image)


def _jobs(made: SimulatedWorld) -> Iterator[BuildJob]:
    for blob in made.ports.blobs.list("jobs", ""):
        content = made.ports.blobs.read("jobs", blob.name, limit=JOB_LIMIT)
        yield BuildJob.from_wire(content, digest=blob.name.removesuffix(".json"))
