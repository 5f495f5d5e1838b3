"""The Packer template as JSON, from a job and its provisioner blocks. Pure.

Packer evaluates `${...}`, `%{...}` and `{{...}}` in the strings of a template, in the builder's container. So only
values of a strict alphabet become such strings. All other values are in files (`guest`). The builder itself writes two
expressions: the name of the variable that holds the token of a workload identity, and Packer's name for the address of
the machine.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping

from builder.credential import PACKER_VARIABLE, Credential, ManagedIdentity, WorkloadIdentity
from builder.packer.provisioners import Block
from pipeline_core.domain.attempts import TAG_PREFIX
from pipeline_core.domain.blob_rights import MANIFEST
from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.domain.resource_tags import EVALUATED
from pipeline_core.wire.job import BuildJob, GalleryImage, MarketplaceImage, Placement

_PLAIN = re.compile(r"[A-Za-z0-9(_.][A-Za-z0-9 ._:/@+()=,-]{0,255}", re.ASCII)
_SUBNET = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/([^/]+)/providers/Microsoft\.Network"
    r"/virtualNetworks/([^/]+)/subnets/([^/]+)",
    re.ASCII | re.IGNORECASE,
)
_ON_AZURE = ManagedIdentity()
# The plugin requires a destination that does not exist, even if no image is made.
_NO_VERSION = "0.0.0"


def render(job: BuildJob, blocks: Iterable[Block], credential: Credential = _ON_AZURE) -> dict[str, object]:
    """The whole template. Raises PermanentError (template) for a value that Packer could evaluate."""
    return {
        "packer": {
            "required_version": ">= 1.11.0",
            "required_plugins": {"azure": {"source": "github.com/hashicorp/azure", "version": "~> 2"}},
        },
        # Declared for every kind of credential. So templates differ only in the three keys of a credential.
        "variable": {PACKER_VARIABLE: {"type": "string", "default": "", "sensitive": True}},
        "source": {"azure-arm": {"image": _source(job) | _credential(credential)}},
        "build": [
            {
                "sources": ["source.azure-arm.image"],
                "provisioner": list(blocks),
                "post-processor": [{"manifest": {"output": MANIFEST}}],
            }
        ],
    }


def to_text(template: Mapping[str, object]) -> str:
    """The bytes that Packer reads, always the same for the same template."""
    return json.dumps(template, indent=2, sort_keys=True, ensure_ascii=True) + "\n"


def _source(job: BuildJob) -> dict[str, object]:
    place = job.placement
    source: dict[str, object] = {
        "subscription_id": _plain("subscription", place.subscription_id),
        "client_id": _plain("client id", place.client_id),
        "build_resource_group_name": _plain("resource group", place.resource_group),
        "os_type": "Linux",
        "vm_size": _plain("machine size", place.vm_size),
        "communicator": "ssh",
        "ssh_username": "packer",
        "ssh_timeout": "20m",
        "polling_duration_timeout": "45m",
        "shared_image_gallery_timeout": "120m",
        "shared_gallery_image_version_exclude_from_latest": True,
        "shared_image_gallery_destination": _destination(job),
        "azure_tags": {_tag(name): _tag_value(name, value) for name, value in job.tags.items()},
        "custom_resource_build_prefix": _prefix(job),
    }
    source |= _origin(job)
    source |= _plan(job)
    source |= _network(place)
    if place.security_type == "TrustedLaunch":
        source |= {"security_type": "TrustedLaunch", "secure_boot_enabled": True, "vtpm_enabled": True}
    if place.os_disk_gb is not None:
        source["os_disk_size_gb"] = place.os_disk_gb
    if place.managed_image:
        # Packer leaves it behind with the tags of the build; the driver removes it when the version is there.
        source |= {
            "managed_image_name": _plain("managed image", place.managed_image),
            "managed_image_resource_group_name": _plain("resource group", place.resource_group),
        }
    if job.stage == "verify":
        source["skip_create_image"] = True
    return source


def _credential(credential: Credential) -> dict[str, object]:
    match credential:
        case ManagedIdentity():
            return {}  # the plugin requests a managed identity's token only without a tenant
        case WorkloadIdentity():
            return {
                "tenant_id": _plain("tenant", credential.tenant_id),
                "oidc_request_url": credential.oidc_request_url,  # `settings` checks its alphabet
                "oidc_request_token": f"${{var.{PACKER_VARIABLE}}}",
            }


def _origin(job: BuildJob) -> dict[str, object]:
    match job.source:
        case MarketplaceImage() as image:
            return {
                "image_publisher": _plain("publisher", image.publisher),
                "image_offer": _plain("offer", image.offer),
                "image_sku": _plain("SKU", image.sku),
                "image_version": _plain("version", image.version),
            }
        case GalleryImage() as image:
            return {"shared_image_gallery": _gallery(image)}


def _plan(job: BuildJob) -> dict[str, object]:
    """Both stages name the plan: also a machine that is made from a version of ours needs it.

    The plugin adds four tags of its own for it. One of them is always empty.
    """
    plan = job.plan
    if plan is None:
        return {}
    return {
        "plan_info": {
            "plan_name": _plain("plan", plan.name),
            "plan_product": _plain("product of the plan", plan.product),
            "plan_publisher": _plain("publisher of the plan", plan.publisher),
        }
    }


def _destination(job: BuildJob) -> dict[str, object]:
    image = job.destination
    version = _NO_VERSION if job.stage == "verify" else image.version
    return {
        **_gallery(image.model_copy(update={"version": version})),
        # Replicated in full. Azure does not document that a shallow version may be the source of a copy, and a live
        # version is a copy.
        # Not `target_region`: the tests also run older plugins, which know only this key.
        "replication_regions": [_plain("region", job.placement.location)],
    }


def _gallery(image: GalleryImage) -> dict[str, object]:
    return {
        "subscription": _plain("subscription", image.subscription_id),
        "resource_group": _plain("resource group", image.resource_group),
        "gallery_name": _plain("gallery", image.gallery),
        "image_name": _plain("image", image.image),
        "image_version": _plain("version", image.version),
    }


def _network(place: Placement) -> dict[str, object]:
    if not place.vm_subnet_id:
        return {}
    found = _SUBNET.fullmatch(place.vm_subnet_id)
    if found is None:
        raise PermanentError(
            ErrorClass.TEMPLATE, f"{place.vm_subnet_id[:200]!r} is not an ARM id of a subnet"
        )
    group, network, subnet = found.groups()
    return {
        "virtual_network_resource_group_name": _plain("resource group", group),
        "virtual_network_name": _plain("network", network),
        "virtual_network_subnet_name": _plain("subnet", subnet),
        "private_virtual_network_with_public_ip": False,
    }


def _prefix(job: BuildJob) -> str:
    """At most ten characters, which distinguish this attempt's resources from all others."""
    attempt = f"{job.build}/{job.stage}-{job.attempt}"
    return "if" + hashlib.sha256(attempt.encode()).hexdigest()[:8]


def _tag(name: str) -> str:
    return _plain("tag", name) if name.startswith(TAG_PREFIX) else _unevaluated("the name of a tag", name)


def _tag_value(name: str, value: str) -> str:
    if name.startswith(TAG_PREFIX):
        return _plain(f"tag {name}", value)
    return _unevaluated(f"tag {name}", value)


def _unevaluated(what: str, text: str) -> str:
    """SecOps' own tags hold what Azure permits. Without braces, Packer finds nothing in them to evaluate."""
    if not text.isprintable() or any(each in EVALUATED for each in text):
        raise PermanentError(
            ErrorClass.TEMPLATE, f"{what} {text[:120]!r} cannot be in a template: remove {{ and }}"
        )
    return text


def _plain(what: str, value: str) -> str:
    if not _PLAIN.fullmatch(value):
        raise PermanentError(
            ErrorClass.TEMPLATE,
            f"{what} {value[:120]!r} cannot be in a template: use letters, digits and ._:/@+()=,-",
        )
    return value
