"""A job and a report of each kind, in which every field has a value that is not its default."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from pipeline_core.wire.job import BuildJob
from pipeline_core.wire.report import BuildReport
from tests.unit.domain import factories as make
from tests.unit.domain.factories import BASE, NOW

_ROOT = make.build()
_GALLERY = {
    "subscription_id": "s",
    "resource_group": "rg",
    "gallery": "live",
    "image": "rhel9-java",
    "version": "9.20261121.1",
}
_MARKETPLACE = {"publisher": "RedHat", "offer": "RHEL", "sku": "9-lvm-gen2", "version": "9.6.2025112113"}


def _tool(name: str, sha256: str) -> dict[str, str]:
    address = f"https://x.example.com/{name}.rpm"
    return {"id": name, "version": "7.1", "file": f"{name}.rpm", "url": address, "sha256": sha256}


def jobs() -> Sequence[BuildJob]:
    """A root's and a child's, with every field."""
    shared: dict[str, Any] = {
        "schema_version": 2,
        "build": str(_ROOT.id),
        "image": str(BASE),
        "attempt": 2,
        "destination": _GALLERY | {"gallery": "quarantine"},
        "placement": {
            "subscription_id": "s",
            "client_id": "c",
            "location": "westeurope",
            "resource_group": "rg",
            "vm_subnet_id": "/subscriptions/s/subnets/n",
            "vm_size": "Standard_D2s_v5",
            "generation": "V2",
            "security_type": "TrustedLaunch",
            "os_disk_gb": 64,
            "managed_image": "m",
        },
        "plan": {"publisher": "redhat", "name": "rhel", "product": "rhel-byos"},
        "steps": [
            {"kind": "shell", "path": "scripts/install.sh", "env": {"A": "{{ b }}"}},
            {"kind": "ansible", "path": "playbook.yml"},
            {"kind": "file", "path": "files/app.conf", "destination": "/etc/app.conf"},
        ],
        "catalog": [_tool("falcon", "a" * 64)],
        "tools": [_tool("goss", "e" * 64)],
        "tests": {
            "goss": "goss.yaml",
            "smoke": ["tests/smoke.sh"],
            "profile": "cis_server_l1",
            "tailoring": "files/tailoring.xml",
        },
        "serves": [{"port": 514, "protocol": "udp", "when": "deployed"}],
        "volumes": [{"mount": "/opt", "gb": 20}, {"mount": "/var", "share": 50}],
        "hardening": {"profile": "stig", "fips": True},
        "bundle": "b" * 64,
        "platform": "c" * 64,
        "timeout_seconds": 3600,
        "lease_until": NOW,
        "tags": {"imagefactory-build": str(_ROOT.id)},
    }
    root = {"stage": "build", "is_root": True, "source": {"kind": "marketplace", **_MARKETPLACE}}
    child = {"stage": "verify", "is_root": False, "source": {"kind": "gallery", **_GALLERY}}
    return (BuildJob.model_validate(shared | root), BuildJob.model_validate(shared | child))


def reports() -> Sequence[BuildReport]:
    """One that failed and one that passed, with every field."""
    times = {"started_at": NOW, "ended_at": NOW + timedelta(minutes=4)}
    failed = BuildReport.model_validate(
        {
            "build": str(_ROOT.id),
            "stage": "build",
            "attempt": 2,
            "succeeded": False,
            "packer": "1.11.2",
            "error_class": "provisioner",
            "message": "step 1 failed",
            **times,
        }
    )
    passed = BuildReport.model_validate(
        {
            "build": str(_ROOT.id),
            "stage": "verify",
            "attempt": 1,
            "succeeded": True,
            "packer": "recorded",
            "artifact": "/subscriptions/s/versions/9.20261121.1",
            "checks": [
                {"name": "compliance", "passed": True, "detail": "d", "score": 91.5, "simulated": True}
            ],
            "scan": {
                "profile": "cis_server_l1",
                "score": 91.5,
                "counts": {"passed": 90, "failed": 1},
                "findings": [{"rule": "r", "result": "fail", "severity": "high", "title": "t"}],
                "simulated": True,
            },
            "evidence": [
                {"name": "packages.json", "sha256": "a" * 64, "size": 7, "media_type": "application/json"}
            ],
            **times,
        }
    )
    return (failed, passed)
