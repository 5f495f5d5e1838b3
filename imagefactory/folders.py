"""Reads the folder of a team or of SecOps and checks it as the factory does. Connects to nothing.

Only the factory knows whether a parent exists or a tool is in the catalog. All other errors are found here first.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline_core.domain import waivers
from pipeline_core.domain.definitions import ImageDefinition
from pipeline_core.domain.names import Digest, Region
from pipeline_core.domain.policy import OPEN
from pipeline_core.guard import bundles, catalog, detectors, placeholders
from pipeline_core.wire import bundle as packing
from pipeline_core.wire.bundle import DOCUMENT, PackedBundle
from pipeline_core.wire.document.text import DOCUMENT_LIMIT, read_yaml
from pipeline_core.wire.image_yaml import read as image_yaml
from pipeline_core.wire.problems import InvalidDocument, Problem

CATALOG = "catalog.json"
PLATFORM_PARTS = ("platform", "roles", CATALOG)

_NOT_PACKED = Digest("0" * 64)  # stands for the digest of a folder that cannot be packed
_ANYWHERE = Region("westeurope")  # the factory uses its own; no check here depends on it


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFolder:
    """A folder without problems."""

    document: Mapping[str, object]
    definition: ImageDefinition
    bundle: PackedBundle


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformFolder:
    """The platform steps and the catalog, without problems."""

    catalog: Mapping[str, object]
    bundle: PackedBundle


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A folder of either kind, without problems; `name` is the image's, or `platform`."""

    name: str
    bundle: PackedBundle


def check(folder: Path, *, platform: bool) -> Checked:
    """Check an image's folder, or SecOps' if `platform` or the folder says so; raises InvalidDocument."""
    is_platform = platform or (not (folder / DOCUMENT).exists() and (folder / CATALOG).exists())
    if is_platform:
        return Checked(name="platform", bundle=load_platform(folder).bundle)
    image = load_image(folder)
    return Checked(name=str(image.definition.name), bundle=image.bundle)


def load_image(folder: Path) -> ImageFolder:
    """Read, pack and check an image's folder; raises InvalidDocument with the problems of all three."""
    problems: list[Problem] = []
    bundle = _packed(folder, problems)
    document: Mapping[str, object] | None = None
    definition: ImageDefinition | None = None
    try:
        document = read_yaml(_text(folder, DOCUMENT))
        digest = bundle.digest if bundle else _NOT_PACKED
        definition = image_yaml.parse_definition(document, bundle=digest, location=_ANYWHERE)
    except InvalidDocument as error:
        problems[:0] = error.problems
    if definition is not None and bundle is not None:
        problems += [
            found.as_problem()
            for found in bundles.check_definition(definition, bundle.names, detectors.forms())
        ]
    if definition is not None:
        refused = waivers.refusals(definition, OPEN, datetime.now(tz=UTC).date())
        problems += [Problem(path=each.path, message=each.message, remedy=each.remedy) for each in refused]
    if problems or document is None or definition is None or bundle is None:
        raise InvalidDocument(problems)
    return ImageFolder(document=document, definition=definition, bundle=bundle)


def load_catalog(folder: Path) -> Mapping[str, object]:
    """Read and check the catalog alone; raises InvalidDocument with every problem."""
    document = _json(_text(folder, CATALOG))
    found = (*catalog.check_catalog(document), *placeholders.in_catalog(document))
    if found:
        raise InvalidDocument([each.as_problem() for each in found])
    return document


def load_platform(folder: Path) -> PlatformFolder:
    """Read, pack and check the platform steps; raises InvalidDocument with every problem."""
    problems: list[Problem] = []
    bundle = _packed(folder, problems, only=PLATFORM_PARTS)
    document: dict[str, object] | None = None
    try:
        document = _json(_text(folder, CATALOG))
    except InvalidDocument as error:
        problems += error.problems
    if document is not None:
        of_catalog = (*catalog.check_catalog(document), *placeholders.in_catalog(document))
        problems += [found.as_problem() for found in of_catalog]
    if bundle is not None:
        problems += [found.as_problem() for found in placeholders.in_platform(bundle.content)]
        problems += [found.as_problem() for found in bundles.check_settings(bundle.content)]
    if bundle is not None and not any(name.startswith("platform/") for name in bundle.names):
        wrong = "has no folder platform/ with steps"
        problems.append(
            Problem(path=str(folder), message=wrong, remedy="name the folder that holds platform/")
        )
    if problems or bundle is None or document is None:
        raise InvalidDocument(problems)
    return PlatformFolder(catalog=document, bundle=bundle)


def _packed(folder: Path, problems: list[Problem], *, only: tuple[str, ...] = ()) -> PackedBundle | None:
    try:
        bundle = packing.pack(folder, only=only)
    except InvalidDocument as error:
        problems += error.problems
        return None
    except OSError as error:
        problems.append(_unreadable(error.filename or str(folder), error))
        return None
    problems += [found.as_problem() for found in bundles.check_bundle(bundle.content, detectors.forms())]
    return bundle


def _text(folder: Path, name: str) -> bytes:
    path = folder / name
    if path.is_symlink() or not path.is_file():
        remedy = f"put it into {folder}; docs/authoring.md has an example"
        raise InvalidDocument(
            [Problem(path=name, message="is missing or is not a plain file", remedy=remedy)]
        )
    try:
        with path.open("rb") as stream:
            return stream.read(DOCUMENT_LIMIT + 1)
    except OSError as error:
        raise InvalidDocument([_unreadable(name, error)]) from error


def _json(text: bytes) -> dict[str, object]:
    if len(text) > DOCUMENT_LIMIT:
        raise InvalidDocument([_no_json(f"is larger than {DOCUMENT_LIMIT // 1024} KiB", "shorten it")])
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidDocument([_no_json(f"is not JSON: {error}", "repair the JSON")]) from error
    if not isinstance(document, dict):
        raise InvalidDocument([_no_json("is not a mapping", 'begin with {"entries": [...]}')])
    return document


def _no_json(message: str, remedy: str) -> Problem:
    return Problem(path=CATALOG, message=message, remedy=remedy)


def _unreadable(name: str, error: OSError) -> Problem:
    return Problem(path=name, message=f"cannot be read: {error.strerror}", remedy="look at its permissions")
