# Every service can be reached only over the network. The zones resolve its public name to its private address there.

locals {
  private_services = {
    blob     = { zone = "privatelink.blob.core.windows.net", resource = azurerm_storage_account.factory.id, subresource = "blob" }
    queue    = { zone = "privatelink.queue.core.windows.net", resource = azurerm_storage_account.factory.id, subresource = "queue" }
    table    = { zone = "privatelink.table.core.windows.net", resource = azurerm_storage_account.factory.id, subresource = "table" }
    vault    = { zone = "privatelink.vaultcore.azure.net", resource = azurerm_key_vault.factory.id, subresource = "vault" }
    registry = { zone = "privatelink.azurecr.io", resource = azurerm_container_registry.factory.id, subresource = "registry" }
    sites    = { zone = "privatelink.azurewebsites.net", resource = azapi_resource.function_app.id, subresource = "sites" }
  }
}

resource "azurerm_private_dns_zone" "service" {
  for_each = local.private_services

  name                = each.value.zone
  resource_group_name = azurerm_resource_group.core.name
  tags                = local.tags
}

# By azapi: azurerm's resource names the zone in one way in 4.x and in another in 5.x.
resource "azapi_resource" "zone_link" {
  for_each = local.private_services

  type      = "Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01"
  name      = each.key
  parent_id = azurerm_private_dns_zone.service[each.key].id
  location  = "global"
  tags      = local.tags

  body = {
    properties = {
      registrationEnabled = false
      virtualNetwork      = { id = azurerm_virtual_network.factory.id }
    }
  }
}

resource "azurerm_private_endpoint" "service" {
  for_each = local.private_services

  name                = "pe-${var.name}-${each.key}"
  resource_group_name = azurerm_resource_group.core.name
  location            = var.location
  subnet_id           = azurerm_subnet.private_endpoints.id
  tags                = local.tags

  private_service_connection {
    name                           = each.key
    private_connection_resource_id = each.value.resource
    subresource_names              = [each.value.subresource]
    is_manual_connection           = false
  }

  private_dns_zone_group {
    name                 = each.key
    private_dns_zone_ids = [azurerm_private_dns_zone.service[each.key].id]
  }
}

# A second vault in the zone that the first one has.
resource "azurerm_private_endpoint" "receivers" {
  name                = "pe-${var.name}-receivers"
  resource_group_name = azurerm_resource_group.core.name
  location            = var.location
  subnet_id           = azurerm_subnet.private_endpoints.id
  tags                = local.tags

  private_service_connection {
    name                           = "receivers"
    private_connection_resource_id = azurerm_key_vault.receivers.id
    subresource_names              = ["vault"]
    is_manual_connection           = false
  }

  private_dns_zone_group {
    name                 = "receivers"
    private_dns_zone_ids = [azurerm_private_dns_zone.service["vault"].id]
  }
}
