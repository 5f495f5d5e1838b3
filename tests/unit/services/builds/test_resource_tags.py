"""SecOps' tags are on what Packer makes, and a change of them makes no image stale."""

from dataclasses import replace

from pipeline_core.wire.job import JOB_LIMIT, BuildJob
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE


def test_the_tags_of_the_settings_are_on_every_job_and_make_no_image_stale() -> None:
    made = scenes.settled({"rhel9-base": None})
    tagged = replace(scenes.deployment_of(made), tags={"cost-centre": "4711"})
    made.rewire(replace(made.base, deployment=tagged))
    scenes.look(made, BASE)
    made.drain()
    assert scenes.rest_of(made, BASE) == "current"
    made.register("rhel9-base", None, text="other")
    made.drain()
    jobs = [
        BuildJob.from_wire(
            made.ports.blobs.read("jobs", blob.name, limit=JOB_LIMIT), digest=blob.name.removesuffix(".json")
        )
        for blob in made.ports.blobs.list("jobs", "")
    ]
    found = [(job.stage, job.tags.get("cost-centre")) for job in jobs]
    assert len(found) == 4
    assert {*found} == {("build", None), ("verify", None), ("build", "4711"), ("verify", "4711")}
