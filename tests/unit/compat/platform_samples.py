"""The platform as each release writes it, with every field."""

from collections.abc import Sequence
from dataclasses import replace

from pipeline_core.domain.platform_trials import EndedTrial, PlatformTrial
from pipeline_core.domain.staleness import Platform
from tests.unit.domain import factories as make
from tests.unit.domain.factories import BASE, NOW


def platforms() -> Sequence[Platform]:
    """The one kind: a trial runs, and one was given up."""
    tools = {"falcon": "https://tools.example.com/falcon"}
    return (
        replace(
            make.PLATFORM,
            urls=tools,
            dropped={"old-agent": NOW},
            announce=True,
            announced_to="base",
            trial=PlatformTrial(
                digest=make.digest("7"),
                catalog=make.PLATFORM.catalog,
                urls=tools,
                images=(BASE,),
                since=NOW,
                by="user:1111@2222",
                over=make.digest("9"),
            ),
            ended=(EndedTrial(digest=make.digest("8"), images=(BASE,)),),
        ),
    )
