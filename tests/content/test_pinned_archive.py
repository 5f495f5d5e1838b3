"""The archive of the release that docs/hardening.md recommends, where somebody has one, against its facts."""

import os

import pytest

from tools.content import pinned

pytestmark = [pytest.mark.timeout(300), pytest.mark.content]

VARIABLE = "IMAGE_FACTORY_GUIDE_ARCHIVE"


def test_the_archive_bears_out_each_fact(capsys: pytest.CaptureFixture[str]) -> None:
    archive = os.environ.get(VARIABLE, "")
    if not archive:
        pytest.skip(
            f"{VARIABLE} names no archive: it cannot be had here ({pinned.DATA.name} has its address)"
        )
    code = pinned.main([archive])
    said = capsys.readouterr()
    assert code == 0, said.out + said.err
