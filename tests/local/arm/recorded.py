"""Shared by tests of the recorded Packer: its environment, a template, and a run as the builder makes it."""

import json
import os
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest

from local.arm import launch
from tests.local.arm.conftest import BUILDER, Azure, Body

GROUP = "rg-gallery"


def environment(arm: launch.RunningArm, folder: Path, **more: str) -> dict[str, str]:
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
    body: Body = {
        "location": "westeurope",
        "properties": {
            "osType": "Linux",
            "osState": "Generalized",
            "features": [{"name": "SecurityType", "value": "TrustedLaunchSupported"}],
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
        "managed_image_name": f"if-image-{uuid.uuid4().hex[:12]}",
        "managed_image_resource_group_name": "rg-build",
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
        env=environment(arm, folder, **more),
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
    return [str(each.id) for each in found if str(each.type).split("/")[1] in kinds]
