"""A proxy of the platform's settings reaches every step of a build, and no template, image or team's own value."""

import json
from pathlib import Path

import pytest

from builder import inputs
from builder.packer import provisioners
from pipeline_core.domain.errors import ErrorClass, Owner, PermanentError
from pipeline_core.guard import sources
from pipeline_core.wire import job as wire
from tests.unit.builder import samples
from tests.unit.builder.fakes import FolderBlobs

PROXY = "http://proxy.example.com:3128"


def fetched(root: Path, settings: object, *, stage: str = "build") -> tuple[wire.BuildJob, inputs.Inputs]:
    """The inputs of a job whose platform bundle has these settings."""
    platform = samples.pack({**samples.PLATFORM, sources.SETTINGS: json.dumps(settings)})
    made = samples.verify_job if stage == "verify" else samples.child_job
    job = made(platform=samples.digest_of(platform))
    samples.store(root, job)
    (root / "bundles" / f"{job.platform}.tar.gz").write_bytes(platform)
    return job, inputs.fetch_archives(FolderBlobs(root), job)


def scripts(job: wire.BuildJob, found: inputs.Inputs) -> dict[str, str]:
    plan = provisioners.plan(job, found.bundle.names, found.platform.names, variables=found.variables)
    return {each.file: each.content for each in plan.scripts}


def test_each_step_of_a_build_has_the_proxy(tmp_path: Path) -> None:
    job, found = fetched(tmp_path, {"build": {"proxy": PROXY}})
    made = scripts(job, found)
    ran = {
        name: text
        for name, text in made.items()
        if not name.endswith(("-prepare.sh", "-wait.sh", "-renew.sh", "-file.sh"))
    }
    assert len(ran) > 5
    for name, text in ran.items():
        form = (
            "kept+=(https_proxy=" if name.endswith(("-platform.sh", "-restart.sh")) else "export https_proxy="
        )
        assert f"{form}{PROXY}" in text, name


def test_the_verify_stage_has_it_too(tmp_path: Path) -> None:
    job, found = fetched(tmp_path, {"build": {"proxy": PROXY}}, stage="verify")
    (text,) = [text for name, text in scripts(job, found).items() if name.endswith("-verify.sh")]
    assert f"kept+=(https_proxy={PROXY})" in text


def test_a_teams_own_value_counts(tmp_path: Path) -> None:
    job, found = fetched(tmp_path, {"build": {"proxy": PROXY, "pipIndex": "https://pypi.example.com/simple"}})
    own = wire.Step(
        kind="shell", path="scripts/install.sh", env={"PIP_INDEX_URL": "https://own.example.com/simple"}
    )
    made = scripts(job.model_copy(update={"steps": (own,)}), found)
    (text,) = [text for name, text in made.items() if name.endswith("-shell.sh")]
    assert "export PIP_INDEX_URL=https://own.example.com/simple\n" in text
    assert "pypi.example.com" not in text


def test_without_settings_no_step_has_more_variables_than_before(tmp_path: Path) -> None:
    job, found = fetched(tmp_path, {})
    plan = provisioners.plan(job, found.bundle.names, found.platform.names)
    assert scripts(job, found) == {each.file: each.content for each in plan.scripts}


def test_wrong_settings_end_the_build_before_it_costs_anything_and_are_secops(tmp_path: Path) -> None:
    with pytest.raises(PermanentError) as refused:
        fetched(tmp_path, {"build": {"proxy": "proxy"}})
    assert (refused.value.error_class, refused.value.owner) == (ErrorClass.POLICY, Owner.PLATFORM)
    assert "platform: sources.build.proxy: " in str(refused.value)
    assert "[sources-address]" in str(refused.value)
