"""Judges look at one row and one job, one after another: it is read once, and it is what was written."""

import json

import pytest

from pipeline_core.adapters.memory.blobs import MemoryBlobs
from pipeline_core.adapters.memory.clock import ManualClock
from pipeline_core.domain.errors import MalformedMessage
from pipeline_core.ports import Row
from pipeline_core.state.reading import cells
from simulation import rows


def _row(said: object) -> Row:
    return Row(partition="p", key="k", cells=cells.split(json.dumps(said)))


def test_a_row_says_its_value_however_many_cells_it_takes() -> None:
    said = {"text": "x" * 3 * cells.CELL_LIMIT}
    assert len(_row(said).cells) > 1
    assert rows.said_by(_row(said)) == said


def test_a_row_without_a_value_says_nothing() -> None:
    assert rows.said_by(Row(partition="p", key="k", cells={"team": "a"})) == {}


def test_two_judges_of_one_row_share_what_it_says() -> None:
    assert rows.said_by(_row({"a": 1})) is rows.said_by(_row({"a": 1}))
    assert rows.said_by(_row({"a": 2})) == {"a": 2}


def test_a_job_with_other_content_is_refused() -> None:
    blobs = MemoryBlobs(ManualClock())
    blobs.create("jobs", f"{'a' * 64}.json", b"{}", media_type="application/json")
    for _ in range(2):
        with pytest.raises(MalformedMessage):
            rows.job_of(blobs, "a" * 64)
