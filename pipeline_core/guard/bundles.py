"""The guard over bundles, and over definitions against the bundle that they name. Every finding at once."""

from collections.abc import Collection, Iterator
from itertools import islice

from pipeline_core.domain.definitions import ImageDefinition, ShellStep
from pipeline_core.guard import archive, secrets
from pipeline_core.guard.archive import Content, FileStart
from pipeline_core.guard.findings import Finding
from pipeline_core.wire import bundle_paths

FINDING_LIMIT = 200  # a hostile archive must not make a huge answer


def check_bundle(content: bytes) -> tuple[Finding, ...]:
    """What the guard objects to in a packed folder; empty where it may be used."""
    return tuple(islice(_bundle_findings(content), FINDING_LIMIT))


def names_in(content: bytes) -> frozenset[str]:
    """The files of a bundle, as far as it can be read."""
    return frozenset(part.name for part in archive.walk(content) if isinstance(part, FileStart))


def check_definition(definition: ImageDefinition, names: Collection[str]) -> tuple[Finding, ...]:
    """What the guard objects to in a definition whose bundle holds the files `names`."""
    return (*_missing_paths(definition, names), *_secrets(definition))


def _bundle_findings(content: bytes) -> Iterator[Finding]:
    scan = secrets.FileScan("bundle")
    for part in archive.walk(content):
        match part:
            case FileStart():
                scan = secrets.FileScan(part.name)
            case Content():
                yield from scan.look_at(part.chunk)
            case Finding():
                yield part


def _missing_paths(definition: ImageDefinition, names: Collection[str]) -> Iterator[Finding]:
    for place, path in bundle_paths.places_of_paths(definition):
        if path in names:
            continue
        folded = next((name for name in names if name.lower() == path.lower()), None)
        if folded is not None:
            remedy = f"did you mean {folded!r}? Names in the image are told apart by case"
        else:
            remedy = "add the file to the folder, or see whether .imagefactoryignore leaves it out"
        yield Finding(
            rule="path-in-bundle", place=place, message=f"{path!r} is not in the bundle", remedy=remedy
        )


def _secrets(definition: ImageDefinition) -> Iterator[Finding]:
    yield from secrets.findings_in_texts(_texts(definition))
    for position, step in enumerate(definition.build.provisioners):
        for name, value in step.env if isinstance(step, ShellStep) else ():
            if secrets.is_secret_name(name) and value:
                yield Finding(
                    rule="secret-name",
                    place=f"spec.build.provisioners[{position}].env.{name}",
                    message="has the name of a secret and a value",
                    remedy="remove it: what a build is told stays readable; machines get secrets at run time",
                )


def _texts(definition: ImageDefinition) -> Iterator[tuple[str, str]]:
    yield "metadata.description", definition.description
    for key, value in definition.labels:
        yield f"metadata.labels.{key}", value
    for position, step in enumerate(definition.build.provisioners):
        for name, value in step.env if isinstance(step, ShellStep) else ():
            yield f"spec.build.provisioners[{position}].env.{name}", value
    target = definition.verify.compliance
    for position, waiver in enumerate(target.waivers if target else ()):
        yield f"spec.verify.compliance.waivers[{position}].reason", waiver.reason
    for position, hook in enumerate(definition.notify):
        yield f"spec.notify[{position}].webhook", hook.url
