# Logs and metrics, written with the function's identity. The instrumentation key alone gives no access.

resource "azurerm_log_analytics_workspace" "factory" {
  name                = "log-${var.name}"
  resource_group_name = azurerm_resource_group.core.name
  location            = var.location
  sku                 = "PerGB2018"
  retention_in_days   = var.log_retention_days
  tags                = local.tags
}

resource "azurerm_application_insights" "factory" {
  name                         = "appi-${var.name}"
  resource_group_name          = azurerm_resource_group.core.name
  location                     = var.location
  application_type             = "web"
  workspace_id                 = azurerm_log_analytics_workspace.factory.id
  local_authentication_enabled = false
  tags                         = local.tags
}

# Logs of each read and write of bundles, evidence and secrets, with the caller.
resource "azurerm_monitor_diagnostic_setting" "audit" {
  for_each = {
    blob      = "${azurerm_storage_account.factory.id}/blobServices/default"
    vault     = azurerm_key_vault.factory.id
    receivers = azurerm_key_vault.receivers.id
  }

  name                       = "audit"
  target_resource_id         = each.value
  log_analytics_workspace_id = azurerm_log_analytics_workspace.factory.id

  enabled_log {
    category_group = "audit"
  }
}
