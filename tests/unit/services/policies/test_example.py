"""The example of `docs/policy.md` over the example fleet of `images/`: it is accepted, and it blocks what it says."""

import json
from pathlib import Path

import pytest

from pipeline_core.domain.conditions import ConditionType
from pipeline_core.domain.names import ImageName
from pipeline_core.wire.bundle import pack
from pipeline_core.wire.document.text import read_yaml
from pipeline_core.wire.problems import InvalidDocument
from simulation import world
from simulation.world import ADMIN, UPLOADER, SimulatedWorld
from tests.unit.services import scenes

ROOT = Path(__file__).parents[4]
FLEET = ("rhel9-base", "rhel9-java", "rhel9-node", "rhel9-python", "rhel9-vault", "payments-api", "ml-worker")
EXAMPLE = (ROOT / "docs/policy.md").read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]


def _register(made: SimulatedWorld, name: str) -> None:
    packed = pack(ROOT / "images" / name)
    known = scenes.images(made).find_head(ImageName(name))
    if known is None:
        made.factory.registrar.store_bundle(packed.digest, packed.content, UPLOADER)
    made.factory.registrar.register(
        ImageName(name),
        dict(read_yaml((ROOT / "images" / name / "image.yaml").read_bytes())),
        packed.digest,
        ADMIN,
        expected=None if known is None else str(known.value.registration.definition),
        create_only=known is None,
    )


def _fleet() -> SimulatedWorld:
    """The example fleet, built, and the example policy over it."""
    made = scenes.registered({})
    catalog = json.loads((ROOT / "images/catalog.json").read_text(encoding="utf-8"))
    scenes.admit(made, catalog)
    made.factory.platforms.put(world.upload(made, "steps"), catalog, ADMIN)
    for name in FLEET:
        _register(made, name)
    made.drain()
    put = made.factory.policy.put(dict(read_yaml(EXAMPLE.encode())), ADMIN, expected=None, create_only=True)
    assert put.unregistered == ()
    return made


def test_it_is_accepted_and_stops_no_image_before_its_day() -> None:
    made = _fleet()
    before = made.versions()
    made.settle()
    assert made.versions() == before
    shown = [made.factory.queries.image(ImageName(name)).image for name in FLEET]
    assert [image.state for image in shown] == ["current"] * len(FLEET)
    (reasons,) = {
        tuple(each.reason for each in image.conditions if each.type is ConditionType.BELOW_FLOOR)
        for image in shown
    }
    assert reasons == ("FloorAnnounced",)


def test_the_next_release_is_built_scanned_by_its_profile_and_published() -> None:
    made = _fleet()
    before = made.versions()
    scenes.released(made)
    made.drain()
    after = made.versions()
    assert [name for name in before if after[name] == before[name]] == []
    for name in FLEET:
        build = scenes.builds(made, ImageName(name))[-1]
        assert "cis_server_l1" in {verdict.profile for verdict in build.verdicts}


def test_a_definition_with_a_lower_score_is_refused_with_the_floor() -> None:
    """The text says so: a definition below the floor is refused, and the registered one stays."""
    made = _fleet()
    with pytest.raises(InvalidDocument) as refused:
        _register(made, "rhel9-vault")
    named = {problem.path for problem in refused.value.problems}
    assert named == {"spec.verify.compliance.minScore"}
