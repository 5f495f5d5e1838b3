"""Put together the platform breakers, and what counts there without a build."""

from dataclasses import dataclass

from pipeline_core.domain.errors import ErrorScope, ScopeKind
from pipeline_core.services.effects.latest import Marks
from pipeline_core.services.outages.aftermath import Aftermath
from pipeline_core.services.outages.latest import LatestAnswers
from pipeline_core.services.outages.outages import Outages
from pipeline_core.wiring.foundation import Foundation


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageParts:
    """Builds use the outages. What changes `latest` without a build uses the marks."""

    outages: Outages
    marks: Marks


def region_of(base: Foundation) -> ErrorScope:
    """The region of the deployment, where an error without a scope holds."""
    return ErrorScope(kind=ScopeKind.REGION, name=str(base.deployment.location))


def outages_of(base: Foundation) -> OutageParts:
    """What counts errors, and what marks versions in `latest`."""
    place = region_of(base)
    aftermath = Aftermath(records=base.records, effects=base.effects)
    outages = Outages(records=base.records, effects=base.effects, aftermath=aftermath, deployment=place)
    answers = LatestAnswers(records=base.records, effects=base.effects, outages=outages, deployment=place)
    return OutageParts(
        outages=outages,
        marks=Marks(galleries=base.ports.galleries, answers=answers),
    )
