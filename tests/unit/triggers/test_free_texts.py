"""No text of a person or a team reaches a page, a message, a log line or a terminal with a hidden character."""

import dataclasses
import importlib
import json
import logging
import pkgutil
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Annotated, Any, Literal, get_origin

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

import triggers.api
from dashboard import pages
from imagefactory import screen
from pipeline_core import telemetry
from pipeline_core.domain import texts
from pipeline_core.domain.journal import Entry
from pipeline_core.wire import events
from pipeline_core.wire import policy as policy_model
from pipeline_core.wire.document.part import Part
from pipeline_core.wire.image_yaml import model as image_model
from tests.unit.triggers import views
from triggers.api.models import Request

TURNED = "a\u202eb"
HOSTILE = "a\x00b\x1b[31mc\u202ed\u2066e\u200bf\x9bg\u2028h"
# What a service compares with what it knows, or a value type checks. None of them is kept where it is not known.
FORMED = {
    ("RegistrationRequest", "bundle"): "names.Digest",
    ("PlatformRequest", "bundle"): "names.Digest",
    ("PlatformPlanRequest", "bundle"): "names.Digest",
    ("PromoteRequest", "bundle"): "names.Digest",
    ("EndTrialRequest", "bundle"): "names.Digest",
    ("FleetReceiverRequest", "webhook"): "values.https_url",
    ("FleetReceiverRequest", "events"): "journal.Event",
    ("StateRequest", "after"): "cursors",
    ("RetryRequest", "after"): "cursors",
    ("HandoverRequest", "to"): "names.TeamName",
    ("ShareRequest", "to"): "names.TeamName",
    ("AcceptRequest", "release"): "the newest release that the source offers",
}


def requests() -> Iterator[type[Request]]:
    for found in pkgutil.walk_packages(triggers.api.__path__, "triggers.api."):
        importlib.import_module(found.name)
    waiting = [Request]
    while waiting:
        below = waiting.pop().__subclasses__()
        waiting += below
        yield from below


def fields(models: Iterator[type[BaseModel]]) -> list[tuple[type[BaseModel], str]]:
    return [
        (model, name)
        for model in models
        for name, field in model.model_fields.items()
        if "str" in repr(field.annotation) and get_origin(field.annotation) is not Literal
    ]


def takes(model: type[BaseModel], name: str) -> bool:
    """Whether the field takes the text, by the field's own rules."""
    field = model.model_fields[name]
    whole: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    kind: TypeAdapter[Any] = TypeAdapter(whole)
    shapes = [TURNED, [TURNED], {"k": TURNED}, {TURNED: "v"}, {"k": [TURNED]}]
    for shape in shapes:
        try:
            kind.validate_python(shape)
        except (ValidationError, ValueError):
            continue
        return True
    return False


REQUESTS = fields(requests())
PARTS = fields(
    each
    for module in (image_model, policy_model)
    for each in vars(module).values()
    if isinstance(each, type) and issubclass(each, Part) and each.__module__ == module.__name__
)


def test_the_walk_finds_reasons_and_documents() -> None:
    assert len(REQUESTS) >= 8
    assert {model.__name__ for model, name in REQUESTS if name == "reason"} >= {
        "RebuildRequest",
        "CancelRequest",
    }
    assert len(PARTS) >= 20


@pytest.mark.parametrize(("model", "name"), REQUESTS, ids=lambda each: getattr(each, "__name__", each))
def test_a_request_with_a_hidden_character_is_refused(model: type[BaseModel], name: str) -> None:
    is_document = "Json" in repr(model.model_fields[name].annotation)  # walked below, by its parts
    assert takes(model, name) is (is_document or (model.__name__, name) in FORMED)


@pytest.mark.parametrize(("model", "name"), PARTS, ids=lambda each: getattr(each, "__name__", each))
def test_a_document_with_a_hidden_character_is_refused(model: type[BaseModel], name: str) -> None:
    # The environment of a script is not shown as a text: the guest gets it byte by byte.
    assert takes(model, name) is (name == "env")


def spoiled(value: object) -> Any:
    """The same value with the hostile text in each of its texts."""
    if isinstance(value, Enum):
        return value
    if type(value) is str:
        return f"{value}{HOSTILE}"
    if isinstance(value, tuple | list):
        return type(value)(spoiled(each) for each in value)
    if isinstance(value, Mapping):
        return {key: spoiled(each) for key, each in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changes = {each.name: spoiled(getattr(value, each.name)) for each in dataclasses.fields(value)}
        try:
            return dataclasses.replace(value, **changes)
        except ValueError:  # a value type, which has its own form
            return value
    return value


def is_clean(text: str) -> bool:
    return texts.find_hidden(text, keeping=texts.LINES) is None


def test_no_page_shows_a_hidden_character_of_any_field() -> None:
    shown = [
        pages.image(spoiled(views.DETAIL)),
        pages.fleet(spoiled(views.PAGE)),
        pages.poison(spoiled((views.POISON, views.STRAY)), None),
    ]
    assert all(is_clean(text) for text in shown)
    assert all("[31mc" in text for text in shown)  # the walk has reached the pages


def test_no_message_has_a_hidden_character() -> None:
    entries = [each for each in vars(views).values() if isinstance(each, Entry)]
    entries += [each for each in views.DETAIL.journal if isinstance(each, Entry)]
    assert entries
    for entry in entries:
        body = json.loads(events.event_of(dataclasses.replace(entry, actor=HOSTILE, detail=HOSTILE)))
        assert all(is_clean(str(value)) for value in body["data"].values())
        assert "[31mc" in body["data"]["detail"]


def test_no_log_line_and_no_terminal_has_a_hidden_character(capsys: pytest.CaptureFixture[str]) -> None:
    record = logging.makeLogRecord({"name": telemetry.LOGGER, "msg": HOSTILE, "fields": {"text": HOSTILE}})
    line = json.loads(telemetry.JsonFormatter(logging.Formatter()).format(record))
    assert all(texts.find_hidden(str(value)) is None for value in line.values())
    screen.say(HOSTILE)
    screen.table(HOSTILE, [HOSTILE], [[HOSTILE]])
    screen.facts(HOSTILE, {"k": HOSTILE})
    assert is_clean(capsys.readouterr().out)
