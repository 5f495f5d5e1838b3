"""The parts of a JSON template that the recorded Packer reads: sources, provisioners, post-processors, errors.

Nothing is evaluated and nothing is run. An expression that a real Packer would evaluate is an error here. So a team's
value without its escapes is found at once.
"""

import json
import os
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

Block = dict[str, Any]

_EXPRESSION = re.compile(r"(?<!\$)\$\{|(?<!%)%\{")
# The only expressions that the builder writes: the source of a workload identity's token, and the machine's address.
_OURS = {
    ("template.source.azure-arm.image.oidc_request_token", "${var.oidc_request_token}"),
    ("template.build.provisioner.shell-local.environment_vars", "IMAGEFACTORY_HOST=${build.Host}"),
}
_INDEX = re.compile(r"\[\d+\]")
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_CREDENTIALS = ("client_secret", "client_jwt", "client_cert_path", "oidc_request_url", "use_azure_cli_auth")
_DESTINATION = ("resource_group", "gallery_name", "image_name", "image_version")


class TemplateStep(NamedTuple):
    """A provisioner or post-processor: its type and its values."""

    kind: str
    values: Block


class Template(NamedTuple):
    """One build of one azure-arm source."""

    name: str
    source: Block
    provisioners: tuple[TemplateStep, ...]
    post_processors: tuple[TemplateStep, ...]
    errors: tuple[str, ...]


def read(path: str) -> Template:
    """The template. Raises ValueError if it is not JSON, or has no azure-arm source."""
    with open(path, encoding="utf-8") as stream:
        document = json.load(stream)
    if not isinstance(document, dict):
        raise ValueError("the template is not an object")
    is_legacy = "builders" in document
    found = _legacy(document) if is_legacy else _hcl(document)
    if found is None:
        raise ValueError("the template has no azure-arm source")
    name, source, provisioners, post_processors = found
    errors = (
        []
        if is_legacy
        else [
            f"{where}: the expression {text!r} would be evaluated" for where, text in _expressions(document)
        ]
    )
    template = Template(name, source, provisioners, post_processors, ())
    return template._replace(errors=(*errors, *_problems(template)))


def block(value: Any) -> Block:
    """A nested block. JSON may write it as an object or as a list with one object."""
    if isinstance(value, list):
        value = value[0] if value else {}
    return value if isinstance(value, dict) else {}


def blocks(value: Any) -> list[Block]:
    """The nested blocks of a name that may be repeated."""
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, dict)]


def _hcl(document: Block) -> tuple[str, Block, tuple[TemplateStep, ...], tuple[TemplateStep, ...]] | None:
    sources = block(block(document.get("source")).get("azure-arm"))
    if not sources:
        return None
    name, source = next(iter(sources.items()))
    build = block(document.get("build"))
    chains = [
        step for chain in blocks(build.get("post-processors")) for step in _steps(chain.get("post-processor"))
    ]
    processors = (*_steps(build.get("post-processor")), *chains)
    return f"azure-arm.{name}", _plain(block(source)), _steps(build.get("provisioner")), processors


def _legacy(document: Block) -> tuple[str, Block, tuple[TemplateStep, ...], tuple[TemplateStep, ...]] | None:
    for builder in blocks(document["builders"]):
        if builder.get("type") == "azure-arm":
            steps = [
                tuple(TemplateStep(str(each.get("type")), each) for each in blocks(document.get(kind) or []))
                for kind in ("provisioners", "post-processors")
            ]
            return str(builder.get("name") or "azure-arm"), builder, steps[0], steps[1]
    return None


def _steps(value: Any) -> tuple[TemplateStep, ...]:
    steps = []
    for entry in blocks(value or []):
        for kind, values in entry.items():
            steps += [TemplateStep(kind, _plain(each)) for each in blocks(values)]
    return tuple(steps)


def _plain(value: Any) -> Any:
    """Values without HCL's escapes, as Packer passes them on."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.replace("$${", "${").replace("%%{", "%{") if isinstance(value, str) else value


def _expressions(value: Any, where: str = "template") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _expressions(each, f"{where}.{key}")
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _expressions(each, f"{where}[{index}]")
    elif isinstance(value, str) and _EXPRESSION.search(value) and (_INDEX.sub("", where), value) not in _OURS:
        yield where, value[:80]


def _problems(template: Template) -> Iterator[str]:
    source = template.source
    for required in ("subscription_id", "os_type", "vm_size"):
        if not source.get(required):
            yield f"{required} must be specified"
    if source.get("tenant_id") and not any(source.get(each) for each in _CREDENTIALS):
        yield "tenant_id is set without other credentials: a managed identity is used only without it"
    if bool(source.get("location")) == bool(source.get("build_resource_group_name")):
        yield "specify either a location to create the resource group in or an existing build_resource_group_name"
    yield from _origin_problems(source)
    destination = block(source.get("shared_image_gallery_destination"))
    missing = [each for each in _DESTINATION if not destination.get(each)]
    if missing:
        yield f"shared_image_gallery_destination lacks {', '.join(missing)}"
    elif not _VERSION.fullmatch(str(destination["image_version"])):
        yield "image_version must be Major(int).Minor(int).Patch(int)"
    for step in template.provisioners:
        for path in _files(step):
            if not os.path.exists(path):
                yield f"{step.kind}: stat {path}: no such file or directory"


def _origin_problems(source: Block) -> Iterator[str]:
    platform = [source.get(f"image_{part}") for part in ("publisher", "offer", "sku")]
    gallery = block(source.get("shared_image_gallery"))
    if any(platform) == bool(gallery):
        yield "specify one source: a platform image (image_publisher, image_offer, image_sku) or shared_image_gallery"
    elif gallery and not (gallery.get("id") or (gallery.get("gallery_name") and gallery.get("image_name"))):
        yield "shared_image_gallery lacks id, or gallery_name and image_name"
    elif not gallery and not all(platform):
        yield "image_publisher, image_offer and image_sku belong together"


def _files(step: TemplateStep) -> list[str]:
    values = step.values
    if step.kind in ("shell", "shell-local"):
        return [*([values["script"]] if values.get("script") else []), *(values.get("scripts") or [])]
    if step.kind == "file" and values.get("direction") != "download" and not values.get("generated"):
        return [*([values["source"]] if values.get("source") else []), *(values.get("sources") or [])]
    if step.kind in ("ansible", "ansible-local"):
        return [values["playbook_file"]] if values.get("playbook_file") else []
    return []
