"""The machine that each test of the sources changes."""

from pathlib import Path

import pytest

from tests.unit.images.sources.machine import SourcesMachine, made


@pytest.fixture
def machine(tmp_path: Path) -> SourcesMachine:
    return made(tmp_path)
