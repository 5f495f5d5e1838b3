# The builder's image, and secrets of the service (today: keys that sign webhooks).

# Premium, because only that can be private; container groups pull as a trusted service, with the builder's identity.
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
  enable_rbac_authorization     = true
  purge_protection_enabled      = true
  soft_delete_retention_days    = 90
  public_network_access_enabled = false
  tags                          = local.tags

  network_acls {
    default_action = "Deny"
    bypass         = "None"
  }
}
