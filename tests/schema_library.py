"""Libraries that check documents against schemas, loaded at their first use.

`jsonschema` builds 38 grammars when it is imported, which takes seconds. Each worker of pytest collects every test,
so an import at the top of one test module would cost all of them.
"""

import functools
import importlib
from typing import Any


@functools.cache
def json_schema() -> Any:
    """The package jsonschema; it has no types."""
    return importlib.import_module("jsonschema")


def cyclonedx_error(document: str) -> object | None:
    """What CycloneDX's own schema 1.6 finds wrong in a document; None if it is valid."""
    validation = importlib.import_module("cyclonedx.validation.json")
    schema = importlib.import_module("cyclonedx.schema")
    found: object | None = validation.JsonStrictValidator(schema.SchemaVersion.V1_6).validate_str(document)
    return found
