# The key that unseals Vault. Who can delete it can end Vault for good, so it has a vault of its own.

data "azurerm_client_config" "current" {}

resource "azurerm_key_vault" "seal" {
  name                          = "kv-${var.name}-${var.suffix}"
  resource_group_name           = var.resource_group
  location                      = var.location
  tenant_id                     = data.azurerm_client_config.current.tenant_id
  sku_name                      = "premium" # keys in an HSM
  rbac_authorization_enabled    = true
  purge_protection_enabled      = true
  soft_delete_retention_days    = 90
  public_network_access_enabled = false

  network_acls {
    default_action = "Deny"
    bypass         = "None"
  }
}

# Old versions stay, because what they wrapped needs them. Vault wraps anew with the newest at its next rotation.
resource "azapi_resource" "seal_key" {
  type      = "Microsoft.KeyVault/vaults/keys@2023-07-01"
  name      = "unseal"
  parent_id = azurerm_key_vault.seal.id

  body = {
    properties = {
      kty     = "RSA-HSM"
      keySize = 3072
      keyOps  = ["wrapKey", "unwrapKey"]
    }
  }

  # The resource manager makes a key once and never changes it. Without it nobody can unseal Vault, nor its backups.
  lifecycle {
    prevent_destroy = true
    ignore_changes  = [body]
  }
}

resource "azurerm_private_endpoint" "seal" {
  name                = "pe-${azurerm_key_vault.seal.name}"
  resource_group_name = var.resource_group
  location            = var.location
  subnet_id           = var.endpoint_subnet_id

  private_service_connection {
    name                           = "vault"
    private_connection_resource_id = azurerm_key_vault.seal.id
    subresource_names              = ["vault"]
    is_manual_connection           = false
  }

  private_dns_zone_group {
    name                 = "vault"
    private_dns_zone_ids = [var.vault_zone_id]
  }
}
