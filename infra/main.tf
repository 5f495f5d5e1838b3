# Names, and the three resource groups. The leftovers of builds, their products and the service are in separate groups,
# so that each identity's scope is as narrow as its task.

data "azurerm_client_config" "current" {}

locals {
  tags            = merge({ application = var.name }, var.tags)
  subscription_id = "/subscriptions/${var.subscription_id}"

  storage_account = "st${var.name}${var.suffix}"
  registry        = "cr${var.name}${var.suffix}"
  key_vault       = "kv-${substr(var.name, 0, 11)}-${var.suffix}"
  receivers_vault = "kn-${substr(var.name, 0, 11)}-${var.suffix}"
  function_app    = "func-${var.name}-${var.suffix}"
}

resource "azurerm_resource_group" "core" {
  name     = "rg-${var.name}-core"
  location = var.location
  tags     = local.tags
}

# Container groups and Packer's machines. Everything in it is short-lived and carries a lease.
resource "azurerm_resource_group" "build" {
  name     = "rg-${var.name}-build"
  location = var.location
  tags     = local.tags
}

resource "azurerm_resource_group" "galleries" {
  name     = "rg-${var.name}-galleries"
  location = var.location
  tags     = local.tags
}
