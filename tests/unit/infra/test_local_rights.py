"""What the emulator lets the factory's identities do is what Terraform gives them: a run on one machine tries it."""

import pytest

from local.arm.identity import rights
from tests.unit.infra.test_terraform import grants, roles

GIVEN = {
    "function": rights.FUNCTION_ACTIONS,
    "publisher": rights.PUBLISHER_ACTIONS,
    "cleaner": rights.CLEANER_ACTIONS,
    "builder": rights.BUILDER_ACTIONS,
}


@pytest.mark.parametrize("identity", GIVEN)
def test_an_identity_may_do_here_what_its_roles_let_it_do(identity: str) -> None:
    in_terraform = {action for to, role, _ in grants() if to == identity for action in roles()[role]}
    assert set(GIVEN[identity]) == in_terraform
    assert len(GIVEN[identity]) == len(in_terraform)
