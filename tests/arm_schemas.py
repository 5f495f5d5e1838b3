"""The official ARM schemas of what the factory sends, beside the project; without them a test is skipped, and says so.

They are reference data of Microsoft (Azure/azure-resource-manager-schemas) and no part of the project: the folder
`../shared/schemas`, or the one that IMAGE_FACTORY_SCHEMAS names.
"""

import functools
import importlib
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests import schema_library

VARIABLE = "IMAGE_FACTORY_SCHEMAS"
_CHECKOUT = Path(__file__).resolve().parents[1]
_COMMON = "common.definitions.json"
_COMMON_URL = "https://schema.management.azure.com/schemas/common/definitions.json"
# The types that have a schema there, by the pattern of their files.
_FILES = {
    "Microsoft.Compute": "Microsoft.Compute.*.json",
    "Microsoft.ContainerInstance": "Microsoft.ContainerInstance.*.json",
}
_VERSION = "apiVersion"


def folder() -> Path:
    """The folder of the schemas; skips the test where there is none."""
    found = Path(os.environ.get(VARIABLE) or _CHECKOUT.parent / "shared" / "schemas")
    if not (found / _COMMON).is_file():
        pytest.skip(
            f"the official ARM schemas are not beside the project ({found}); {VARIABLE} may name their folder"
        )
    return found


def type_of(path: str) -> str:
    """The resource type of a path: `Microsoft.Compute/galleries/images`."""
    provider, *rest = re.split("/providers/", path, flags=re.IGNORECASE)[-1].strip("/").split("/")
    return "/".join((provider, *rest[::2]))


def has_schema(resource_type: str) -> bool:
    """True where the folder describes the type."""
    return _definition(resource_type) is not None


def errors(resource_type: str, name: str, body: Any) -> list[str]:
    """What the schema finds wrong in the body of a PUT or PATCH: a place and a reason each. Unknown keys too."""
    found = _definition(resource_type)
    if found is None:
        raise KeyError(resource_type)
    schema, key = found
    versions = schema["resourceDefinitions"][key]["properties"][_VERSION]["enum"]
    document = {**body, "name": name, "type": resource_type, _VERSION: versions[0]}
    validator = schema_library.json_schema().Draft202012Validator(
        {**schema, "$ref": f"#/resourceDefinitions/{key}"}, registry=_registry()
    )
    return [
        f"{'/'.join(map(str, each.absolute_path)) or 'the body'}: {each.message}"
        for error in validator.iter_errors(document)
        for each in _deepest(error)
    ]


def _deepest(error: Any) -> list[Any]:
    """The errors below each alternative that is no template expression; the error itself where it has none."""
    below = [each for each in error.context if "expression" not in str(each.schema.get("description", ""))]
    below = [each for each in below if each.schema_path[0] == 0]  # the first alternative is the type itself
    return [one for each in below for one in _deepest(each)] or [error]


def _definition(resource_type: str) -> tuple[dict[str, Any], str] | None:
    provider, _, rest = resource_type.partition("/")
    key = rest.replace("/", "_")
    schema = _schema(provider) if provider in _FILES else None
    return None if schema is None or key not in schema["resourceDefinitions"] else (schema, key)


@functools.cache
def _schema(provider: str) -> dict[str, Any]:
    (file,) = folder().glob(_FILES[provider])
    loaded: dict[str, Any] = _strict(json.loads(file.read_text("utf-8")))
    loaded.pop("id", None)
    loaded.pop("$schema", None)
    return loaded


@functools.cache
def _registry() -> Any:
    referencing = importlib.import_module("referencing")
    draft = importlib.import_module("referencing.jsonschema").DRAFT4
    common = json.loads((folder() / _COMMON).read_text("utf-8"))
    resource = referencing.Resource.from_contents(common, default_specification=draft)
    return referencing.Registry().with_resource(_COMMON_URL, resource)


def _strict(schema: Any) -> Any:
    """The same schema, which also refuses keys that it does not name: a misspelt property has no effect on Azure."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    stricter = {key: _strict(each) for key, each in schema.items()}
    if (
        isinstance(stricter.get("properties"), dict)
        and stricter["properties"]
        and stricter.get("type") == "object"
    ):
        stricter.setdefault("additionalProperties", False)
    return stricter
