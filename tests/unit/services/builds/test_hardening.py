"""What a base asks of its hardening and its volumes reaches the jobs of its own build, and no child's."""

from collections.abc import Mapping

from pipeline_core.domain.names import ImageName
from pipeline_core.wire.job import JOB_LIMIT, BuildJob, JobHardening, JobVolume
from simulation import fleet, world
from simulation.world import SimulatedWorld
from tests.unit.services import scenes


def _jobs(made: SimulatedWorld) -> dict[tuple[str, str], BuildJob]:
    found: dict[tuple[str, str], BuildJob] = {}
    for blob in made.ports.blobs.list("jobs", ""):
        content = made.ports.blobs.read("jobs", blob.name, limit=JOB_LIMIT)
        job = BuildJob.from_wire(content, digest=blob.name.removesuffix(".json"))
        found[job.image, job.stage] = job
    return found


def _register(made: SimulatedWorld, name: str, parent: str | None, **asked: Mapping[str, object]) -> None:
    """Register an image with these keys of `spec.hardening` and `spec.build`."""
    document, image = fleet.document(name, parent, build=asked.get("build")), ImageName(name)
    if "hardening" in asked:
        document["spec"]["hardening"] = asked["hardening"]
        del document["spec"]["verify"]["compliance"]
    made.factory.registrar.register(
        image, document, world.upload(made, "content"), scenes.ADMIN, expected=None, create_only=True
    )
    made.registered.add(image)


def test_the_builder_gets_what_the_definition_asks_for() -> None:
    made = world.make()
    volumes = [{"mount": "/opt", "sizeGb": 20}, {"mount": "/var", "share": 50}]
    stig = {"profile": "stig", "fips": True}
    _register(made, "rhel9-base", None, hardening=stig, build={"volumes": volumes})
    _register(made, "rhel9-java", "rhel9-base")
    made.drain()
    jobs = _jobs(made)
    asked = JobHardening(profile="stig", fips=True)
    assert {place: job.hardening for place, job in jobs.items()} == {
        ("rhel9-base", "build"): asked,
        ("rhel9-base", "verify"): asked,
        ("rhel9-java", "build"): JobHardening(),
        ("rhel9-java", "verify"): JobHardening(),
    }
    assert {place: job.volumes for place, job in jobs.items() if job.volumes} == {
        ("rhel9-base", "build"): (JobVolume(mount="/opt", gb=20), JobVolume(mount="/var", share=50))
    }
    assert jobs["rhel9-base", "verify"].tests.profile == "stig"
