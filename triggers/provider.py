"""Gives the services to every entry point. The first event loads and builds them, not the start of the process.

The host imports the function app on each instance before it runs anything there. So the first event loads the modules
of the services and the Azure SDKs. Only `http.load` also imports late.
"""

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline_core.wiring.factory import Factory

Provider = Callable[[], "Factory"]  # a second call is cheap; a test passes its own

_WIRING = "pipeline_core.wiring.factory"


def factory() -> "Factory":
    """The services of this process; raises SettingsError where a setting is missing or wrong."""
    made: Factory = importlib.import_module(_WIRING).factory()
    return made
