"""Which tools a stage needs, and what an image says that lacks one."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline_core.domain import registered_conditions, staged_tools
from pipeline_core.domain.conditions import ConditionType
from pipeline_core.domain.definitions import Architecture
from pipeline_core.domain.names import Digest
from pipeline_core.domain.staged_tools import CatalogTool
from pipeline_core.domain.staleness import Platform
from pipeline_core.domain.tools import ToolRecord, ToolState
from tests.unit.domain import factories as make
from tests.unit.domain.factories import NOW

AGENT: CatalogTool = ("agent", "1.0.0", "a" * 64)
RUNTIME: CatalogTool = ("runtime", "2.1", "b" * 64)


def record(tool: CatalogTool, state: ToolState, *, reason: str = "") -> Mapping[Digest, ToolRecord]:
    digest = Digest(tool[2])
    return {digest: ToolRecord(sha256=digest, state=state, at=NOW, reason=reason)}


@pytest.mark.parametrize(("is_root", "needed"), [(True, ("scap-security-guide",)), (False, ())])
def test_only_a_base_is_hardened(*, is_root: bool, needed: tuple[str, ...]) -> None:
    assert staged_tools.of_build(is_root=is_root) == needed


@pytest.mark.parametrize(
    ("architecture", "is_scanned", "needed"),
    [
        (Architecture.X64, False, ("goss",)),
        (Architecture.X64, True, ("goss", "scap-security-guide")),
        (Architecture.ARM64, False, ("goss-arm64",)),
        (Architecture.ARM64, True, ("goss-arm64", "scap-security-guide")),
    ],
)
def test_a_version_is_verified_by_the_goss_of_its_processor(
    architecture: Architecture, needed: tuple[str, ...], *, is_scanned: bool
) -> None:
    assert staged_tools.of_verify(architecture, is_scanned=is_scanned) == needed


def test_a_message_is_one_line_however_many_there_are() -> None:
    assert staged_tools.why_not([AGENT, AGENT]) == (
        "the file of agent 1.0.0 (aaaaaaaaaaaa) is not admitted: SecOps runs `imagefactory catalog submit DIR`"
    )
    many = staged_tools.why_not((f"tool-{number}", "1", f"{number}" * 64) for number in range(9))
    assert many.startswith("the files of tool-0 1 (000000000000), ")
    assert " and 4 more are not admitted" in many
    assert "tool-5" not in many


def test_an_image_names_its_own_tools_whose_files_are_not_admitted() -> None:
    head = make.head(catalog=("agent", "ghost", "runtime"))
    platform = Platform(digest=Digest("c" * 64), catalog={"agent": AGENT, "runtime": RUNTIME, "other": AGENT})
    admitted = record(AGENT, ToolState.ADMITTED)
    assert registered_conditions.unadmitted(head, None, {}) == ()
    assert registered_conditions.unadmitted(head, platform, admitted) == (RUNTIME,)
    quarantined = {**admitted, **record(RUNTIME, ToolState.QUARANTINED)}
    assert registered_conditions.unadmitted(head, platform, quarantined) == (RUNTIME,)
    both = {**admitted, **record(RUNTIME, ToolState.ADMITTED)}
    assert registered_conditions.unadmitted(head, platform, both) == ()


def test_the_condition_says_since_when_and_what_the_scanner_found() -> None:
    assert registered_conditions.of_admission((), {}) == ()
    (unseen,) = registered_conditions.of_admission((AGENT,), {})
    assert (unseen.type, unseen.reason, unseen.since) == (
        ConditionType.CATALOG_NOT_ADMITTED,
        "FileNotAdmitted",
        None,
    )
    known = dict(record(AGENT, ToolState.REFUSED, reason="Malicious"))
    later = record(RUNTIME, ToolState.REQUESTED)
    known |= {digest: replace(each, at=NOW + timedelta(days=1)) for digest, each in later.items()}
    (refused,) = registered_conditions.of_admission((AGENT, RUNTIME), known)
    assert (refused.reason, refused.since) == ("FileRefused", NOW)
    assert "(Malicious); it is built by itself" in refused.message


def test_what_ends_a_build_names_its_refused_tools_and_who_helps() -> None:
    refused = [("vault", "2.0.0", "b" * 64), ("falcon", "7.1", "a" * 64)]
    said = staged_tools.why_ended(refused)
    assert said.endswith("refused by now, and the build has used it: SecOps pins another file")
    assert said.index("falcon 7.1") < said.index("vault 2.0.0")
