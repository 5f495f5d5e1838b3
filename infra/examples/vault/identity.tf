# One identity for all servers: it is known before the first of them, so its rights can be.
resource "azurerm_user_assigned_identity" "servers" {
  name                = "id-${var.name}"
  resource_group_name = var.resource_group
  location            = var.location
}

# Wrap and unwrap with the key of the seal, and nothing else in its vault.
resource "azurerm_role_assignment" "seal" {
  scope                = azapi_resource.seal_key.id
  role_definition_name = "Key Vault Crypto Service Encryption User"
  principal_id         = azurerm_user_assigned_identity.servers.principal_id
}

# The certificate with its key, and no other secret of that vault. certlc-run reads it (docs/postdeploy.md).
resource "azurerm_role_assignment" "certificate" {
  scope                = "${var.certificate_vault_id}/secrets/${var.certificate_name}"
  role_definition_name = "Key Vault Secrets User"
  principal_id         = azurerm_user_assigned_identity.servers.principal_id
}

# The servers look each other up in the scale set. Azure's own roles for that read much more.
resource "azurerm_role_definition" "discover" {
  name        = "${var.name}-discover-${var.suffix}"
  scope       = local.group_id
  description = "Reads the addresses of one scale set."

  permissions {
    actions = ["Microsoft.Compute/virtualMachineScaleSets/*/read"]
  }
}

resource "azurerm_role_assignment" "discover" {
  scope              = azapi_resource.servers.id
  role_definition_id = azurerm_role_definition.discover.role_definition_resource_id
  principal_id       = azurerm_user_assigned_identity.servers.principal_id
}
