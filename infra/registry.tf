# The builder's image, the key that signs provenance, and the secrets that sign notifications.

# Premium, because only Premium can be private. Container groups pull as a trusted service, with the builder's identity.
resource "azurerm_container_registry" "factory" {
  name                          = local.registry
  resource_group_name           = azurerm_resource_group.core.name
  location                      = var.location
  sku                           = "Premium"
  admin_enabled                 = false
  anonymous_pull_enabled        = false
  public_network_access_enabled = false
  network_rule_bypass_option    = "AzureServices"
  tags                          = local.tags
}

resource "azurerm_key_vault" "factory" {
  name                          = local.key_vault
  resource_group_name           = azurerm_resource_group.core.name
  location                      = var.location
  tenant_id                     = data.azurerm_client_config.current.tenant_id
  sku_name                      = "standard"
  rbac_authorization_enabled    = true
  purge_protection_enabled      = true
  soft_delete_retention_days    = 90
  public_network_access_enabled = false
  tags                          = local.tags

  network_acls {
    default_action = "Deny"
    bypass         = "None"
  }
}

# The signing secrets of receivers have a vault of their own. The function makes them, and Azure cannot narrow the right
# to set secrets to a prefix of names: conditions of role assignments know no attribute of Key Vault's data plane
# (Microsoft Learn, "Actions and attributes for Azure role assignment conditions": Blob and Queue storage).
resource "azurerm_key_vault" "receivers" {
  name                          = local.receivers_vault
  resource_group_name           = azurerm_resource_group.core.name
  location                      = var.location
  tenant_id                     = data.azurerm_client_config.current.tenant_id
  sku_name                      = "standard"
  rbac_authorization_enabled    = true
  purge_protection_enabled      = true
  soft_delete_retention_days    = 90
  public_network_access_enabled = false
  tags                          = local.tags

  network_acls {
    default_action = "Deny"
    bypass         = "None"
  }
}

# Made through the resource manager, because the person who deploys cannot reach the vault itself. The private half never
# leaves the vault. Each year a new version signs. Signatures of an old version are trusted as long as it is enabled.
resource "azapi_resource" "signing_key" {
  type      = "Microsoft.KeyVault/vaults/keys@2023-07-01"
  name      = "provenance"
  parent_id = azurerm_key_vault.factory.id

  body = {
    properties = {
      kty       = "EC"
      curveName = "P-256"
      keyOps    = ["sign", "verify"]
      rotationPolicy = {
        lifetimeActions = [
          {
            trigger = { timeAfterCreate = "P1Y" }
            action  = { type = "rotate" }
          }
        ]
      }
    }
  }

  # The resource manager makes a key once and never changes it. With a new key every live version would be unproven.
  lifecycle {
    prevent_destroy = true
    ignore_changes  = [body]
  }
}
