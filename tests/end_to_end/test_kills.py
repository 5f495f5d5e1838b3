"""The host killed again and again, at moments that nobody chose: the work converges, and nothing is done twice."""

from pathlib import Path

import pytest

from local import kills
from local.run import report, stack
from local.run.story import Story

SEED, KILLS = 7, 20

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def test_a_host_killed_at_twenty_random_moments_of_one_run_changes_nothing_but_timing(tmp_path: Path) -> None:
    """Half of the kills strike the first builds, half the cascade; a host lives for 0.2 to 2.5 seconds."""
    with stack.running(tmp_path) as running:
        early = kills.Killer(stack=running, gaps=kills.draw(SEED, KILLS // 2, least=0.2, most=2.5))
        story = Story(stack=running, watch=lambda _: None)
        story.register()
        story.watch = early.watch
        early.begin(story)
        story.wait_for_first_builds()
        late = kills.Killer(stack=running, gaps=kills.draw(SEED + 1, KILLS // 2, least=0.2, most=2.5))
        story.watch = late.watch
        late.begin(story)
        story.publish_release()
        assert early.is_done, early.kills
        assert late.is_done, late.kills
        assert story.wait_until_quiet() == []
        builds = story.builds()
        assert report.duplicates(builds) == 0
        assert [build["result"] for build in builds] == ["succeeded"] * 14
        for name, view in story.last.items():
            parent = view["parent"]
            above = f"{parent}@{story.last[parent]['version']}" if parent else ""
            assert view["origin_version"].endswith(above or story.release), name
