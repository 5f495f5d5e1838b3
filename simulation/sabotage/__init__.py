"""Switches off one rule at a time. Within some seeds, the invariants must then find a violation.

If no seed finds one, the rule is either not needed or not watched. A normal run uses nothing of this package. A new
rule goes into the module of its subject, or into a new one, whose RULES are added here.
"""

from collections.abc import Mapping

from simulation.sabotage import (
    catalog,
    changes,
    costs,
    deletions,
    engine,
    inclusion,
    limits,
    observed,
    outages,
    releases,
    rests,
    retention,
    rows,
    webhooks,
)
from simulation.sabotage.shape import NOTHING, Sabotage

__all__ = ["ALL", "NOTHING", "Sabotage"]

_MODULES = (
    engine,
    inclusion,
    releases,
    rests,
    deletions,
    limits,
    changes,
    costs,
    observed,
    outages,
    retention,
    rows,
    webhooks,
    catalog,
)
ALL: Mapping[str, Sabotage] = {each.rule: each for module in _MODULES for each in module.RULES}
