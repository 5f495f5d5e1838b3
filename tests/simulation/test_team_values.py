"""Rule 11 of the engine: what a team writes is data for Packer too, from its `image.yaml` to Packer's template."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.packer import provisioners, template
from builder.packer.provisioners import Block
from local.recorded import template as recorded_template
from pipeline_core.domain.builds import Phase
from pipeline_core.domain.errors import PermanentError
from pipeline_core.domain.names import Digest
from pipeline_core.guard import bundles
from pipeline_core.wire.job import JOB_LIMIT, BuildJob
from simulation import fleet, world
from simulation.world import UPLOADER
from tests.unit.builder import samples
from tests.unit.services import scenes
from tests.unit.services.scenes import ADMIN, BASE

VALUES = ("{{ user `x` }}", "${build.ID}", "%{ if true }yes%{ endif }")


def _jobs(value: str) -> tuple[BuildJob, BuildJob, frozenset[str]]:
    """The jobs of both stages of an image whose team has written `value` wherever it may, and its bundle."""
    script, smoke = f"scripts/{value}.sh", f"tests/{value}.sh"
    content = samples.pack({script: "#!/bin/bash\n", smoke: "#!/bin/bash\n", "files/app.conf": "x\n"})
    document = fleet.document("rhel9-base", None)
    document["metadata"]["labels"] = {}
    document["spec"]["build"]["provisioners"] = [
        {"shell": script, "env": {"VALUE": value}},
        {"file": "files/app.conf", "destination": f"/etc/{value}"},
    ]
    document["spec"]["verify"]["smoke"] = [smoke]
    made = world.make()
    digest = Digest(samples.digest_of(content))
    made.factory.registrar.store_bundle(digest, content, UPLOADER)
    made.factory.registrar.register(BASE, document, digest, ADMIN, expected=None, create_only=True)
    scenes.in_phase(made, BASE, Phase.PUBLISHING)
    blobs = made.ports.blobs
    jobs = [
        BuildJob.model_validate_json(blobs.read("jobs", facts.name, limit=JOB_LIMIT))
        for facts in blobs.list("jobs", "")
    ]
    (build,), (verify,) = ([job for job in jobs if job.stage == stage] for stage in ("build", "verify"))
    return build, verify, bundles.names_in(content)


def _naive(job: BuildJob) -> list[Block]:
    """The blocks that Packer's own documentation suggests: the team's values stand in the template."""
    blocks: list[Block] = []
    for step in job.steps:
        if step.kind == "file":
            blocks.append({"file": {"source": "bundle.tar.gz", "destination": step.destination}})
            continue
        words = [f"{name}={value}" for name, value in step.env.items()]
        blocks.append({"shell": {"inline": [f"bash {step.path}"], "environment_vars": words}})
    blocks += [{"shell": {"inline": [f"bash {path}"]}} for path in job.tests.smoke]
    return blocks


def _evaluated(text: str, folder: Path) -> list[str]:
    """What Packer would evaluate where the builder runs: HCL's expressions, and templates of its engine.

    The recorded Packer tells of the former; those of ours are filled in per script, by Packer.
    """
    path = folder / "template.pkr.json"
    path.write_text(text, encoding="utf-8")
    errors = [error for error in recorded_template.read(str(path)).errors if "would be evaluated" in error]
    engine = [
        found
        for each in _strings(json.loads(text))
        for found in re.findall(r"\{\{.*?\}\}", each)
        if found not in ("{{ .Path }}", "{{ .Vars }}", "{{ .Script }}")
    ]
    return [*errors, *engine]


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _strings(key)
            yield from _strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)


@pytest.mark.parametrize("value", VALUES)
def test_what_a_team_writes_reaches_the_guest_as_it_is_and_is_evaluated_nowhere(
    value: str, tmp_path: Path
) -> None:
    build, verify, names = _jobs(value)
    assert build.steps[0].env == {"VALUE": value}
    for job in (build, verify):
        plan = provisioners.plan(job, names, frozenset(samples.PLATFORM))
        text = template.to_text(template.render(job, plan.blocks))
        assert _evaluated(text, tmp_path) == []
        assert value not in text
        assert any(shlex.quote(value) in script.content or value in script.content for script in plan.scripts)
        # Taken the direct way, the same values are evaluated: the judge is not blind.
        naive = template.to_text(template.render(job, [*plan.blocks, *_naive(job)]))
        assert _evaluated(naive, tmp_path) != []
    exports = [line for script in _scripts(build, names) for line in script.splitlines() if "VALUE=" in line]
    assert exports == [f"export VALUE={shlex.quote(value)}"]


@pytest.mark.parametrize("value", VALUES)
def test_a_value_that_must_stand_in_the_template_is_refused_where_packer_could_evaluate_it(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, _, names = _jobs("plain")
    place = build.placement.model_copy(update={"vm_size": value})
    job = build.model_copy(update={"placement": place})
    blocks = provisioners.plan(job, names, frozenset(samples.PLATFORM)).blocks
    with pytest.raises(PermanentError, match="cannot be in a template"):
        template.render(job, blocks)
    monkeypatch.setattr(template, "_PLAIN", re.compile(r".*"))
    assert _evaluated(template.to_text(template.render(job, blocks)), tmp_path) != []


def _scripts(job: BuildJob, names: frozenset[str]) -> list[str]:
    return [script.content for script in provisioners.plan(job, names, frozenset(samples.PLATFORM)).scripts]
