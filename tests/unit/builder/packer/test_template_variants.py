"""The template for each stage, kind of image, network and credential: golden files, and what may differ."""

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from builder.credential import Credential, ManagedIdentity, WorkloadIdentity
from builder.packer import template
from pipeline_core.wire import job as wire
from tests.unit.builder import samples

TOKEN = "a-token-that-nobody-may-read"
CREDENTIALS: dict[str, Credential] = {
    "managed-identity": ManagedIdentity(),
    "workload-identity": WorkloadIdentity(
        tenant_id="00000000-0000-4000-8000-000000000009",
        oidc_request_url="https://issuer.example.com/idtoken/7?api-version=2.0",
        oidc_request_token=TOKEN,
    ),
}
BLOCKS: tuple[dict[str, object]] = (
    {"shell": {"inline": ["true"]}},
)  # Packer wants one; the plans of real ones are recorded elsewhere
CREDENTIAL_KEYS = {"tenant_id", "oidc_request_url", "oidc_request_token"}
VARIANTS = list(itertools.product(("root", "child"), ("build", "verify"), ("subnet", "no-subnet")))


@pytest.mark.parametrize("credential", CREDENTIALS)
@pytest.mark.parametrize(("kind", "stage", "network"), VARIANTS)
def test_the_source_is_as_recorded(
    kind: str, stage: str, network: str, credential: str, golden: Callable[[str, str], None]
) -> None:
    text = template.to_text(template.render(_job(kind, stage, network), BLOCKS, CREDENTIALS[credential]))

    golden(f"builder/templates/{kind}-{stage}-{network}-{credential}.pkr.json", text)


@pytest.mark.parametrize(("kind", "stage", "network"), VARIANTS)
def test_nothing_but_the_three_credential_keys_differs_between_the_credentials(
    kind: str, stage: str, network: str
) -> None:
    on_azure, elsewhere = (_render(kind, stage, network, credential) for credential in CREDENTIALS)
    source = elsewhere["source"]["azure-arm"]["image"]

    assert set(source) - set(on_azure["source"]["azure-arm"]["image"]) == CREDENTIAL_KEYS
    for key in CREDENTIAL_KEYS:
        del source[key]
    assert elsewhere == on_azure


def test_the_token_is_in_no_template_but_in_a_sensitive_variable() -> None:
    rendered = _render("root", "build", "subnet", "workload-identity")

    assert TOKEN not in template.to_text(rendered)
    assert rendered["source"]["azure-arm"]["image"]["oidc_request_token"] == "${var.oidc_request_token}"
    assert rendered["variable"]["oidc_request_token"]["sensitive"] is True
    assert TOKEN not in repr(CREDENTIALS["workload-identity"])


@pytest.mark.parametrize("credential", CREDENTIALS)
@pytest.mark.parametrize(("kind", "stage", "network"), VARIANTS)
def test_every_template_keeps_to_the_rules(kind: str, stage: str, network: str, credential: str) -> None:
    job = _job(kind, stage, network)
    source = _render(kind, stage, network, credential)["source"]["azure-arm"]["image"]

    assert source["subscription_id"] == samples.SUBSCRIPTION
    assert source["client_id"] == samples.CLIENT
    assert source["build_resource_group_name"] == "rg-build"
    assert "location" not in source  # the plugin takes one of the two
    assert ("tenant_id" in source) is (credential == "workload-identity")
    origin = source.get("shared_image_gallery", source)
    assert origin["image_version"] == job.source.version
    assert source["shared_image_gallery_destination"]["gallery_name"] == "quarantine"
    assert source["shared_gallery_image_version_exclude_from_latest"] is True
    assert source.get("skip_create_image", False) is (stage == "verify")
    assert source["azure_tags"]["imagefactory-build"] == job.build
    assert source["azure_tags"]["imagefactory-lease"] == "2026-11-21T14:00:00Z"
    assert (source["security_type"], source["secure_boot_enabled"], source["vtpm_enabled"]) == (
        "TrustedLaunch",
        True,
        True,
    )
    assert {"polling_duration_timeout", "shared_image_gallery_timeout", "ssh_timeout"} <= set(source)
    assert source.get("private_virtual_network_with_public_ip") is (False if network == "subnet" else None)


def _job(kind: str, stage: str, network: str) -> wire.BuildJob:
    job = samples.root_job() if kind == "root" else samples.child_job()
    placement = samples.placement(subnet=network == "subnet")
    if stage == "build":
        return job.model_copy(update={"placement": placement})
    changes = {"stage": "verify", "source": job.destination, "tags": samples.tags(job.build, "verify")}
    return job.model_copy(update={"placement": placement, **changes})


def _render(kind: str, stage: str, network: str, credential: str) -> dict[str, Any]:
    rendered = template.render(_job(kind, stage, network), BLOCKS, CREDENTIALS[credential])
    loaded: dict[str, Any] = json.loads(template.to_text(rendered))
    return loaded
