"""All chapters of the story. Each is one subject, draws from its own chance, and runs where a seed's plan names it.

A new chapter is a module with one class, which is added to ALL.
"""

from collections.abc import Mapping

from simulation.chapters.chapter import Chapter
from simulation.chapters.lost_tables import LostTables
from simulation.chapters.policies import PolicyChanges
from simulation.chapters.sweeps import SweepCosts
from simulation.chapters.teams import TeamLimits

ALL: Mapping[str, type[Chapter]] = {
    each.name: each for each in (PolicyChanges, TeamLimits, LostTables, SweepCosts)
}
