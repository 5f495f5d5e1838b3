"""Write the statement about a version, its inputs, its builder and its evidence: in-toto, SLSA provenance v1.

The same build gives the same bytes: nothing in the statement depends on the current moment, but for who had scanned
the files of tools. This module reads nothing, and signs nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pipeline_core.deployment import Deployment
from pipeline_core.domain import attempts
from pipeline_core.domain.builds import Build
from pipeline_core.domain.errors import InvalidValue
from pipeline_core.domain.names import GalleryName, ImageName
from pipeline_core.domain.proofs import tags_digest, tags_of
from pipeline_core.domain.sources import ParentVersion
from pipeline_core.domain.verdicts import Verdict
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.wire import provenance as wire
from pipeline_core.wire.report import BuildReport, ReportedEvidence

BUILD_TYPE = "https://imagefactory.dev/build/v1"
BUILDER = "https://imagefactory.dev/builder/v1"

_Json = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementFacts:
    """Facts that the build's own row lacks: resource ids of the version, its source and its parent, the other report.

    `source` is the quarantined version, which is copied. `parent` is empty for a root. `built` lists the files that
    the build stage kept. They lie beside the files of `verified`. `scanned` says by the SHA-256 of a tool's
    file who has scanned it, or that the factory has not.
    """

    subject: str
    source: str
    parent: str
    built: tuple[ReportedEvidence, ...]
    builder_image: str
    scanned: Mapping[str, str] = field(default_factory=dict)


def render(
    build: Build, verdicts: tuple[Verdict, ...], verified: BuildReport, facts: StatementFacts
) -> bytes:
    """The statement about a build's version, in its canonical bytes."""
    return wire.canonical(
        {
            "_type": wire.STATEMENT_TYPE,
            "subject": [{"name": facts.subject, "digest": {"sha256": tags_digest(tags_of(build))}}],
            "predicateType": wire.PREDICATE_TYPE,
            "predicate": {
                "buildDefinition": _definition(build, facts),
                "runDetails": {
                    "builder": _builder(verified, facts),
                    "metadata": {
                        "invocationId": str(build.id),
                        "startedOn": _moment(build.started_at or build.created_at),
                        "finishedOn": _moment(verified.ended_at),
                    },
                    "byproducts": [_gates(build, verdicts), *_files(build, verified, facts)],
                },
            },
        }
    )


def version_id(
    deployment: Deployment, gallery: GalleryName, image: ImageName, version: GalleryVersion
) -> str:
    """The resource id of a version in a gallery of this factory."""
    subscription, group = deployment.place(gallery)
    return (
        f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Compute"
        f"/galleries/{gallery}/images/{image}/versions/{version}"
    )


def source_id(deployment: Deployment, copied_from: str) -> str:
    """The resource id of what a version was made from: `GALLERY/IMAGE@VERSION` of this factory, or an id already."""
    galleries = {str(each).lower(): each for each in (*deployment.quarantines, *deployment.live)}
    gallery, _, rest = copied_from.partition("/")
    image, _, version = rest.partition("@")
    if gallery.lower() not in galleries or not version:
        return copied_from
    try:
        name, number = ImageName(image.lower()), GalleryVersion.parse(version)
    except InvalidValue:
        return copied_from  # no image of this factory can have this name, and no statement names it
    return version_id(deployment, galleries[gallery.lower()], name, number)


def _definition(build: Build, facts: StatementFacts) -> _Json:
    inputs = build.inputs
    return {
        "buildType": BUILD_TYPE,
        "externalParameters": {
            "image": str(build.image),
            "lane": build.lane.name,
            "reasons": [str(reason) for reason in build.reasons],
            "team": str(build.team),
            "version": str(build.version),
        },
        "internalParameters": {
            "fingerprint": str(build.fingerprint),
            "generation": build.generation,
            "period": inputs.period,
            "recipe": str(inputs.recipe),
            "source": facts.source,
            "token": "" if inputs.token is None else str(inputs.token),
        },
        "resolvedDependencies": [
            _origin(build, facts),
            _digested("imagefactory:bundle", inputs.bundle),
            _digested("imagefactory:platform", inputs.platform),
            _digested("imagefactory:definition", build.definition),
            *(_tool(tool, facts) for tool in inputs.catalog),
        ],
    }


def _tool(tool: tuple[str, str, str], facts: StatementFacts) -> _Json:
    """A staged tool by its digest, and who scanned its file."""
    name, version, sha256 = tool
    told = facts.scanned.get(sha256)
    scanned: _Json = {} if told is None else {"annotations": {"scannedBy": told}}
    return {**_digested(f"{wire.TOOL}{name}@{version}", sha256), **scanned}


def _origin(build: Build, facts: StatementFacts) -> _Json:
    """The exact parent, or the exact version of the Marketplace, which gives no digest of it."""
    origin = build.inputs.origin
    if isinstance(origin, ParentVersion):
        return {"name": str(origin), "uri": facts.parent}
    return {"name": str(origin), "uri": f"imagefactory:marketplace/{origin}"}


def _builder(verified: BuildReport, facts: StatementFacts) -> _Json:
    name, _, digest = facts.builder_image.partition("@sha256:")
    return {
        "id": BUILDER,
        "version": {"packer": verified.packer},
        "builderDependencies": [_digested(f"docker://{name}", digest)],
    }


def _gates(build: Build, verdicts: tuple[Verdict, ...]) -> _Json:
    judged = {
        verdict.gate: {
            "passed": verdict.passed,
            "evidence": verdict.evidence,
            "simulated": verdict.simulated,
            **({} if verdict.score is None else {"score": verdict.score}),
            **({"waived": [*verdict.waived]} if verdict.waived else {}),
        }
        for verdict in verdicts
    }
    return {"name": wire.GATES, "uri": f"imagefactory:builds/{build.id}/gates", "annotations": judged}


def _files(build: Build, verified: BuildReport, facts: StatementFacts) -> list[_Json]:
    """Every kept file of the attempts that counted, by its digest."""
    stages = (
        (attempts.folder(build.id, "build", build.build_attempt), facts.built),
        (attempts.folder(build.id, verified.stage, verified.attempt), verified.evidence),
    )
    return [
        {
            **_digested(f"imagefactory:builds/{folder}/{kept.name}", kept.sha256),
            "name": kept.name,
            "mediaType": kept.media_type,
        }
        for folder, files in stages
        for kept in sorted(files, key=_name)
    ]


def _name(kept: ReportedEvidence) -> str:
    return kept.name


def _digested(uri: str, sha256: object) -> _Json:
    return {"uri": uri, "digest": {"sha256": str(sha256)}}


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
