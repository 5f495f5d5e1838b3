"""The identities of infra/ and their roles: least privilege, and nobody who may do the work of another one."""

import json
import re

from tests.unit.infra import terraform


KEPT = "in local.deleted_by_publisher"  # only during an upgrade, or after a roll-back


def roles() -> dict[str, list[str]]:
    """The actions of each custom role."""
    return {name: role["actions"] for name, role in terraform.local("custom_roles").items()}


def grants() -> list[tuple[str, str, str]]:
    """(identity, role, scope) of each line of the table of grants, as they are written. Without those of an upgrade."""
    line = re.compile(r'to\s*=\s*([\w"\[\]]+),\s*role\s*=\s*"(\w+)",\s*scope\s*=\s*([\w.\[\]]+)')
    lasting = "\n".join(each for each in terraform.text("roles.tf").splitlines() if KEPT not in each)
    found = line.findall(lasting)
    return [(to.strip('"'), role, scope) for to, role, scope in found]


def test_the_table_of_grants_is_read_whole() -> None:
    # The other tests of this table mean something only if the pattern finds each line.
    assert len(grants()) == terraform.text("roles.tf").count("to = ") - 1  # that of an upgrade
    assert {role for _, role, _ in grants()} == set(roles())


def test_who_signs_may_do_nothing_else_with_the_key_and_may_not_publish() -> None:
    role = terraform.resources("azurerm_role_definition")["provenance_signer"]
    (permissions,) = role["permissions"]
    assert permissions == {
        "data_actions": [
            "Microsoft.KeyVault/vaults/keys/read",
            "Microsoft.KeyVault/vaults/keys/sign/action",
        ]
    }
    holders = [
        (name, assignment["principal_id"], assignment["scope"])
        for name, assignment in terraform.resources("azurerm_role_assignment").items()
        if "signer" in str(assignment.get("role_definition_id"))
    ]
    assert holders == [("function_signs", "${local.principals.function}", "${azapi_resource.signing_key.id}")]
    named = [
        str(each.get("role_definition_name"))
        for each in terraform.resources("azurerm_role_assignment").values()
    ]
    assert not [name for name in named if "Crypto" in name]


def test_the_function_makes_secrets_in_a_vault_that_holds_nothing_else() -> None:
    role = terraform.resources("azurerm_role_definition")["receiver_secrets"]
    (permissions,) = role["permissions"]
    assert permissions == {
        "data_actions": [
            "Microsoft.KeyVault/vaults/secrets/getSecret/action",
            "Microsoft.KeyVault/vaults/secrets/setSecret/action",
        ]
    }
    held = [
        (name, assignment["principal_id"], assignment["scope"])
        for name, assignment in terraform.resources("azurerm_role_assignment").items()
        if "receiver_secrets" in str(assignment.get("role_definition_id"))
    ]
    assert held == [
        ("function_makes_secrets", "${local.principals.function}", "${azurerm_key_vault.receivers.id}")
    ]
    of_vaults = [
        name
        for name, assignment in terraform.resources("azurerm_role_assignment").items()
        if "azurerm_key_vault." in str(assignment["scope"])
    ]
    assert of_vaults == ["function_makes_secrets"]
    endpoint = terraform.resources("azurerm_private_endpoint")["receivers"]
    assert "azurerm_key_vault.receivers.id" in str(endpoint)


def test_the_key_that_signs_is_what_the_application_takes() -> None:
    properties = terraform.resources("azapi_resource")["signing_key"]["body"]["properties"]
    assert (properties["kty"], properties["curveName"], properties["keyOps"]) == (
        "EC",
        "P-256",
        ["sign", "verify"],
    )


def test_the_builder_may_only_read_a_live_gallery() -> None:
    # `id` is the live galleries' in the loops over them; whole groups and the subscription contain them.
    wide = {
        "id",
        "local.subscription_id",
        "azurerm_resource_group.galleries.id",
        "azurerm_resource_group.core.id",
    }
    on_live = [
        role for to, role, scope in grants() if to == "builder" and (scope in wide or ".live" in scope)
    ]
    assert on_live
    actions = [action for role in on_live for action in roles()[role]]
    assert all(action.endswith("/read") for action in actions), actions


def test_the_builder_writes_versions_in_the_quarantine_only() -> None:
    writing = [
        scope
        for to, role, scope in grants()
        if to == "builder" and "Microsoft.Compute/galleries/images/versions/write" in roles()[role]
    ]
    assert writing == ["azurerm_shared_image_gallery.quarantine.id"]


def test_the_publisher_touches_nothing_but_galleries() -> None:
    actions = {action for to, role, _ in grants() if to == "publisher" for action in roles()[role]}
    assert actions
    assert all(action.startswith("Microsoft.Compute/galleries/") for action in actions)


def test_nobody_who_writes_versions_may_delete_one_and_the_other_way_round() -> None:
    """To put another disk behind a number, its version must be deleted and written again: that takes two identities."""
    may: dict[str, set[str]] = {}
    for to, role, _ in grants():
        found = (each.rpartition("/") for each in roles()[role] if "/images/versions/" in each)
        may.setdefault(to, set()).update(verb for _, _, verb in found)
    assert may == {
        "function": {"read"},
        "publisher": {"read", "write"},
        "cleaner": {"read", "delete"},
        "builder": {"read", "write"},
    }


def test_no_role_has_a_wildcard_or_can_give_itself_more() -> None:
    every = [action for actions in roles().values() for action in actions]
    assert len(every) > 40
    assert [action for action in every if "*" in action or "Authorization" in action] == []


def built_in_roles(*, keeps: bool) -> set[tuple[str, str]]:
    """The builder's built-in roles and their scopes, with and without what an upgrade keeps for a while."""
    found = set()
    for assignment in terraform.resources("azurerm_role_assignment").values():
        if assignment["principal_id"] != "${local.principals.builder}" or "role_definition_id" in assignment:
            continue
        scope, each = str(assignment["scope"]).replace("\\", ""), str(assignment.get("for_each", ""))
        kept = re.fullmatch(r"\$\{var\.keeps_builder_roles \? toset\((\[.*\])\) : toset\(\[\]\)\}", each)
        if not each:
            found.add((assignment["role_definition_name"], scope))
        elif keeps and kept:
            names = json.loads(kept[1].replace("\\", ""))
            found |= {
                (assignment["role_definition_name"], scope.replace("each.value", f'"{name}"'))
                for name in names
            }
        else:
            assert kept, f"{each} gives the builder a role in another way"
    return found


def test_the_builder_has_no_role_on_blobs() -> None:
    assert built_in_roles(keeps=False) == {
        ("Storage Queue Data Message Sender", '${azapi_resource.queue["build-events"].id}'),
        ("AcrPull", "${azurerm_container_registry.factory.id}"),
    }
    (variable,) = [
        each["keeps_builder_roles"]
        for content in terraform.files().values()
        for each in content.get("variable", [])
        if "keeps_builder_roles" in each
    ]
    assert variable["default"] is False


def test_an_upgrade_keeps_the_roles_that_older_containers_use_and_no_other() -> None:
    more = built_in_roles(keeps=True) - built_in_roles(keeps=False)
    assert more == {
        ("Storage Blob Data Reader", '${azapi_resource.container["bundles"].id}'),
        ("Storage Blob Data Reader", '${azapi_resource.container["jobs"].id}'),
        ("Storage Blob Data Contributor", '${azapi_resource.container["builds"].id}'),
    }


def test_the_builder_deletes_and_replaces_no_version() -> None:
    actions = {action for to, role, _ in grants() if to == "builder" for action in roles()[role]}
    assert "Microsoft.Compute/galleries/images/versions/write" in actions  # Packer makes its version
    assert "Microsoft.Compute/galleries/images/versions/delete" not in actions


def test_the_function_may_sign_tokens_and_has_the_rights_that_they_give() -> None:
    """`generateUserDelegationKey` counts on the account, and a token never gives more than its signer has."""
    assignment = terraform.resources("azurerm_role_assignment")["function_storage"]
    assert "Storage Blob Data Owner" in str(assignment["for_each"])
    assert assignment["scope"] == "${azurerm_storage_account.factory.id}"


def test_an_upgrade_lets_the_publisher_delete_and_nothing_else_does() -> None:
    """The release before deletes with the publisher's identity; without the right its leftovers stay."""
    assert terraform.text("roles.tf").count(KEPT) == 1
    assert terraform.local("deleted_by_publisher").startswith(
        "${var.keeps_deleting_publisher ? merge(local.live, "
    )
    assert terraform.local("deleted_by_publisher").endswith(" : {}}")
    assert (
        "default     = false"
        in terraform.text("variables.tf").split('"keeps_deleting_publisher"')[1].split("}")[0]
    )
