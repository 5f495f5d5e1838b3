"""All chapters of the story. Each is one subject, draws from its own chance, and runs where a seed's plan names it.

A new chapter is a module with one class, which is added to ALL.
"""

from collections.abc import Mapping

from simulation.chapters.by_hand import ByHand
from simulation.chapters.chapter import Chapter
from simulation.chapters.copies import FailingCopies
from simulation.chapters.editors import Editors
from simulation.chapters.inputs.catalog import CatalogChanges
from simulation.chapters.inputs.edits import DefinitionEdits
from simulation.chapters.inputs.files import ToolFiles
from simulation.chapters.inputs.sources import TwoSources
from simulation.chapters.inputs.trials import PlatformTrials
from simulation.chapters.lost_tables import LostTables
from simulation.chapters.outages import AzureOutages
from simulation.chapters.policies import PolicyChanges
from simulation.chapters.refreshes import Refreshes
from simulation.chapters.retention import RetentionRuns
from simulation.chapters.sweeps import SweepCosts
from simulation.chapters.teams import TeamLimits
from simulation.chapters.two_galleries import TwoGalleries
from simulation.chapters.upgrades import FactoryReleases
from simulation.chapters.waits.fixes import LastingEdits
from simulation.chapters.waits.late import LateBuilds
from simulation.chapters.waits.pauses import FactoryPauses
from simulation.chapters.waits.tables_down import TablesDown
from simulation.chapters.webhooks import SickReceivers
from simulation.chapters.windows import Windows

_CHAPTERS: tuple[type[Chapter], ...] = (
    PolicyChanges,
    TeamLimits,
    LostTables,
    FailingCopies,
    Windows,
    Editors,
    ByHand,
    SweepCosts,
    TwoGalleries,
    FactoryReleases,
    SickReceivers,
    AzureOutages,
    PlatformTrials,
    CatalogChanges,
    ToolFiles,
    TwoSources,
    DefinitionEdits,
    LateBuilds,
    LastingEdits,
    FactoryPauses,
    TablesDown,
    # Days pass at the end of these: no other chapter's trouble is to last for them.
    Refreshes,
    RetentionRuns,
)
ALL: Mapping[str, type[Chapter]] = {each.name: each for each in _CHAPTERS}
