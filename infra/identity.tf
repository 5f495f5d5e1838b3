# Three identities, each with the fewest rights that it needs (roles.tf). None has a secret.

resource "azurerm_user_assigned_identity" "function" {
  name                = "id-${var.name}-function"
  resource_group_name = azurerm_resource_group.core.name
  location            = var.location
  tags                = local.tags
}

# Writes the live galleries, and nothing else.
resource "azurerm_user_assigned_identity" "publisher" {
  name                = "id-${var.name}-publisher"
  resource_group_name = azurerm_resource_group.core.name
  location            = var.location
  tags                = local.tags
}

# The identity of a build's container. Content of teams is near it, so it can write only the quarantine gallery.
resource "azurerm_user_assigned_identity" "builder" {
  name                = "id-${var.name}-builder"
  resource_group_name = azurerm_resource_group.core.name
  location            = var.location
  tags                = local.tags
}
