# One network that the internet cannot enter. The NAT gateway has the only public address, for outgoing traffic only.

resource "azurerm_virtual_network" "factory" {
  name                = "vnet-${var.name}"
  resource_group_name = azurerm_resource_group.core.name
  location            = var.location
  address_space       = [var.address_space]
  tags                = local.tags
}

resource "azurerm_subnet" "functions" {
  name                            = "snet-functions"
  resource_group_name             = azurerm_resource_group.core.name
  virtual_network_name            = azurerm_virtual_network.factory.name
  address_prefixes                = [cidrsubnet(var.address_space, 2, 0)]
  default_outbound_access_enabled = false

  delegation {
    name = "flex-consumption"
    service_delegation {
      name    = "Microsoft.App/environments"
      actions = ["Microsoft.Network/virtualNetworks/subnets/join/action"]
    }
  }
}

resource "azurerm_subnet" "containers" {
  name                            = "snet-containers"
  resource_group_name             = azurerm_resource_group.core.name
  virtual_network_name            = azurerm_virtual_network.factory.name
  address_prefixes                = [cidrsubnet(var.address_space, 2, 1)]
  default_outbound_access_enabled = false

  # Azure allows only container groups in it.
  delegation {
    name = "container-groups"
    service_delegation {
      name    = "Microsoft.ContainerInstance/containerGroups"
      actions = ["Microsoft.Network/virtualNetworks/subnets/action"]
    }
  }
}

resource "azurerm_subnet" "machines" {
  name                            = "snet-machines"
  resource_group_name             = azurerm_resource_group.core.name
  virtual_network_name            = azurerm_virtual_network.factory.name
  address_prefixes                = [cidrsubnet(var.address_space, 2, 2)]
  default_outbound_access_enabled = false
}

resource "azurerm_subnet" "private_endpoints" {
  name                              = "snet-private-endpoints"
  resource_group_name               = azurerm_resource_group.core.name
  virtual_network_name              = azurerm_virtual_network.factory.name
  address_prefixes                  = [cidrsubnet(var.address_space, 2, 3)]
  default_outbound_access_enabled   = false
  private_endpoint_network_policies = "Enabled"
}

# The only supported way out for container groups in a network.
resource "azurerm_public_ip" "nat" {
  name                = "pip-${var.name}-nat"
  resource_group_name = azurerm_resource_group.core.name
  location            = var.location
  allocation_method   = "Static"
  sku                 = "Standard"
  tags                = local.tags
}

resource "azurerm_nat_gateway" "out" {
  name                = "ng-${var.name}"
  resource_group_name = azurerm_resource_group.core.name
  location            = var.location
  sku_name            = "Standard"
  tags                = local.tags
}

resource "azurerm_nat_gateway_public_ip_association" "out" {
  nat_gateway_id       = azurerm_nat_gateway.out.id
  public_ip_address_id = azurerm_public_ip.nat.id
}

resource "azurerm_subnet_nat_gateway_association" "out" {
  for_each = {
    functions  = azurerm_subnet.functions.id
    containers = azurerm_subnet.containers.id
    machines   = azurerm_subnet.machines.id
  }

  subnet_id      = each.value
  nat_gateway_id = azurerm_nat_gateway.out.id
}

# Only the containers reach a build's machine: by SSH for Packer, and at each port, because the verify stage tries what the
# image serves and what it must not answer. The firewall of the image decides what is open: a rule for the declared ports
# alone would hide an image that answers at others. Nothing reaches a container.
resource "azurerm_network_security_group" "machines" {
  name                = "nsg-${var.name}-machines"
  resource_group_name = azurerm_resource_group.core.name
  location            = var.location
  tags                = local.tags

  security_rule {
    name                       = "ssh-from-containers"
    priority                   = 100
    direction                  = "Inbound"
    access                     = "Allow"
    protocol                   = "Tcp"
    source_address_prefixes    = azurerm_subnet.containers.address_prefixes
    source_port_range          = "*"
    destination_address_prefix = "*"
    destination_port_range     = "22"
  }

  security_rule {
    name                       = "ports-from-containers"
    priority                   = 110
    direction                  = "Inbound"
    access                     = "Allow"
    protocol                   = "*"
    source_address_prefixes    = azurerm_subnet.containers.address_prefixes
    source_port_range          = "*"
    destination_address_prefix = "*"
    destination_port_range     = "*"
  }

  # Azure's default rule allows traffic from the whole network.
  security_rule {
    name                       = "nothing-else-in"
    priority                   = 4000
    direction                  = "Inbound"
    access                     = "Deny"
    protocol                   = "*"
    source_address_prefix      = "*"
    source_port_range          = "*"
    destination_address_prefix = "*"
    destination_port_range     = "*"
  }

  # A machine runs a team's code. It must not reach the factory's storage, vault or registry.
  security_rule {
    name                         = "not-to-private-endpoints"
    priority                     = 100
    direction                    = "Outbound"
    access                       = "Deny"
    protocol                     = "*"
    source_address_prefix        = "*"
    source_port_range            = "*"
    destination_address_prefixes = azurerm_subnet.private_endpoints.address_prefixes
    destination_port_range       = "*"
  }
}

resource "azurerm_network_security_group" "containers" {
  name                = "nsg-${var.name}-containers"
  resource_group_name = azurerm_resource_group.core.name
  location            = var.location
  tags                = local.tags

  security_rule {
    name                       = "nothing-in"
    priority                   = 4000
    direction                  = "Inbound"
    access                     = "Deny"
    protocol                   = "*"
    source_address_prefix      = "*"
    source_port_range          = "*"
    destination_address_prefix = "*"
    destination_port_range     = "*"
  }
}

resource "azurerm_network_security_group" "private_endpoints" {
  name                = "nsg-${var.name}-private-endpoints"
  resource_group_name = azurerm_resource_group.core.name
  location            = var.location
  tags                = local.tags

  security_rule {
    name                       = "https-from-the-network"
    priority                   = 100
    direction                  = "Inbound"
    access                     = "Allow"
    protocol                   = "Tcp"
    source_address_prefix      = "VirtualNetwork"
    source_port_range          = "*"
    destination_address_prefix = "*"
    destination_port_range     = "443"
  }

  security_rule {
    name                       = "nothing-else-in"
    priority                   = 4000
    direction                  = "Inbound"
    access                     = "Deny"
    protocol                   = "*"
    source_address_prefix      = "*"
    source_port_range          = "*"
    destination_address_prefix = "*"
    destination_port_range     = "*"
  }
}

resource "azurerm_subnet_network_security_group_association" "all" {
  for_each = {
    containers = {
      subnet = azurerm_subnet.containers.id
      group  = azurerm_network_security_group.containers.id
    }
    machines = {
      subnet = azurerm_subnet.machines.id
      group  = azurerm_network_security_group.machines.id
    }
    private_endpoints = {
      subnet = azurerm_subnet.private_endpoints.id
      group  = azurerm_network_security_group.private_endpoints.id
    }
  }

  subnet_id                 = each.value.subnet
  network_security_group_id = each.value.group
}
