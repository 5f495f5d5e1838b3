"""The machine that each test of the scanner changes."""

from pathlib import Path

import pytest

from tests.unit.images.hygiene.machine import Machine, bare


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return bare(tmp_path)
