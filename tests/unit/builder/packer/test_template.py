"""The template: golden files for the three kinds of run, and no value of a team in any of its strings."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from builder.packer import guest, provisioners, template
from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.wire import job as wire
from tests.unit.builder import samples

GOLDEN = Path(__file__).parents[3] / "golden" / "builder"
HOSTILE = (
    '${file("/etc/hostname")}',
    "%{ if true }x%{ endif }",
    "{{ env `PATH` }}",
    "'; id; '",
    "$(id)",
    "`id`\n",
)
EXPRESSIONS = ("x${path.cwd}", "x%{x}", "x{{user}}", "x{{.ID}}", "$${x}", "a$b", "a%b", "a{b", "a}b", "")


@pytest.mark.parametrize(
    ("name", "job"),
    [
        ("root-build", samples.root_job(tools=(samples.TOOL,))),
        ("child-build", samples.child_job(catalog=(samples.TOOL,))),
        ("verify", samples.verify_job(tools=(samples.TOOL,))),
    ],
)
def test_the_template_is_as_recorded(
    name: str, job: wire.BuildJob, golden: Callable[[str, str], None]
) -> None:
    plan = _plan(job)
    files = {f"{name}.pkr.json": template.to_text(template.render(job, plan.blocks))}
    files |= {f"{name}/{script.file}": script.content for script in plan.scripts}

    for path, text in files.items():
        golden(f"builder/{path}", text)


@pytest.mark.parametrize("value", HOSTILE)
def test_values_of_a_team_reach_files_but_no_string_of_the_template(value: str) -> None:
    bundle = frozenset({*samples.BUNDLE, f"scripts/{value}.sh"})
    job = samples.child_job(
        steps=(
            wire.Step(kind="shell", path=f"scripts/{value}.sh", env={"VALUE": value}),
            wire.Step(kind="file", path="files/app.conf", destination=f"/etc/{value}"),
        )
    )

    plan = provisioners.plan(job, bundle, frozenset(samples.PLATFORM))
    rendered = template.render(job, plan.blocks)

    assert not [text for text in _strings(rendered) if value in text]
    assert not [text for text in _strings(rendered) if "${" in text or "%{" in text]
    braces = {text for text in _strings(rendered) if "{{" in text}
    assert braces == {"chmod 0700 {{ .Path }}; sudo -n /bin/bash -p {{ .Path }}"}
    assert json.loads(template.to_text(rendered)) == rendered


@pytest.mark.parametrize("value", [*HOSTILE, *EXPRESSIONS])
@pytest.mark.parametrize("field", ["vm_size", "location", "resource_group", "client_id"])
def test_a_value_that_packer_could_evaluate_is_refused_in_the_template(field: str, value: str) -> None:
    place = samples.placement().model_copy(update={field: value})
    with pytest.raises(PermanentError) as caught:
        template.render(samples.root_job(placement=place), ())
    assert caught.value.error_class is ErrorClass.TEMPLATE


@pytest.mark.parametrize("job", [samples.root_job(), samples.child_job(), samples.verify_job()])
def test_a_plan_adds_the_plugins_block_and_nothing_else(job: wire.BuildJob) -> None:
    sold = job.model_copy(update={"plan": samples.PLAN})
    plain, named = (template.render(each, ())["source"]["azure-arm"]["image"] for each in (job, sold))  # type: ignore[index] # of a template
    assert named.pop("plan_info") == {
        "plan_name": "rhel-lvm9-gen2",
        "plan_product": "rhel-byos",
        "plan_publisher": "redhat",
    }
    assert named == plain


def test_a_disk_size_is_the_plugins_key_and_absent_without_one() -> None:
    job = samples.root_job()
    larger = job.model_copy(update={"placement": job.placement.model_copy(update={"os_disk_gb": 128})})
    plain, named = (template.render(each, ())["source"]["azure-arm"]["image"] for each in (job, larger))  # type: ignore[index] # of a template
    assert named.pop("os_disk_size_gb") == 128
    assert named == plain


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("field", ["publisher", "name", "product"])
def test_a_hostile_plan_is_refused(field: str, value: str) -> None:
    with pytest.raises(PermanentError):
        template.render(samples.root_job(plan=samples.PLAN.model_copy(update={field: value})), ())


def test_a_tag_of_secops_may_hold_what_azure_permits_and_is_never_evaluated() -> None:
    own = samples.root_job().tags
    given = {"cost-centre": "4711 & Söhne, 100% $5", "Owner e-mail": "a@example.com"}
    rendered = template.render(samples.root_job(tags=own | given), ())
    assert rendered["source"]["azure-arm"]["image"]["azure_tags"] == own | given  # type: ignore[index] # of a template
    for value in ("${x}", "%{x}", "{{x}}", "a\nb"):
        for tags in ({"cost-centre": value}, {value: "x"}):
            with pytest.raises(PermanentError):
                template.render(samples.root_job(tags=tags), ())


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_tag_is_refused(value: str) -> None:
    with pytest.raises(PermanentError):
        template.render(samples.root_job(tags={"imagefactory-build": value}), ())


@pytest.mark.process
@pytest.mark.parametrize("value", HOSTILE)
def test_a_wrapper_hands_values_on_as_they_are(value: str, tmp_path: Path) -> None:
    script = tmp_path / "team's script.sh"
    script.write_text('printf "%s" "$VALUE" > seen\n', encoding="utf-8")
    wrapper = tmp_path / "wrapper.sh"
    wrapper.write_text(
        guest.run_script(f"shell: {value}", str(tmp_path), script.name, {"VALUE": value}), encoding="utf-8"
    )

    bash = shutil.which("bash") or "/bin/bash"
    subprocess.run([bash, str(wrapper)], check=True, timeout=10, capture_output=True)

    assert (tmp_path / "seen").read_text(encoding="utf-8") == value
    assert not wrapper.exists()


@pytest.mark.process
@pytest.mark.parametrize("mode", [0o755, 0o644], ids=["own-interpreter", "bash"])
def test_a_platform_script_sees_nothing_of_what_an_image_puts_into_the_environment(
    mode: int, tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    (tmp_path / "profile").write_text(f"touch {marker}\n", encoding="utf-8")
    script = tmp_path / "check.sh"
    script.write_text("#!/bin/bash\n/usr/bin/env | /usr/bin/sort > seen\n", encoding="utf-8")
    script.chmod(mode)
    wrapper = tmp_path / "wrapper.sh"
    text = guest.run_script("x", str(tmp_path), "check.sh", {"GIVEN": "a b'c"}, is_ours=True)
    wrapper.write_text(text, encoding="utf-8")
    planted = {
        "BASH_ENV": str(tmp_path / "profile"),
        "BASH_FUNC_exec%%": "() { :; }",
        "LD_PRELOAD": "",
        "PATH": "/opt/evil:/usr/bin:/bin",
        "SUDO_USER": "packer",
    }

    bash = shutil.which("bash") or "/bin/bash"
    subprocess.run([bash, "-p", str(wrapper)], check=True, timeout=10, env=planted)

    seen = (tmp_path / "seen").read_text(encoding="utf-8").splitlines()
    own = ("OLDPWD=", "PWD=", "SHLVL=", "_=")  # bash's own
    assert [line for line in seen if not line.startswith(own)] == [
        "GIVEN=a b'c",
        "HOME=/root",
        "LANG=C.UTF-8",
        "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
        "SUDO_USER=packer",
    ]
    assert not marker.exists()


def test_the_platforms_steps_are_sent_and_unpacked_again_after_the_team_has_had_the_machine() -> None:
    plan = _plan(samples.child_job())
    ran = [json.dumps(block) for block in plan.blocks]
    (renew,) = [number for number, block in enumerate(ran) if "renew.sh" in block]
    assert "imagefactory-platform.tar.gz" in ran[renew - 1]
    assert any("file.sh" in block for block in ran[:renew])
    assert not any("ansible.sh" in block or "shell.sh" in block for block in ran[renew:])
    (script,) = [script.content for script in plan.scripts if script.file.endswith("renew.sh")]
    lines = script.splitlines()
    removed = lines.index("rm -rf -- /run/imagefactory/platform")
    assert (
        f"' {samples.child_job().platform} /tmp/imagefactory-platform.tar.gz | sha256sum"
        in lines[removed + 1]
    )
    assert lines[removed + 3].startswith("tar --extract")


def test_the_platform_stands_around_the_team_and_deprovision_is_last() -> None:
    files = [script.file for script in _plan(samples.child_job()).scripts]
    kinds = [file.split("-", 1)[1] for file in files]
    assert kinds == [
        "prepare.sh",
        "platform.sh",
        "restart.sh",
        "wait.sh",
        "prepare.sh",
        "platform.sh",
        "shell.sh",
        "ansible.sh",
        "file.sh",
        "renew.sh",
        "platform.sh",
        "platform.sh",
        "platform.sh",
        "platform.sh",
    ]
    assert "90-deprovision.sh" in _plan(samples.child_job()).scripts[-1].content


def test_hardening_runs_for_roots_alone() -> None:
    def has_hardening(job: wire.BuildJob) -> bool:
        return any("30-hardening.yml" in script.content for script in _plan(job).scripts)

    assert has_hardening(samples.root_job())
    assert not has_hardening(samples.child_job())


def test_every_wrong_step_is_named_at_once() -> None:
    job = samples.child_job(
        steps=(
            wire.Step(kind="shell", path="nowhere.sh", env={"1X": "a"}),
            wire.Step(kind="file", path="files/app.conf", destination="etc/../x"),
        )
    )
    with pytest.raises(PermanentError) as caught:
        _plan(job)
    assert caught.value.error_class is ErrorClass.POLICY
    for part in ("nowhere.sh", "1X", "etc/../x"):
        assert part in str(caught.value)


@pytest.mark.parametrize("missing", ["85-hygiene-check", "90-deprovision"])
def test_a_platform_without_its_last_steps_is_refused(missing: str) -> None:
    platform = frozenset(name for name in samples.PLATFORM if missing not in name)
    with pytest.raises(PermanentError, match=missing.split("-", 1)[1]):
        provisioners.plan(samples.root_job(), frozenset(samples.BUNDLE), platform)


@pytest.mark.parametrize("job", [samples.root_job(), samples.child_job(), samples.verify_job()])
def test_the_platform_steps_of_this_repository_are_accepted(job: wire.BuildJob) -> None:
    images = Path(__file__).parents[4] / "images"
    files = [
        path for folder in ("platform", "roles") for path in (images / folder).rglob("*") if path.is_file()
    ]
    names = frozenset(str(path.relative_to(images)) for path in files)
    assert provisioners.plan(job, frozenset(samples.BUNDLE), names).scripts


def test_the_verify_run_makes_no_image_and_boots_the_quarantined_version() -> None:
    source = _source(samples.verify_job())
    assert source["skip_create_image"] is True
    assert source["shared_image_gallery"] == {
        "subscription": samples.SUBSCRIPTION,
        "resource_group": "rg-gallery",
        "gallery_name": "quarantine",
        "image_name": "payments-api",
        "image_version": "1.20261121.1",
    }


@pytest.mark.parametrize("job", [samples.root_job(), samples.child_job(), samples.verify_job()])
def test_the_source_is_either_marketplace_or_gallery_and_identity_has_no_tenant(job: wire.BuildJob) -> None:
    source = _source(job)
    assert ("image_publisher" in source) != ("shared_image_gallery" in source)
    assert "tenant_id" not in source
    assert len(str(source["custom_resource_build_prefix"])) <= 10


def test_two_attempts_have_prefixes_of_their_own() -> None:
    first, second = samples.root_job(), samples.root_job(attempt=2)
    assert _source(first)["custom_resource_build_prefix"] != _source(second)["custom_resource_build_prefix"]


@pytest.mark.process
@pytest.mark.parametrize("name", ["root-build", "child-build", "verify"])
def test_every_generated_script_is_valid_bash(name: str) -> None:
    bash = shutil.which("bash") or "/bin/bash"
    scripts = sorted((GOLDEN / name / "steps").glob("*.sh"))
    assert scripts
    for script in scripts:
        subprocess.run([bash, "-n", str(script)], check=True, timeout=10)


def _plan(job: wire.BuildJob) -> provisioners.ProvisionPlan:
    return provisioners.plan(job, frozenset(samples.BUNDLE), frozenset(samples.PLATFORM))


def _source(job: wire.BuildJob) -> dict[str, object]:
    rendered = json.loads(template.to_text(template.render(job, _plan(job).blocks)))
    found = rendered["source"]["azure-arm"]["image"]
    assert isinstance(found, dict)
    return found


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _strings(key)
            yield from _strings(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _strings(each)
