# The service makes and removes image definitions and versions. Terraform does not manage them.

resource "azurerm_shared_image_gallery" "quarantine" {
  name                = "quarantine"
  resource_group_name = azurerm_resource_group.galleries.name
  location            = var.location
  description         = "Versions that were built and not yet proved. Only the factory runs them."
  tags                = local.tags
}

resource "azurerm_shared_image_gallery" "live" {
  for_each = toset(var.live_galleries)

  name                = each.value
  resource_group_name = azurerm_resource_group.galleries.name
  location            = var.location
  description         = "Versions that were built, booted and tested by the image factory."
  tags                = local.tags
}
