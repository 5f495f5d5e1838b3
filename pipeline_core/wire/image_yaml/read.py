"""`image.yaml` as a definition of the domain: parsed with every error at once, and kept by its digest.

Pure: it looks at one document alone. It cannot know whether a parent exists, a tool is in the catalog or a file is in
the bundle.
"""

import hashlib
from collections.abc import Mapping
from datetime import date

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline_core.domain import canonical, definitions
from pipeline_core.domain.definitions import AnsibleStep, FileStep, ImageDefinition, Provisioner, ShellStep
from pipeline_core.domain.names import ChannelName, Digest, ImageName, Region, TeamName
from pipeline_core.domain.sources import MarketplaceSource, Origin, ParentReference, PurchasePlan
from pipeline_core.wire.document.problems import problems_of
from pipeline_core.wire.document.values import seconds_of
from pipeline_core.wire.image_yaml import accepted, model, rules
from pipeline_core.wire.problems import InvalidDocument, Problem

SCHEMA_ID = "https://json-schema.org/draft/2020-12/schema"


class _Blob(BaseModel):
    """A stored definition."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    bundle: str = Field(pattern=r"^[0-9a-f]{64}$")
    document: dict[str, object]


def parse_definition(document: Mapping[str, object], *, bundle: Digest, location: Region) -> ImageDefinition:
    """The definition; raises InvalidDocument with every problem of the document.

    `location` is the factory's region. Marketplace sources are looked up there, and a version without regions
    goes there.
    """
    problems: list[Problem] = []
    parsed: model.Document | None = None
    try:
        parsed = model.Document.model_validate(dict(document))
    except ValidationError as error:
        problems += problems_of(error, model.Document)
    problems += rules.broken_rules(document)
    if problems or parsed is None:
        raise InvalidDocument(problems)
    return _definition(parsed, bundle, location)


def definition_blob(document: Mapping[str, object], bundle: Digest) -> bytes:
    """Canonical JSON of a document that `parse_definition` has accepted. The same document gives the same bytes."""
    return canonical.text({"bundle": str(bundle), "document": document})


def digest_of(content: bytes) -> Digest:
    """The digest that names a definition's blob."""
    return Digest(hashlib.sha256(content).hexdigest())


def read_definition_blob(content: bytes, location: Region) -> ImageDefinition:
    """The definition that `definition_blob` wrote, of this release or another one; raises InvalidDocument.

    It was accepted when it was registered, and today's rules do not judge it again: what it says is taken as it is.
    InvalidDocument means that nobody can say what it means.
    """
    try:
        blob = _Blob.model_validate_json(content)
    except ValidationError as error:
        raise InvalidDocument(problems_of(error, _Blob)) from error
    try:
        return parse_definition(blob.document, bundle=Digest(blob.bundle), location=location)
    except InvalidDocument as refused:
        try:
            return _definition(accepted.read(blob.document), Digest(blob.bundle), location)
        except (ValueError, AssertionError):
            raise refused from None


def json_schema() -> dict[str, object]:
    """The JSON schema of `image.yaml`, for editors and for CI."""
    return {"$schema": SCHEMA_ID, **model.Document.model_json_schema(by_alias=True)}


def _definition(parsed: model.Document, bundle: Digest, location: Region) -> ImageDefinition:
    metadata, spec = parsed.metadata, parsed.spec
    return ImageDefinition(
        name=ImageName(metadata.name),
        team=TeamName(metadata.team),
        owners=tuple(metadata.owners),
        description=metadata.description,
        labels=tuple(sorted(metadata.labels.items())),
        major=spec.version.major,
        plan=_plan(spec.marketplace),
        origin=_origin(spec, location),
        os=definitions.OsTraits(
            generation=spec.os.generation,
            architecture=spec.os.architecture,
            security_type=spec.os.security_type,
        ),
        build=definitions.BuildRecipe(
            vm_size=spec.build.vm_size,
            timeout=seconds_of(spec.build.timeout),
            os_disk_gb=spec.build.os_disk_size_gb,
            volumes=tuple(
                definitions.Volume(mount=each.mount, gb=each.size_gb, share=each.share)
                for each in spec.build.volumes
            ),
            catalog=tuple(spec.build.catalog),
            provisioners=tuple(_step(step) for step in spec.build.provisioners),
        ),
        serves=_served(spec.serves),
        hardening=_hardening(spec.hardening),
        verify=_verification(spec.verify, spec.hardening),
        publish=_publication(spec.publish, location),
        rebuild=definitions.RebuildRules(
            on=frozenset(spec.rebuild.on),
            window=spec.rebuild.window,
            max_age=None if spec.rebuild.max_age is None else seconds_of(spec.rebuild.max_age),
            suspend=spec.rebuild.suspend,
        ),
        retention=definitions.Retention(
            keep=spec.retention.keep,
            max_age=None if spec.retention.max_age is None else seconds_of(spec.retention.max_age),
            keep_in_use=spec.retention.keep_in_use,
        ),
        notify=tuple(
            definitions.Webhook(url=hook.webhook, events=tuple(event.value for event in hook.events))
            for hook in spec.notify
        ),
        bundle=bundle,
    )


def _origin(spec: model.Spec, location: Region) -> Origin:
    if spec.parent is not None:
        return ParentReference(image=ImageName(spec.parent.image), channel=ChannelName(spec.parent.channel))
    source = spec.marketplace
    if source is None:
        raise AssertionError("the rules refuse a document with neither origin")
    return MarketplaceSource(
        publisher=source.publisher, offer=source.offer, sku=source.sku, location=location
    )


def _plan(source: model.Marketplace | None) -> PurchasePlan | None:
    if source is None or source.plan is None:
        return None
    return PurchasePlan(publisher=source.plan.publisher, name=source.plan.name, product=source.plan.product)


def _step(step: model.Provisioner) -> Provisioner:
    if step.shell is not None:
        return ShellStep(script=step.shell, env=tuple(sorted(step.env.items())))
    if step.ansible is not None:
        return AnsibleStep(playbook=step.ansible)
    if step.file is None or step.destination is None:
        raise AssertionError("the rules refuse a document with a step of no kind")
    return FileStep(path=step.file, destination=step.destination)


def _served(ports: list[model.ServedPort]) -> tuple[definitions.ServedPort, ...]:
    found = [definitions.ServedPort(port=each.port, protocol=each.protocol, when=each.when) for each in ports]
    return tuple(sorted(found, key=lambda each: (each.port, each.protocol.value)))


def _hardening(hardening: model.Hardening | None) -> definitions.Hardening:
    if hardening is None:
        return definitions.Hardening()
    return definitions.Hardening(profile=hardening.profile, fips=hardening.fips)


def _verification(verify: model.Verify, hardening: model.Hardening | None) -> definitions.Verification:
    target = verify.compliance
    compliance = None
    if target is None and hardening is not None and hardening.profile is not None:
        # A base is scanned by what it is hardened by. SecOps' policy has the score.
        compliance = definitions.ComplianceTarget(profile=hardening.profile, min_score=0)
    if target is not None:
        waivers = tuple(
            definitions.Waiver(
                rule=waiver.rule,
                reason=waiver.reason,
                owner=waiver.owner or "",
                expires=None if waiver.expires is None else date.fromisoformat(waiver.expires),
            )
            for waiver in target.waivers
        )
        compliance = definitions.ComplianceTarget(
            profile=target.profile,
            min_score=target.min_score,
            waivers=waivers,
            tailoring=target.tailoring,
        )
    return definitions.Verification(
        goss=verify.goss,
        smoke=tuple(verify.smoke),
        compliance=compliance,
        waivers=tuple(map(_other_waiver, verify.waivers)),
    )


def _other_waiver(waiver: model.OtherWaiver) -> definitions.Waiver:
    if waiver.invariant is not None:
        kind = definitions.WaiverKind.INVARIANT
        return definitions.Waiver(rule=waiver.invariant, reason=waiver.reason, kind=kind)
    if waiver.hygiene is None or waiver.path is None:
        raise AssertionError("the rules refuse a waiver of no kind")
    kind = definitions.WaiverKind.HYGIENE
    return definitions.Waiver(rule=waiver.hygiene, path=waiver.path, reason=waiver.reason, kind=kind)


def _publication(publish: model.Publish, location: Region) -> definitions.Publication:
    regions = tuple(
        definitions.TargetRegion(name=Region(region.name), replicas=region.replicas)
        for region in publish.regions
    )
    return definitions.Publication(
        regions=regions or (definitions.TargetRegion(name=location),),
        end_of_life=None if publish.end_of_life is None else seconds_of(publish.end_of_life),
    )
