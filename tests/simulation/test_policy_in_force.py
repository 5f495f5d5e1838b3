"""Fleets under a policy of floors, through every fault: they come to rest as others do, and all is held to it."""

import random
from datetime import timedelta

import pytest

from pipeline_core.services.policies.policy import etag_of
from simulation import rest, world
from simulation.faults import LEVELS
from simulation.story import SeedStory
from simulation.world import ADMIN, SimulatedWorld

SPEC = {
    "compliance": {"profile": "cis_server_l1", "minScore": 80, "alwaysFail": ["high"], "ratchet": 0},
    "bases": {"image-0": {"minScore": 90}, "image-that-comes-later": {"profile": "stig"}},
    "waivers": {"grantors": ["role:Factory.Admin"], "longest": "90d"},
    "sources": [{"publisher": "RedHat", "offer": "RHEL", "sku": "9-lvm-gen2"}],
    "regions": ["westeurope"],
    "maxAge": "30d",
}


def _govern(made: SimulatedWorld, **changes: object) -> None:
    """Put a policy in force; nothing goes wrong meanwhile."""
    stored = made.base.records.policies.find_current()
    document = {"apiVersion": "imagefactory/v1", "kind": "Policy", "spec": {**SPEC, **changes}}
    was, made.injector.enabled = made.injector.enabled, False
    made.factory.policy.put(
        document,
        ADMIN,
        expected=None if stored is None else etag_of(stored.value),
        create_only=stored is None,
    )
    made.injector.enabled = was


@pytest.mark.timeout(300)
@pytest.mark.parametrize("faults", ["none", "light", "heavy"])
def test_a_fleet_under_a_policy_comes_through(faults: str) -> None:
    failed: list[str] = []
    for seed in range(1, 5):
        chance = random.Random(f"policy {seed}")
        made = world.make(seed=seed, slots=4, faults=LEVELS[faults])
        made.ports.containers.deletion = made.ports.resources.deletion = timedelta(seconds=20)
        _govern(made)
        SeedStory(world=made, chance=chance, images=12).run()
        failed += [f"seed {seed}: {line}" for line in rest.violations(made)]
        heads = [made.base.records.images.get_head(name).value for name in made.registered]
        published = [head for head in heads if head.current is not None]
        assert published
        assert all(head.current.scan.profile == "cis_server_l1" for head in published)  # type: ignore[union-attr]
        assert all(head.registration.max_age == timedelta(days=30) for head in heads)
        _govern(made, compliance={"profile": "cis_server_l1", "minScore": 99}, bases={})
        pages = made.factory.queries.images(limit=200).images
        below = {
            view.name for view in pages if any(each.type.value == "BelowFloor" for each in view.conditions)
        }
        assert below == {view.name for view in pages}
    assert failed == []
