"""The way of every entry point to the services: loaded and built by the first event, not at the start.

The host imports the function app on each instance before it runs anything there; loading forty modules of
services belongs to the first event, as the Azure SDKs do. Nothing else is imported late but `http.load`.
"""

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline_core.wiring.factory import Factory

Provider = Callable[[], "Factory"]  # cheap to call again; a test gives its own

_WIRING = "pipeline_core.wiring.factory"


def factory() -> "Factory":
    """The services of this process; raises SettingsError where the settings do not allow them."""
    made: Factory = importlib.import_module(_WIRING).factory()
    return made
