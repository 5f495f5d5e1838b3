"""The forward proxy, and the recorded Packer behind it, run as the builder runs them."""

import json
import os
import signal
import subprocess
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from builder import checks, provisioners
from builder import template as builder_template
from local import recorded_packer
from local.arm import launch
from pipeline_core.wire import job as job_wire
from tests.local.arm.conftest import BUILDER, Azure

GROUP = "rg-gallery"


def surroundings(arm: launch.RunningArm, folder: Path, **more: str) -> dict[str, str]:
    given = {
        "PATH": os.environ["PATH"],
        "TMPDIR": str(folder),
        "IDENTITY_ENDPOINT": arm.identity_endpoint,
        "IDENTITY_HEADER": arm.identity_header,
        "HTTPS_PROXY": arm.proxy,
        "HTTP_PROXY": arm.proxy,
        "NO_PROXY": "127.0.0.1,localhost",
        "SSL_CERT_FILE": str(arm.ca_file),
    }
    return {**given, **more}


@pytest.fixture
def image(azure: Azure) -> str:
    """An image definition in quarantine."""
    name = f"image-{uuid.uuid4().hex[:8]}"
    body = {
        "location": "westeurope",
        "properties": {
            "osType": "Linux",
            "osState": "Generalized",
            "identifier": {"publisher": "factory", "offer": "rhel", "sku": name},
        },
    }
    azure.compute.gallery_images.begin_create_or_update(GROUP, "quarantine", name, body).result()
    return name


def template(arm: launch.RunningArm, image: str, folder: Path, **source: Any) -> dict[str, Any]:
    script = folder / "install.sh"
    announced = "printf '%s\\n' 'imagefactory: step 1 of 1: shell: install.sh'"
    script.write_text(f"#!/bin/sh\n{announced}\ntouch {folder}/was-run\n")
    values = {
        "subscription_id": arm.subscription_id,
        "client_id": BUILDER,
        "build_resource_group_name": "rg-build",
        "os_type": "Linux",
        "vm_size": "Standard_D2s_v5",
        "image_publisher": "RedHat",
        "image_offer": "RHEL",
        "image_sku": "9-lvm-gen2",
        "image_version": "9.6.2025112113",
        "azure_tags": {
            "imagefactory-image": image,
            "imagefactory-stage": "build",
            "imagefactory-build": "b.1",
        },
        "shared_image_gallery_destination": {
            "subscription": arm.subscription_id,
            "resource_group": GROUP,
            "gallery_name": "quarantine",
            "image_name": image,
            "image_version": "9.20261121.1",
            "target_region": [{"name": "westeurope", "replicas": 1}],
        },
        **source,
    }
    return {
        "source": {"azure-arm": {"image": values}},
        "build": [
            {
                "sources": ["source.azure-arm.image"],
                "provisioner": [
                    {
                        "shell": {
                            "script": str(script),
                            "environment_vars": ['SECRET=$${file("/etc/hostname")}'],
                        }
                    },
                    {
                        "file": {
                            "direction": "download",
                            "source": "/r/goss.json",
                            "destination": f"{folder}/goss.json",
                        }
                    },
                ],
                "post-processor": [
                    {"manifest": {"output": "manifest.json", "custom_data": {"build": "b.1"}}}
                ],
            }
        ],
    }


def packer(
    arm: launch.RunningArm, folder: Path, wanted: dict[str, Any], *flags: str, **more: str
) -> tuple[int, str]:
    path = folder / "template.pkr.json"
    path.write_text(json.dumps(wanted))
    done = subprocess.run(
        [arm.packer, "build", *flags, str(path)],
        cwd=folder,
        env=surroundings(arm, folder, **more),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def left_over(azure: Azure) -> list[str]:
    kinds = ("virtualMachines", "networkInterfaces", "disks")
    found = azure.resources.resources.list(filter="tagName eq 'imagefactory-build'")
    return [each.id for each in found if each.type.split("/")[1] in kinds]


def test_a_build_makes_a_tagged_version_and_leaves_nothing_else(
    azure: Azure, image: str, tmp_path: Path
) -> None:
    code, output = packer(azure.arm, tmp_path, template(azure.arm, image, tmp_path), "-color=false")
    assert code == 0, output
    version = azure.compute.gallery_image_versions.get(GROUP, "quarantine", image, "9.20261121.1")
    assert version.provisioning_state == "Succeeded"
    assert version.tags["imagefactory-build"] == "b.1"
    (entry,) = json.loads((tmp_path / "manifest.json").read_text())["builds"]
    assert entry["artifact_id"].lower() == version.id.lower()
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


def test_an_existing_version_fails_fast(azure: Azure, image: str, tmp_path: Path) -> None:
    wanted = template(azure.arm, image, tmp_path)
    assert packer(azure.arm, tmp_path, wanted)[0] == 0
    code, output = packer(azure.arm, tmp_path, wanted)
    assert code == 1
    assert "already exists" in output


def test_the_live_gallery_is_out_of_reach(azure: Azure, image: str, tmp_path: Path) -> None:
    body = azure.compute.gallery_images.get(GROUP, "quarantine", image).as_dict()
    properties = {key: body["properties"][key] for key in ("osType", "osState", "identifier")}
    azure.compute.gallery_images.begin_create_or_update(
        GROUP, "live", image, {"location": "westeurope", "properties": properties}
    ).result()
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
        env=surroundings(azure.arm, tmp_path, IF_RECORDED_SCENARIO=str(scenario)),
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


def test_it_starts_fast_and_says_what_it_is(arm: launch.RunningArm) -> None:
    times = []
    for _ in range(3):
        began = time.monotonic()
        text = subprocess.run([arm.packer, "version"], capture_output=True, text=True, check=True).stdout
        times.append(time.monotonic() - began)
    assert text == "Packer vrecorded (no real Packer: replays a recorded run)\n"
    assert min(times) < 0.5


def test_the_recorded_packer_never_leaves_the_machine(
    image: str, arm: launch.RunningArm, tmp_path: Path
) -> None:
    code, output = packer(arm, tmp_path, template(arm, image, tmp_path), HTTPS_PROXY="http://192.0.2.1:3128")
    assert code == 1
    assert "RecordedOnly" in output


def test_the_proxy_leads_azures_names_to_the_emulator_and_refuses_the_rest(arm: launch.RunningArm) -> None:
    ways = {"https": arm.proxy, "http": arm.proxy}
    common: dict[str, Any] = {"proxies": ways, "verify": str(arm.ca_file), "timeout": 5}
    with requests.Session() as session:
        session.trust_env = False
        path = f"/subscriptions/{arm.subscription_id}?api-version=2022-12-01"
        answer = session.get(f"https://management.azure.com{path}", **common)
        assert answer.status_code == 401
        assert f"https://login.microsoftonline.com/{arm.tenant_id}" in answer.headers["WWW-Authenticate"]
        keys = session.get(f"https://login.microsoftonline.com/{arm.tenant_id}/discovery/v2.0/keys", **common)
        assert keys.json()["keys"]
        assert session.get("https://a.vault.azure.net/secrets/x?api-version=7.5", **common).status_code == 401
        query = {
            "api-version": "2018-02-01",
            "resource": "https://management.azure.com/",
            "client_id": BUILDER,
        }
        address = "http://169.254.169.254/metadata/identity/oauth2/token"
        token = session.get(address, params=query, headers={"Metadata": "true"}, **common)
        assert token.json()["client_id"] == BUILDER
        refused = session.get("http://example.com/", **common)
        assert refused.status_code == 403
        for target in (
            "https://example.com/",
            "https://management.azure.com.example.com/",
            "https://x.y.vault.azure.net/",
        ):
            with pytest.raises(requests.exceptions.ProxyError):
                session.get(target, **common)
    seen = arm.ask("GET", "requests")["refused"]
    assert {"http://example.com", "example.com:443", "management.azure.com.example.com:443"} <= set(seen)


def test_it_takes_what_the_builder_writes(azure: Azure, image: str, tmp_path: Path) -> None:
    """Both stages of a job of the real builder, rendered by its own modules."""
    arm = azure.arm
    home = {"subscription_id": arm.subscription_id, "resource_group": GROUP, "gallery": "quarantine"}
    destination = job_wire.GalleryImage(**home, image=image, version="9.20261121.7")
    marketplace = job_wire.MarketplaceImage(
        publisher="RedHat", offer="RHEL", sku="9-lvm-gen2", version="9.6.2025112113"
    )
    bundle = frozenset({"install.sh", "goss.yaml", "smoke.sh"})
    platform = frozenset(
        f"platform/{name}"
        for name in (
            "before/10-update.sh",
            "after/85-hygiene-check.sh",
            "after/90-deprovision.sh",
            "verify/run.sh",
        )
    )
    for stage, source in (("build", marketplace), ("verify", destination)):
        job = job_wire.BuildJob(
            build=f"{image}.0123456789ab.1",
            image=image,
            stage=stage,
            attempt=1,
            is_root=False,
            source=source,
            destination=destination,
            placement=job_wire.Placement(
                subscription_id=arm.subscription_id,
                client_id=BUILDER,
                location="westeurope",
                resource_group="rg-build",
                vm_size="Standard_D2s_v5",
                generation="V2",
                security_type="TrustedLaunch",
            ),
            steps=(job_wire.Step(kind="shell", path="install.sh"),),
            tests=job_wire.Tests(goss="goss.yaml", smoke=("smoke.sh",), profile="cis_server_l1"),
            bundle="a" * 64,
            platform="b" * 64,
            timeout_seconds=60,
            lease_until=datetime(2026, 11, 21, tzinfo=UTC),
            tags={"imagefactory-build": "b.1", "imagefactory-image": image, "imagefactory-stage": stage},
        )
        folder = tmp_path / stage
        plan = provisioners.plan(job, bundle, platform)
        (folder / "steps").mkdir(parents=True)
        for name in ("bundle.tar.gz", "platform.tar.gz", "catalog.json"):
            (folder / name).write_bytes(b"")
        for script in plan.scripts:
            (folder / script.file).write_text(script.content)
        code, output = packer(arm, folder, dict(builder_template.render(job, plan.blocks)))
        assert code == 0, output
    assert "imagefactory: step 1 of 1: platform: verify" in output
    assert azure.compute.gallery_image_versions.get(GROUP, "quarantine", image, "9.20261121.7").tags
    files = {name: (tmp_path / "verify" / "results" / name).read_bytes() for name in plan.results}
    found = {check.name: check for check in checks.of_verify(files, simulated=False)}
    assert {name for name, check in found.items() if check.passed} == set(found)
    assert set(found) == {"boot", "goss", "smoke", "compliance", "hygiene"}
    assert all(check.simulated for name, check in found.items() if name != "boot")
    assert json.loads(files["compliance.json"])["profile"] == "cis_server_l1"
    assert left_over(azure) == []
