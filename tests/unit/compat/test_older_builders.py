"""A builder older than the factory refuses a job that asks for what it would leave out; the team is not to blame."""

import json
from dataclasses import replace
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ValidationError

from pipeline_core.domain.errors import ErrorClass, Owner
from pipeline_core.wire.report import BuildReport
from tests.unit.compat import forms


class OlderJob(BaseModel):
    """The part of a job's form that decides here, as builders had it before `volumes` and `hardening`."""

    schema_version: Literal[1] = 1
    build: str


def _report(**changes: Any) -> BuildReport:
    failed = next(report for report in forms.reports() if not report.succeeded)
    return failed.model_copy(update={"error_class": ErrorClass.TEMPLATE, "owner": None, **changes})


def test_it_refuses_the_newer_schema_and_reads_the_first() -> None:
    for job in forms.jobs():
        assert (job.schema_version, bool(job.volumes)) == (2, True)
        with pytest.raises(ValidationError, match="schema_version"):
            OlderJob.model_validate_json(job.to_wire())
        plain = json.loads(job.to_wire()) | {"schema_version": 1}
        assert OlderJob.model_validate(plain).build == job.build


def test_its_refusal_is_the_platforms_and_blocks_no_input() -> None:
    # The words of the builder of that time; its report names no owner, and its class alone would say the team.
    said = "job 0123456789ab: the content is not a BuildJob: 1 fields are wrong: schema_version: Input should be 1"
    failure = _report(message=said).failure()
    assert failure.who is Owner.PLATFORM
    assert not failure.is_of_team
    assert replace(failure, owner=None).who is Owner.TEAM


@pytest.mark.parametrize(
    "said",
    [
        "step 1 said: job 0123456789ab: the content is not a BuildJob",
        "job 0123456789ab is for another build",
    ],
    ids=["a team's own words", "another refusal"],
)
def test_other_words_stay_with_the_class(said: str) -> None:
    assert _report(message=said).failure().who is Owner.TEAM
