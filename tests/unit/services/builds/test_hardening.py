"""What a base asks of its hardening and its volumes reaches the jobs of its own build; FIPS reaches each child's."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from pipeline_core.domain.builds import Build
from pipeline_core.domain.names import ImageName
from pipeline_core.services.versions.inherited import InheritedHardening
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
    _register(made, "payments-api", "rhel9-java")
    made.drain()
    jobs = _jobs(made)
    asked, inherited = JobHardening(profile="stig", fips=True), JobHardening(fips=True)
    assert {place: job.hardening for place, job in jobs.items()} == {
        ("rhel9-base", "build"): asked,
        ("rhel9-base", "verify"): asked,
        ("rhel9-java", "build"): inherited,
        ("rhel9-java", "verify"): inherited,
        ("payments-api", "build"): inherited,
        ("payments-api", "verify"): inherited,
    }
    assert {job.schema_version for job in jobs.values()} == {2}
    assert {place: job.volumes for place, job in jobs.items() if job.volumes} == {
        ("rhel9-base", "build"): (JobVolume(mount="/opt", gb=20), JobVolume(mount="/var", share=50))
    }
    assert jobs["rhel9-base", "verify"].tests.profile == "stig"


def test_jobs_without_both_have_the_schema_that_every_builder_reads() -> None:
    made = world.make()
    _register(made, "rhel9-base", None)
    _register(made, "rhel9-java", "rhel9-base")
    made.drain()
    assert {(job.schema_version, job.hardening) for job in _jobs(made).values()} == {(1, JobHardening())}


def test_only_the_job_with_volumes_has_the_newer_schema() -> None:
    made = world.make()
    _register(made, "rhel9-base", None, build={"volumes": [{"mount": "/opt", "sizeGb": 20}]})
    made.drain()
    schemas = {stage: job.schema_version for (_, stage), job in _jobs(made).items()}
    assert schemas == {"build": 2, "verify": 1}


def _build_of(made: SimulatedWorld, image: str) -> Build:
    """The build of the image's current version."""
    images = made.base.records.images
    current = images.get_head(ImageName(image)).value.current
    assert current is not None
    build = images.find_build(current.build)
    assert build is not None
    return build.value


def _ask(made: SimulatedWorld, base: str, *, fips: bool) -> None:
    """Register a base again, with or without FIPS, and build nothing yet."""
    head = made.base.records.images.get_head(ImageName(base)).value
    document = fleet.document(base, None)
    if fips:
        document["spec"]["hardening"] = {"fips": True}
    made.factory.registrar.register(
        ImageName(base),
        document,
        world.upload(made, "content"),
        scenes.ADMIN,
        expected=head.document_etag,
        create_only=False,
    )


@pytest.mark.parametrize("was_fips", [True, False])
def test_a_child_inherits_what_the_bases_version_was_built_with_not_what_its_base_asks_now(
    was_fips: bool,
) -> None:
    made = world.make()
    _register(made, "rhel9-base", None, **({"hardening": {"fips": True}} if was_fips else {}))
    _register(made, "rhel9-java", "rhel9-base")
    _register(made, "payments-api", "rhel9-java")
    made.drain()
    _ask(made, "rhel9-base", fips=not was_fips)
    inherited = InheritedHardening(images=made.base.records.images, documents=made.base.effects.documents)
    for image in ("rhel9-java", "payments-api"):
        assert inherited.is_fips(_build_of(made, image)) is was_fips
    assert not inherited.is_fips(_build_of(made, "rhel9-base"))


@pytest.mark.parametrize("image", ["rhel9-java", "payments-api"])
def test_where_a_row_is_lost_the_registered_base_decides(image: str) -> None:
    made = world.make()
    _register(made, "rhel9-base", None)
    _register(made, "rhel9-java", "rhel9-base")
    _register(made, "payments-api", "rhel9-java")
    made.drain()
    inherited = InheritedHardening(images=made.base.records.images, documents=made.base.effects.documents)
    orphan = replace(_build_of(made, image), parent=None)
    assert not inherited.is_fips(orphan)
    _ask(made, "rhel9-base", fips=True)
    assert inherited.is_fips(orphan)
