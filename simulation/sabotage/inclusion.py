"""The rules of the moment before `latest`: a second look at the wish and at the proof, and SecOps' floor."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from pipeline_core.domain.builds import Build
from pipeline_core.domain.errors import NotProven
from pipeline_core.domain.policy import ComplianceFloor
from pipeline_core.domain.proofs import Proof, PublicationRecord, VersionFacts
from pipeline_core.domain.wanted import Answer, Wish
from pipeline_core.ports import GalleryImageVersion
from pipeline_core.services.policies.floors import PolicyRules
from pipeline_core.services.policies.policy import Policies
from pipeline_core.services.provenance.publications import Publications
from pipeline_core.services.versions.turns import Turns
from simulation.sabotage.shape import Sabotage, replaced

_demand = Turns.demand


@contextlib.contextmanager
def _asks_no_second_time() -> Iterator[None]:
    """What was wanted when it began is wanted when it is published."""
    wishes = SimpleNamespace(judge=lambda build, known: Answer(wish=Wish.ASKED))
    with replaced(Turns, "demand", _with(wishes=wishes)):
        yield


@contextlib.contextmanager
def _believes_the_copy() -> Iterator[None]:
    """What was proven when its copy began is proven when the copy is complete."""

    def examine(turns: Turns, build: Build, live: GalleryImageVersion) -> None:
        with contextlib.suppress(NotProven):
            turns.provenance.attest(live)

    with replaced(Turns, "_examine", examine):
        yield


@contextlib.contextmanager
def _keeps_no_record() -> Iterator[None]:
    """What the gallery shows of a copy is compared with itself, and not written down."""

    def record(publications: Publications, proof: Proof, facts: VersionFacts) -> PublicationRecord:
        return PublicationRecord(
            statement=str(proof.digest), subject=proof.subject, tags=proof.tags, facts=facts
        )

    with replaced(Publications, "record", record):
        yield


def _with(**parts: object) -> Any:
    """A version's turn is asked of these parts instead of the factory's."""
    changes: Any = parts
    return lambda turns, build, live: _demand(replace(turns, **changes), build, live)


@contextlib.contextmanager
def _judges_without_a_floor() -> Iterator[None]:
    """The gates know the definition alone."""
    with replaced(Policies, "floor_of", lambda policies, image: ComplianceFloor()):
        yield


@contextlib.contextmanager
def _registers_without_a_floor() -> Iterator[None]:
    """A team may demand less than SecOps."""
    with replaced(PolicyRules, "problems", lambda rules, definition, policy: iter(())):
        yield


_BY_HAND: dict[str, Any] = {"faults": "none", "images": 6, "chapters": ("by-hand",)}
_POLICIES: dict[str, Any] = {"faults": "light", "images": 8, "chapters": ("policies",)}
RULES = (
    Sabotage(rule="rule-13-second-look", patch=_asks_no_second_time, **_BY_HAND),
    Sabotage(rule="proof-before-latest", patch=_believes_the_copy, **_BY_HAND),
    Sabotage(rule="record-before-latest", patch=_keeps_no_record, **_BY_HAND),
    Sabotage(rule="floor-at-the-gates", patch=_judges_without_a_floor, **_POLICIES),
    Sabotage(rule="floor-at-registration", patch=_registers_without_a_floor, **_POLICIES),
)
