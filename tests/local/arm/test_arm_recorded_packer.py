"""The recorded Packer, run as the builder runs it."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from builder.packer import failures
from builder.packer.command import RunEnd
from local.arm import launch
from local.recorded import packer as recorded_packer
from pipeline_core.domain import releases
from pipeline_core.domain.errors import ErrorClass
from tests.local.arm.conftest import Azure, Body
from tests.local.arm.recorded import GROUP, environment, image, left_over, packer, template

__all__ = ["image"]


def test_a_build_makes_a_tagged_version_and_leaves_nothing_else(
    azure: Azure, image: str, tmp_path: Path
) -> None:
    code, output = packer(azure.arm, tmp_path, template(azure.arm, image, tmp_path), "-color=false")
    assert code == 0, output
    version = azure.compute.gallery_image_versions.get(GROUP, "quarantine", image, "9.20261121.1")
    assert version.provisioning_state == "Succeeded"
    assert version.tags is not None
    assert version.tags["imagefactory-build"] == "b.1"
    # As the real plugin, which names the managed image where a build makes one, and leaves it with the build's tags.
    (entry,) = json.loads((tmp_path / "manifest.json").read_text())["builds"]
    left = azure.compute.images.get("rg-build", entry["artifact_id"].rpartition("/")[2])
    assert entry["artifact_id"].lower() == str(left.id).lower()
    assert (left.tags or {})["imagefactory-build"] == "b.1"
    found = version.as_dict()["properties"]["storageProfile"]["source"]
    assert str(found["id"]).lower() == str(left.id).lower()
    assert (entry["builder_type"], entry["custom_data"]) == ("azure-arm", {"build": "b.1"})
    assert left_over(azure) == []
    assert "recorded" in output
    assert "    azure-arm.image: imagefactory: step 1 of 1: shell: install.sh\n" in output
    assert not (tmp_path / "was-run").exists()
    assert json.loads((tmp_path / "goss.json").read_text())["summary"]["failed-count"] == 0


def test_the_next_build_starts_from_a_gallery_version_and_may_make_no_image(
    azure: Azure, image: str, tmp_path: Path
) -> None:
    assert packer(azure.arm, tmp_path, template(azure.arm, image, tmp_path))[0] == 0
    (tmp_path / "manifest.json").unlink()
    version = azure.compute.gallery_image_versions.get(GROUP, "quarantine", image, "9.20261121.1")
    wanted = template(
        azure.arm, image, tmp_path, shared_image_gallery={"id": version.id}, skip_create_image=True
    )
    source = wanted["source"]["azure-arm"]["image"]
    for part in ("publisher", "offer", "sku", "version"):
        del source[f"image_{part}"]
    code, output = packer(azure.arm, tmp_path, wanted)
    assert code == 0, output
    assert not (tmp_path / "manifest.json").exists()
    assert (
        len(list(azure.compute.gallery_image_versions.list_by_gallery_image(GROUP, "quarantine", image))) == 1
    )
    assert left_over(azure) == []


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"image_version": "9.9.1"}, "VMImage was not found"),
        ({"build_resource_group_name": "nowhere"}, "ResourceGroupNotFound"),
        ({"client_id": "someone"}, ""),
    ],
    ids=["no such source", "no such group", "an unlimited identity may"],
)
def test_what_azure_refuses_fails_the_build(
    azure: Azure, image: str, tmp_path: Path, change: dict[str, str], text: str
) -> None:
    code, output = packer(azure.arm, tmp_path, template(azure.arm, image, tmp_path, **change))
    assert code == (1 if text else 0), output
    assert text in output
    assert left_over(azure) == []


def test_a_deprecated_source_fails_the_build_as_one_that_is_gone(
    azure: Azure, image: str, tmp_path: Path
) -> None:
    old = {"publisher": "RedHat", "offer": "RHEL", "sku": "9-lvm-gen2", "version": "9.2.2023050505"}
    azure.arm.ask("POST", "marketplace", old)
    azure.arm.ask("POST", "marketplace/deprecate", old)
    code, output = packer(
        azure.arm, tmp_path, template(azure.arm, image, tmp_path, image_version=old["version"])
    )
    assert code == 1
    assert releases.speaks_of_release(ErrorClass.NOT_FOUND, output), output
    assert left_over(azure) == []


def test_a_build_needs_the_tag_that_a_policy_demands(azure: Azure, image: str, tmp_path: Path) -> None:
    azure.arm.ask("POST", "tag-policy", {"tag": "cost-centre"})
    try:
        code, output = packer(azure.arm, tmp_path, template(azure.arm, image, tmp_path))
        assert (code, "RequestDisallowedByPolicy" in output) == (1, True), output
        assert left_over(azure) == []
        tags = {"imagefactory-build": "b.1", "Cost-Centre": "4711"}  # names have no case
        code, output = packer(azure.arm, tmp_path, template(azure.arm, image, tmp_path, azure_tags=tags))
        assert code == 0, output
    finally:
        azure.arm.ask("POST", "tag-policy", {"tag": ""})
    assert left_over(azure) == []


def test_a_build_without_accepted_terms_says_that_it_is_about_terms(
    azure: Azure, image: str, tmp_path: Path
) -> None:
    plan = {"publisher": "redhat", "product": "rhel-byos", "name": "rhel-lvm9-gen2"}
    info = {f"plan_{key}": value for key, value in plan.items()}
    byos = {"image_offer": "rhel-byos", "image_sku": "rhel-lvm9-gen2", "plan_info": info}
    azure.arm.ask("POST", "marketplace-terms", plan | {"accepted": False})
    try:
        code, output = packer(azure.arm, tmp_path, template(azure.arm, image, tmp_path, **byos))
    finally:
        azure.arm.ask("POST", "marketplace-terms", plan | {"accepted": True})
    assert code == 1
    failed = failures.of_build(
        ended=RunEnd.BY_ITSELF, stage="build", connected=False, text=output, tail=output, seconds=60
    )
    assert failed.error_class is ErrorClass.TERMS, output
    assert left_over(azure) == []


def test_an_existing_version_fails_fast(azure: Azure, image: str, tmp_path: Path) -> None:
    wanted = template(azure.arm, image, tmp_path)
    assert packer(azure.arm, tmp_path, wanted)[0] == 0
    code, output = packer(azure.arm, tmp_path, template(azure.arm, image, tmp_path))
    assert code == 1
    assert "image version 9.20261121.1 already exists" in output
    code, output = packer(azure.arm, tmp_path, wanted)
    assert code == 1
    assert "managed image named" in output


def test_the_live_gallery_is_out_of_reach(azure: Azure, image: str, tmp_path: Path) -> None:
    body = azure.compute.gallery_images.get(GROUP, "quarantine", image).as_dict()
    properties = {key: body["properties"][key] for key in ("osType", "osState", "identifier")}
    wanted: Body = {"location": "westeurope", "properties": properties}
    azure.compute.gallery_images.begin_create_or_update(GROUP, "live", image, wanted).result()
    wanted = template(azure.arm, image, tmp_path)
    wanted["source"]["azure-arm"]["image"]["shared_image_gallery_destination"]["gallery_name"] = "live"
    code, output = packer(azure.arm, tmp_path, wanted)
    assert code == 1
    assert "AuthorizationFailed" in output
    assert left_over(azure) == []


@pytest.mark.parametrize("how", ["fail-provisioner", "fail-capacity"])
def test_a_scenario_fails_one_image_and_its_machine_is_deleted(
    azure: Azure, image: str, tmp_path: Path, how: str
) -> None:
    scenario = tmp_path / "scenario.json"
    scenario.write_text(json.dumps({image: {"build": [how, "ok"]}}))
    wanted = template(azure.arm, image, tmp_path)
    code, output = packer(azure.arm, tmp_path, wanted, IF_RECORDED_SCENARIO=str(scenario))
    assert code == 1
    assert {"fail-provisioner": "non-zero exit status: 1", "fail-capacity": "AllocationFailed"}[how] in output
    assert left_over(azure) == []
    wanted["source"]["azure-arm"]["image"]["azure_tags"]["imagefactory-attempt"] = "2"
    assert packer(azure.arm, tmp_path, wanted, IF_RECORDED_SCENARIO=str(scenario))[0] == 0


def test_a_failed_smoke_test_is_in_the_results_and_marked_as_simulated(
    azure: Azure, image: str, tmp_path: Path
) -> None:
    scenario = tmp_path / "scenario.json"
    scenario.write_text(json.dumps({image: {"build": "fail-smoke"}}))
    wanted = template(azure.arm, image, tmp_path)
    results = wanted["build"][0]["provisioner"][1]["file"]
    results["destination"] = f"{tmp_path}/out/smoke.json"
    assert packer(azure.arm, tmp_path, wanted, IF_RECORDED_SCENARIO=str(scenario))[0] == 0
    found = json.loads((tmp_path / "out" / "smoke.json").read_text())
    assert found["simulated"] is True
    assert [each["passed"] for each in found["results"]] == [False]


def test_an_interrupted_build_deletes_its_machine(azure: Azure, image: str, tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.json"
    scenario.write_text(json.dumps({image: {"build": "hang"}}))
    path = tmp_path / "template.pkr.json"
    path.write_text(json.dumps(template(azure.arm, image, tmp_path)))
    child = subprocess.Popen(
        [azure.arm.packer, "build", str(path)],
        cwd=tmp_path,
        env=environment(azure.arm, tmp_path, IF_RECORDED_SCENARIO=str(scenario)),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        for line in child.stdout:
            if "Provisioning hangs" in line:
                break
        assert len(left_over(azure)) == 3
        child.send_signal(signal.SIGTERM)
        rest = child.stdout.read()
        assert child.wait(10) == 1
    finally:
        child.kill()
        child.wait()
        if child.stdout:
            child.stdout.close()
    assert "Cancelling build" in rest
    assert left_over(azure) == []


def test_machine_readable_output_escapes_commas(azure: Azure, image: str, tmp_path: Path) -> None:
    code, output = packer(azure.arm, tmp_path, template(azure.arm, image, tmp_path), "-machine-readable")
    assert code == 0
    lines = [line.split(",") for line in output.splitlines()]
    assert all(line[0].isdigit() for line in lines)
    assert any("%!(PACKER_COMMA)" in line[-1] for line in lines if line[2] == "ui")
    assert [line[2:5] for line in lines if line[2] == "artifact"][1][2] == "id"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"vm_size": '${file("/etc/hostname")}'}, "would be evaluated"),
        ({"tenant_id": "t"}, "tenant_id"),
        ({"location": "westeurope"}, "build_resource_group_name"),
        ({"shared_image_gallery": {"id": "x"}}, "one source"),
        ({"os_type": ""}, "os_type"),
    ],
)
def test_validate_finds_what_packer_would_refuse(
    arm: launch.RunningArm,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, Any],
    text: str,
) -> None:
    path = tmp_path / "template.pkr.json"
    path.write_text(json.dumps(template(arm, "image", tmp_path, **change)))
    assert recorded_packer.main(["validate", str(path)]) == 1
    assert text in capsys.readouterr().out
    path.write_text(json.dumps(template(arm, "image", tmp_path)))
    assert recorded_packer.main(["validate", str(path)]) == 0


def test_it_says_what_it_is_and_needs_the_standard_library_alone(arm: launch.RunningArm) -> None:
    text = subprocess.run([arm.packer, "version"], capture_output=True, text=True, check=True).stdout
    assert text == "Packer vrecorded (no real Packer: replays a recorded run)\n"
    assert " -S -m local.recorded.packer " in Path(arm.packer).read_text()  # -S: without site packages


def test_a_command_loads_only_what_it_needs(tmp_path: Path) -> None:
    """A container runs three commands, one after another. Loading costs more than all the rest of them."""
    (tmp_path / "template.json").write_text("{}")
    code = (
        "import sys; from local.recorded import packer; packer.main(sys.argv[1:]); "
        "print(*sorted({'json', 'ssl', 'http.client', 'urllib.request'} & set(sys.modules)))"
    )
    loaded = {
        words: subprocess.run(
            [sys.executable, "-S", "-c", code, *words.split()],
            cwd=tmp_path,
            env={"PYTHONPATH": str(launch.CHECKOUT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()[-1]
        for words in ("version", "validate template.json")
    }
    assert loaded == {"version": "", "validate template.json": "json"}
    code = "import sys, local.recorded.command; print('urllib.request' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=launch.CHECKOUT, capture_output=True, check=True
    )
    assert done.stdout.strip() == b"False"
