"""The rules of costs: an image that rests is not asked for."""

import contextlib
from collections.abc import Iterator

from pipeline_core.domain.names import ImageName
from pipeline_core.domain.plan import ReuseVersion, StartBuild
from pipeline_core.domain.staleness import Stale
from pipeline_core.services.views.outlook import Outlook
from simulation.sabotage.shape import Sabotage, replaced

_find_wish = Outlook.find_wish


@contextlib.contextmanager
def _wakes_what_rests() -> Iterator[None]:
    """Every stale image without an active build seems to begin something."""

    def find_wish(outlook: Outlook, name: ImageName) -> StartBuild | ReuseVersion | object | None:
        is_stale = isinstance(outlook._staleness[name], Stale)
        return _find_wish(outlook, name) or (is_stale and outlook.heads[name].active is None) or None

    with replaced(Outlook, "find_wish", find_wish):
        yield


RULES = (Sabotage(rule="rule-17-resting", patch=_wakes_what_rests, chapters=("sweeps",)),)
