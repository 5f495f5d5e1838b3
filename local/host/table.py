"""The function table: imports an app, indexes it once, and checks that this host can run every entry.

A trigger or binding that is not emulated is an error at the start. So no function is silently left out.
"""

import importlib
import inspect
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, unique
from pathlib import Path
from typing import Any

from local.host import app_settings
from local.host.errors import HostError


@unique
class Trigger(Enum):
    """The event that makes a function run. The value is the name of its binding."""

    TIMER = "timerTrigger"  # a schedule
    QUEUE = "queueTrigger"  # a message in a storage queue
    HTTP = "httpTrigger"  # a request
    EVENT_GRID = "eventGridTrigger"  # an event that Event Grid delivers


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One entry. `binding` is the trigger's, with every `%NAME%` of the settings replaced."""

    name: str
    trigger: Trigger
    binding: Mapping[str, Any]
    call: Callable[..., Any]
    is_async: bool
    wants_context: bool
    is_disabled: bool

    @property
    def argument(self) -> str:
        """The parameter that takes the trigger's value."""
        return str(self.binding["name"])


def load_app(folder: Path, module: str = "function_app") -> Any:
    """Import `module` from `folder` and return its `app`. An error in the module is raised unchanged."""
    file = folder / f"{module}.py"
    if not file.exists():  # otherwise another module of that name on the path could run
        raise HostError(f"{folder} has no {file.name}")
    sys.path.insert(0, str(folder))
    loaded = importlib.import_module(module)
    app = getattr(loaded, "app", None)
    if not callable(getattr(app, "get_functions", None)):
        raise HostError(f"{file} has no function app named `app`")
    return app


def index_functions(app: Any, environment: Mapping[str, str]) -> tuple[Function, ...]:
    """The functions of `app`, by name. Call this once, because the SDK refuses to index an app twice."""
    found = [_index(function, environment) for function in app.get_functions()]
    if not found:
        raise HostError("the function app registers no function")
    return tuple(sorted(found, key=lambda function: function.name))


def _index(function: Any, environment: Mapping[str, str]) -> Function:
    name = str(function.get_function_name())
    bindings = [json.loads(raw) for raw in function.get_raw_bindings()]
    call = function.get_user_function()
    triggers = [binding for binding in bindings if str(binding["type"]).endswith("Trigger")]
    known = {member.value: member for member in Trigger}
    if len(triggers) != 1 or triggers[0]["type"] not in known:
        kinds = ", ".join(str(binding["type"]) for binding in triggers) or "none"
        raise HostError(f"function {name}: its trigger ({kinds}) is not emulated by this host")
    trigger = known[triggers[0]["type"]]
    for binding in bindings:
        if binding is not triggers[0] and (trigger, binding["type"], binding["name"]) != _RETURN:
            raise HostError(
                f"function {name}: the binding {binding['type']} ({binding['name']}) is not emulated by this "
                "host; use the SDK in its place"
            )
    parameters = set(inspect.signature(call).parameters)
    if parameters - {"context"} != {triggers[0]["name"]}:
        raise HostError(
            f"function {name}: its parameters are {sorted(parameters)}, its binding gives "
            f"{triggers[0]['name']!r} (and `context` on request)"
        )
    return Function(
        name=name,
        trigger=trigger,
        binding={key: _resolved(value, environment, name) for key, value in triggers[0].items()},
        call=call,
        is_async=inspect.iscoroutinefunction(call),
        wants_context="context" in parameters,
        is_disabled=app_settings.is_disabled(name, environment),
    )


_RETURN = (Trigger.HTTP, "http", "$return")


def _resolved(value: Any, environment: Mapping[str, str], name: str) -> Any:
    if not isinstance(value, str):
        return value
    return app_settings.resolve_placeholders(value, environment, f"function {name}")
