"""The forward proxy, and the requests through it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from builder.packer import provisioners
from builder.packer import template as builder_template
from builder.results import checks
from builder.results import ports as ports_found
from local.arm import launch
from pipeline_core.wire import job as job_wire
from tests.local.arm.conftest import BUILDER, Azure
from tests.local.arm.recorded import GROUP, image, left_over, packer, template
from tests.unit.builder import samples

__all__ = ["image"]

_BUNDLE = frozenset({"install.sh", "goss.yaml", "smoke.sh"})
_PLATFORM = frozenset(
    f"platform/{name}"
    for name in (
        "before/10-update.sh",
        "after/70-firewall.sh",
        "after/85-hygiene-check.sh",
        "after/90-deprovision.sh",
        "verify/ports.py",
        "verify/run.sh",
    )
)


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
    """It takes both stages of a job that the real builder's own modules render."""
    arm = azure.arm
    home = {"subscription_id": arm.subscription_id, "resource_group": GROUP, "gallery": "quarantine"}
    destination = job_wire.GalleryImage(**home, image=image, version="9.20261121.7")
    marketplace = job_wire.MarketplaceImage(
        publisher="RedHat", offer="RHEL", sku="9-lvm-gen2", version="9.6.2025112113"
    )
    for stage, source in (("build", marketplace), ("verify", destination)):
        job = _job(arm, image, stage=stage, source=source, destination=destination)
        plan = provisioners.plan(job, _BUNDLE, _PLATFORM)
        folder = _folder_of(tmp_path / stage, plan, job)
        code, output = packer(arm, folder, dict(builder_template.render(job, plan.blocks)))
        assert code == 0, output
    assert "imagefactory: step 1 of 2: platform: ports" in output
    assert "imagefactory: step 2 of 2: platform: verify" in output
    answer = (folder / ports_found.FOUND).read_bytes()
    tried = ports_found.check(job, _PLATFORM, answer, simulated=True)
    assert tried is not None
    assert tried.passed, tried.detail
    assert azure.compute.gallery_image_versions.get(GROUP, "quarantine", image, "9.20261121.7").tags
    files = {name: (tmp_path / "verify" / "results" / name).read_bytes() for name in plan.results}
    results = checks.of_verify(files, job.tests, simulated=False)
    found = {check.name: check for check in results.checks}
    assert {name for name, check in found.items() if check.passed} == set(found)
    assert set(found) == {"boot", "goss", "smoke", "hygiene"}
    assert all(check.simulated for name, check in found.items() if name != "boot")
    assert results.scan is not None
    assert (results.scan.profile, results.scan.simulated) == ("cis_server_l1", True)
    assert left_over(azure) == []


def _job(
    arm: launch.RunningArm, image: str, *, stage: Any, source: Any, destination: Any
) -> job_wire.BuildJob:
    """A job for one stage, with one step and every test."""
    return job_wire.BuildJob(
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
            security_type="Standard" if stage == "build" else "TrustedLaunch",
            managed_image=f"if-image-{image}" if stage == "build" else "",
        ),
        steps=(job_wire.Step(kind="shell", path="install.sh"),),
        tests=job_wire.Tests(goss="goss.yaml", smoke=("smoke.sh",), profile="cis_server_l1"),
        serves=(job_wire.JobPort(port=8443),),
        bundle="a" * 64,
        platform="b" * 64,
        timeout_seconds=60,
        lease_until=datetime(2026, 11, 21, tzinfo=UTC),
        tags={"imagefactory-build": "b.1", "imagefactory-image": image, "imagefactory-stage": stage},
    )


def _folder_of(folder: Path, plan: provisioners.ProvisionPlan, job: job_wire.BuildJob) -> Path:
    """The folder in which the builder runs Packer: archives, catalogue and the plan's scripts."""
    (folder / "steps").mkdir(parents=True)
    for name in ("bundle.tar.gz", "catalog.json"):
        (folder / name).write_bytes(b"")
    (folder / "platform.tar.gz").write_bytes(samples.pack(dict.fromkeys(_PLATFORM, "")))
    (folder / ports_found.ASKED).write_text(json.dumps(ports_found.question(job, _PLATFORM)))
    for script in plan.scripts:
        (folder / script.file).write_text(script.content)
    return folder
