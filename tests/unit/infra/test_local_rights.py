"""What the emulator lets the factory's identities do is what Terraform gives them: a run on one machine tries it."""

import pytest

from local.arm.identity import rights
from local.arm.storage import roles as storage_roles
from tests.unit.infra.test_roles import built_in_roles, grants, roles

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


@pytest.mark.parametrize(
    ("keeps", "here"), [(False, storage_roles.BUILDER_ROLES), (True, storage_roles.OLD_BUILDER_ROLES)]
)
def test_the_builder_has_the_roles_on_storage_that_terraform_gives(
    keeps: bool, here: tuple[tuple[str, str], ...]
) -> None:
    given = {
        (role, scope.split('"')[1])
        for role, scope in built_in_roles(keeps=keeps)
        if "container[" in scope or "queue[" in scope
    }
    assert set(here) == given
