# A private address before the servers, and what may reach them.

locals {
  port  = 8200
  raft  = 8201
  probe = "AzureLoadBalancer" # service tag, and the address that probes come from

  # 200: active or standby, unsealed. A sealed server (503) is not healthy. One that was never initialised (501) is, until
  # the first apply is over: otherwise Azure would never call the first servers ready.
  uninitialised = var.is_initialised ? 501 : 200
  health        = "/v1/sys/health?standbyok=true&perfstandbyok=true&uninitcode=${local.uninitialised}"

  rules = merge(
    {
      clients = { priority = 100, from = var.clients, ports = [tostring(local.port)] }
      servers = { priority = 110, from = [var.servers], ports = [tostring(local.port), tostring(local.raft)] }
    },
    length(var.allow_ssh_from) == 0 ? {} : {
      ssh = { priority = 120, from = var.allow_ssh_from, ports = ["22"] }
    },
  )
}

resource "azurerm_network_security_group" "servers" {
  name                = "nsg-${var.name}"
  resource_group_name = var.resource_group
  location            = var.location
}

resource "azurerm_network_security_rule" "allowed" {
  for_each = local.rules

  name                        = "allow-${each.key}"
  resource_group_name         = var.resource_group
  network_security_group_name = azurerm_network_security_group.servers.name
  priority                    = each.value.priority
  direction                   = "Inbound"
  access                      = "Allow"
  protocol                    = "Tcp"
  source_address_prefixes     = each.value.from
  source_port_range           = "*"
  destination_address_prefix  = "*"
  destination_port_ranges     = each.value.ports
}

resource "azurerm_network_security_rule" "probe" {
  name                        = "allow-probe"
  resource_group_name         = var.resource_group
  network_security_group_name = azurerm_network_security_group.servers.name
  priority                    = 130
  direction                   = "Inbound"
  access                      = "Allow"
  protocol                    = "Tcp"
  source_address_prefix       = local.probe
  source_port_range           = "*"
  destination_address_prefix  = "*"
  destination_port_range      = tostring(local.port)
}

# Azure's own rules let the whole virtual network in. Only the rules above may.
resource "azurerm_network_security_rule" "denied" {
  name                        = "deny-all"
  resource_group_name         = var.resource_group
  network_security_group_name = azurerm_network_security_group.servers.name
  priority                    = 4096
  direction                   = "Inbound"
  access                      = "Deny"
  protocol                    = "*"
  source_address_prefix       = "*"
  source_port_range           = "*"
  destination_address_prefix  = "*"
  destination_port_range      = "*"
}

resource "azurerm_lb" "vault" {
  name                = "lb-${var.name}"
  resource_group_name = var.resource_group
  location            = var.location
  sku                 = "Standard"

  frontend_ip_configuration {
    name                          = "private"
    subnet_id                     = var.subnet_id
    private_ip_address            = var.address
    private_ip_address_allocation = "Static"
    zones                         = var.zones
  }
}

resource "azurerm_lb_backend_address_pool" "servers" {
  name            = "servers"
  loadbalancer_id = azurerm_lb.vault.id
}

resource "azurerm_lb_probe" "health" {
  name                = "health"
  loadbalancer_id     = azurerm_lb.vault.id
  protocol            = "Https"
  port                = local.port
  request_path        = local.health
  interval_in_seconds = 5
  number_of_probes    = 2
}

resource "azurerm_lb_rule" "vault" {
  name                           = "vault"
  loadbalancer_id                = azurerm_lb.vault.id
  protocol                       = "Tcp"
  frontend_ip_configuration_name = "private"
  frontend_port                  = 443
  backend_port                   = local.port
  backend_address_pool_ids       = [azurerm_lb_backend_address_pool.servers.id]
  probe_id                       = azurerm_lb_probe.health.id
}
