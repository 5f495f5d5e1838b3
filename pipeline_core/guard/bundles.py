"""The guard for bundles, and for definitions with the bundle that they name. It reports all findings at once."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice

from pipeline_core.domain.definitions import ImageDefinition
from pipeline_core.guard import archive, placeholders, scap, secrets, sources, steps
from pipeline_core.guard.archive import Content, FileStart
from pipeline_core.guard.findings import Finding
from pipeline_core.guard.rules import GuardRule
from pipeline_core.guard.secrets import Form
from pipeline_core.wire import bundle_paths
from pipeline_core.wire.document.text import DOCUMENT_LIMIT

FINDING_LIMIT = 200  # a hostile archive must not make a huge answer
CATALOG = "catalog.json"
# How much of a bundle is scanned for secrets, in bytes of its files for each compressed byte. Text that repeats
# compresses to a twentieth. Tiny files compress to a fiftieth, but by their headers, which are not scanned.
SCAN_RATIO = 32
SCAN_FLOOR = 4 * 1024 * 1024  # bytes that are scanned of any bundle: less than a tenth of a second


def check_bundle(content: bytes, forms: Sequence[Form]) -> tuple[Finding, ...]:
    """What the guard objects to in a packed folder; empty where it may be used.

    An archive inside the bundle is data: the guard never opens it. Only the guest's steps decide about its content.
    """
    return tuple(islice(_bundle_findings(content, forms), FINDING_LIMIT))


def names_in(content: bytes) -> frozenset[str]:
    """The files of a bundle, as far as it can be read."""
    return frozenset(part.name for part in archive.walk(content) if isinstance(part, FileStart))


def check_definition(
    definition: ImageDefinition, names: Collection[str], forms: Sequence[Form]
) -> tuple[Finding, ...]:
    """What the guard objects to in a definition whose bundle holds the files `names`."""
    return (
        *_missing_paths(definition, names),
        *secrets.findings_in_texts(_texts(definition), forms),
        *steps.check_steps(definition.build.provisioners, forms),
        *steps.check_webhooks(definition.notify),
        *placeholders.in_definition(definition),
    )


def catalog_in(content: bytes) -> Mapping[str, object] | None:
    """The catalog that a platform bundle holds; None without one, an empty one where it is not a JSON object."""
    return _document_in(content, CATALOG)


def sources_in(content: bytes) -> Mapping[str, object]:
    """Where builds get packages from, as a platform bundle says it; empty without such settings."""
    return _document_in(content, sources.SETTINGS) or {}


def check_settings(content: bytes, *, is_in_force: bool = False) -> tuple[Finding, ...]:
    """What the guard objects to in the settings of a platform bundle; see `sources.check_sources` and `scap`."""
    hardening = _document_in(content, scap.SETTINGS)
    of_hardening = tuple(scap.check_scap(hardening, is_in_force=is_in_force))
    text = _file_in(content, sources.SETTINGS)
    if text is None:
        return of_hardening
    found = sources.check_sources(_parsed(text), names_in(content), is_in_force=is_in_force)
    return (*found, *of_hardening)


def _document_in(content: bytes, name: str) -> Mapping[str, object] | None:
    text = _file_in(content, name)
    if text is None:
        return None
    document = _parsed(text)
    return document if isinstance(document, dict) else {}


def _file_in(content: bytes, name: str) -> bytes | None:
    """The start of a document in a bundle, a little longer than a document may be. None without it."""
    found: bytearray | None = None
    is_wanted = False
    for part in archive.walk(content):
        if isinstance(part, FileStart):
            is_wanted = part.name == name
            found = bytearray() if is_wanted else found
        elif isinstance(part, Content) and is_wanted and found is not None and len(found) <= DOCUMENT_LIMIT:
            found += part.chunk
    return None if found is None else bytes(found)


def _parsed(text: bytes) -> object:
    """The JSON; None where it is none or too large."""
    try:
        return json.loads(text) if len(text) <= DOCUMENT_LIMIT else None
    except (ValueError, RecursionError):
        return None


def check_platform(content: bytes, given: Mapping[str, object]) -> tuple[Finding, ...]:
    """What keeps a platform bundle from being put in force with the catalog `given`.

    Builds use the bundle's own catalog, so both must be the same. Settings name no placeholder.
    """
    found = (*check_settings(content), *islice(placeholders.in_platform(content), FINDING_LIMIT))
    held = catalog_in(content)
    if held is None or held == given:
        return found
    remedy = "send both from one folder, as `imagefactory platform register` does"
    message = f"is not the {CATALOG} in the bundle"
    differs = Finding(rule=GuardRule.CATALOG_DIFFERS, place="catalog", message=message, remedy=remedy)
    return (differs, *found)


def _bundle_findings(content: bytes, forms: Sequence[Form]) -> Iterator[Finding]:
    """Ends with a finding as soon as more would be scanned than the compressed size allows, however the rest is."""
    scan = secrets.FileScan("bundle", forms)
    left = max(SCAN_FLOOR, SCAN_RATIO * len(content))
    for part in archive.walk(content):
        match part:
            case FileStart():
                scan = secrets.FileScan(part.name, forms)
            case Content():
                left -= len(part.chunk)
                if left < 0:
                    yield _unscannable()
                    return
                yield from scan.look_at(part.chunk)
            case Finding():
                yield part


def _unscannable() -> Finding:
    return Finding(
        rule=GuardRule.BUNDLE_RATIO,
        place="bundle",
        message=f"its files have more than {SCAN_RATIO} times its compressed size, as in an archive bomb",
        remedy="leave out files of repeated bytes, or compress them inside of the bundle",
    )


def _missing_paths(definition: ImageDefinition, names: Collection[str]) -> Iterator[Finding]:
    for place, path in bundle_paths.places_of_paths(definition):
        if path in names:
            continue
        folded = next((name for name in names if name.lower() == path.lower()), None)
        if folded is not None:
            remedy = f"did you mean {folded!r}? Upper and lower case are different in the image"
        else:
            remedy = "add the file to the folder, or see whether .imagefactoryignore leaves it out"
        yield Finding(
            rule=GuardRule.PATH_IN_BUNDLE,
            place=place,
            message=f"{path!r} is not in the bundle",
            remedy=remedy,
        )


def _texts(definition: ImageDefinition) -> Iterator[tuple[str, str]]:
    yield "metadata.description", definition.description
    for key, value in definition.labels:
        yield f"metadata.labels.{key}", value
    target = definition.verify.compliance
    for position, waiver in enumerate(target.waivers if target else ()):
        yield f"spec.verify.compliance.waivers[{position}].reason", waiver.reason
    for position, waiver in enumerate(definition.verify.waivers):
        yield f"spec.verify.waivers[{position}].reason", waiver.reason
        yield f"spec.verify.waivers[{position}].path", waiver.path
    for position, hook in enumerate(definition.notify):
        yield f"spec.notify[{position}].webhook", hook.url
