# Four identities, each with the fewest rights that it needs (roles.tf). None has a secret.

resource "azurerm_user_assigned_identity" "function" {
  name                = "id-${var.name}-function"
  resource_group_name = azurerm_resource_group.core.name
  location            = var.location
  tags                = local.tags
}

# Writes versions into the live galleries, and nothing else. It cannot delete one, so it cannot replace one either: Azure
# refuses another source for a version that exists.
resource "azurerm_user_assigned_identity" "publisher" {
  name                = "id-${var.name}-publisher"
  resource_group_name = azurerm_resource_group.core.name
  location            = var.location
  tags                = local.tags
}

# Deletes versions: leftovers in quarantine, and in the live galleries what retention lets go. It writes nothing.
resource "azurerm_user_assigned_identity" "cleaner" {
  name                = "id-${var.name}-cleaner"
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
