"""Policies for tests: put in force as SecOps does."""

from typing import Any

from pipeline_core.services.policies.policy import PolicyShown, etag_of
from simulation.world import ADMIN, SimulatedWorld

FLOOR = {"profile": "cis_server_l1", "minScore": 80}


def document(**spec: Any) -> dict[str, Any]:
    """A policy document."""
    return {"apiVersion": "imagefactory/v1", "kind": "Policy", "spec": spec}


def put(made: SimulatedWorld, **spec: Any) -> PolicyShown:
    """Put a policy in force over whatever is."""
    stored = made.base.records.policies.find_current()
    return made.factory.policy.put(
        document(**spec),
        ADMIN,
        expected=None if stored is None else etag_of(stored.value),
        create_only=stored is None,
    )
