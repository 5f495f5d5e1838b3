# Rights: custom roles that allow only the calls that are made, at the narrowest scope that covers them.
#
# `grants` is the whole table: identity, role, scope. On a live gallery the builder may only read.

locals {
  principals = {
    function  = azurerm_user_assigned_identity.function.principal_id
    publisher = azurerm_user_assigned_identity.publisher.principal_id
    cleaner   = azurerm_user_assigned_identity.cleaner.principal_id
    builder   = azurerm_user_assigned_identity.builder.principal_id
  }

  custom_roles = {
    # Marketplace images. The function polls versions and names the nearest publisher, offer or SKU where one does
    # not exist. Packer reads a version before it builds.
    marketplace_reader = {
      scope = local.subscription_id
      actions = [
        "Microsoft.Compute/locations/publishers/read",
        "Microsoft.Compute/locations/publishers/artifacttypes/offers/read",
        "Microsoft.Compute/locations/publishers/artifacttypes/offers/skus/read",
        "Microsoft.Compute/locations/publishers/artifacttypes/offers/skus/versions/read",
      ]
    }

    # Container groups, and the leftovers of a dead build.
    build_operator = {
      scope = azurerm_resource_group.build.id
      actions = [
        "Microsoft.Resources/subscriptions/resourceGroups/read",
        "Microsoft.Resources/subscriptions/resourceGroups/resources/read",
        "Microsoft.ContainerInstance/containerGroups/read",
        "Microsoft.ContainerInstance/containerGroups/write",
        "Microsoft.ContainerInstance/containerGroups/delete",
        "Microsoft.Compute/virtualMachines/read",
        "Microsoft.Compute/virtualMachines/delete",
        "Microsoft.Compute/disks/read",
        "Microsoft.Compute/disks/delete",
        "Microsoft.Compute/images/read",
        "Microsoft.Compute/images/delete",
        "Microsoft.Network/networkInterfaces/read",
        "Microsoft.Network/networkInterfaces/delete",
      ]
    }

    # Image definitions, in every gallery. Not versions.
    gallery_curator = {
      scope = azurerm_resource_group.galleries.id
      actions = [
        "Microsoft.Compute/galleries/read",
        "Microsoft.Compute/galleries/images/read",
        "Microsoft.Compute/galleries/images/write",
        "Microsoft.Compute/galleries/images/versions/read",
      ]
    }

    # The list of versions in quarantine across images. The reaper finds the leftovers of dead builds in it.
    gallery_lister = {
      scope   = azurerm_resource_group.galleries.id
      actions = ["Microsoft.Resources/subscriptions/resourceGroups/resources/read"]
    }

    # To delete versions: what dead builds left in quarantine, copies that failed, and what retention lets go.
    version_cleaner = {
      scope = azurerm_resource_group.galleries.id
      actions = [
        "Microsoft.Compute/galleries/read",
        "Microsoft.Compute/galleries/images/read",
        "Microsoft.Compute/galleries/images/versions/read",
        "Microsoft.Compute/galleries/images/versions/delete",
      ]
    }

    gallery_reader = {
      scope = azurerm_resource_group.galleries.id
      actions = [
        "Microsoft.Compute/galleries/read",
        "Microsoft.Compute/galleries/images/read",
        "Microsoft.Compute/galleries/images/versions/read",
      ]
    }

    # Copies into a live gallery. Without the right to delete, nobody who has this role can make a version anew.
    version_publisher = {
      scope = azurerm_resource_group.galleries.id
      actions = [
        "Microsoft.Compute/galleries/read",
        "Microsoft.Compute/galleries/images/read",
        "Microsoft.Compute/galleries/images/versions/read",
        "Microsoft.Compute/galleries/images/versions/write",
      ]
    }

    # The calls of Packer's azure-arm builder with build_resource_group_name, its own subnet and a managed identity.
    # Tried against the emulator (plugins 1.4.5 and 2.6.3), and not yet on Azure.
    packer = {
      scope = azurerm_resource_group.build.id
      actions = [
        "Microsoft.Resources/subscriptions/resourceGroups/read",
        "Microsoft.Resources/deployments/read",
        "Microsoft.Resources/deployments/write",
        "Microsoft.Resources/deployments/delete",
        "Microsoft.Resources/deployments/validate/action",
        "Microsoft.Resources/deployments/cancel/action",
        "Microsoft.Resources/deployments/operations/read",
        "Microsoft.Resources/deployments/operationstatuses/read",
        "Microsoft.Compute/virtualMachines/read",
        "Microsoft.Compute/virtualMachines/write",
        "Microsoft.Compute/virtualMachines/delete",
        "Microsoft.Compute/virtualMachines/deallocate/action",
        "Microsoft.Compute/virtualMachines/generalize/action",
        "Microsoft.Compute/virtualMachines/instanceView/read",
        "Microsoft.Compute/disks/read",
        "Microsoft.Compute/disks/write",
        "Microsoft.Compute/disks/delete",
        "Microsoft.Compute/images/read",
        "Microsoft.Compute/images/write",
        "Microsoft.Network/networkInterfaces/read",
        "Microsoft.Network/networkInterfaces/write",
        "Microsoft.Network/networkInterfaces/delete",
        "Microsoft.Network/networkInterfaces/join/action",
      ]
    }

    packer_locations = {
      scope = local.subscription_id
      actions = [
        "Microsoft.Compute/locations/operations/read",
        "Microsoft.Compute/locations/DiskOperations/read",
        "Microsoft.Compute/locations/capsOperations/read",
        "Microsoft.Network/locations/operations/read",
        # Azure reports the end of a deployment's deletion there. Without this right Packer asks until its time is over.
        "Microsoft.Resources/subscriptions/operationresults/read",
      ]
    }

    quarantine_writer = {
      scope = azurerm_resource_group.galleries.id
      actions = [
        "Microsoft.Compute/galleries/read",
        "Microsoft.Compute/galleries/images/read",
        "Microsoft.Compute/galleries/images/versions/read",
        "Microsoft.Compute/galleries/images/versions/write",
      ]
    }

    network_reader = {
      scope   = azurerm_resource_group.core.id
      actions = ["Microsoft.Network/virtualNetworks/read"]
    }

    subnet_user = {
      scope = azurerm_resource_group.core.id
      actions = [
        "Microsoft.Network/virtualNetworks/subnets/read",
        "Microsoft.Network/virtualNetworks/subnets/join/action",
      ]
    }
  }

  live = { for name, gallery in azurerm_shared_image_gallery.live : name => gallery.id }

  # Where the publisher of a release without the cleaner still deletes versions, during an upgrade or after a roll-back.
  deleted_by_publisher = var.keeps_deleting_publisher ? merge(local.live, { quarantine = azurerm_shared_image_gallery.quarantine.id }) : {}

  grants = merge(
    {
      function_marketplace = { to = "function", role = "marketplace_reader", scope = local.subscription_id }
      function_builds      = { to = "function", role = "build_operator", scope = azurerm_resource_group.build.id }
      function_subnet      = { to = "function", role = "subnet_user", scope = azurerm_subnet.containers.id }
      function_quarantine  = { to = "function", role = "gallery_curator", scope = azurerm_shared_image_gallery.quarantine.id }

      function_galleries = { to = "function", role = "gallery_lister", scope = azurerm_resource_group.galleries.id }

      # The source of a copy must be read.
      publisher_quarantine = { to = "publisher", role = "gallery_reader", scope = azurerm_shared_image_gallery.quarantine.id }

      cleaner_quarantine = { to = "cleaner", role = "version_cleaner", scope = azurerm_shared_image_gallery.quarantine.id }

      builder_marketplace = { to = "builder", role = "marketplace_reader", scope = local.subscription_id }
      builder_locations   = { to = "builder", role = "packer_locations", scope = local.subscription_id }
      builder_machines    = { to = "builder", role = "packer", scope = azurerm_resource_group.build.id }
      builder_network     = { to = "builder", role = "network_reader", scope = azurerm_virtual_network.factory.id }
      builder_subnet      = { to = "builder", role = "subnet_user", scope = azurerm_subnet.machines.id }
      builder_quarantine  = { to = "builder", role = "quarantine_writer", scope = azurerm_shared_image_gallery.quarantine.id }
    },
    # A child is built from its parent's live version. The builder reads this version and cannot write it.
    { for name, id in local.live : "builder_live_${name}" => { to = "builder", role = "gallery_reader", scope = id } },
    { for name, id in local.live : "function_live_${name}" => { to = "function", role = "gallery_curator", scope = id } },
    { for name, id in local.live : "publisher_live_${name}" => { to = "publisher", role = "version_publisher", scope = id } },
    { for name, id in local.live : "cleaner_live_${name}" => { to = "cleaner", role = "version_cleaner", scope = id } },
    { for name, id in local.deleted_by_publisher : "publisher_deletes_${name}" => { to = "publisher", role = "version_cleaner", scope = id } },
  )
}

resource "azurerm_role_definition" "custom" {
  for_each = local.custom_roles

  name              = "${var.name} ${replace(each.key, "_", " ")} (${var.suffix})"
  scope             = each.value.scope
  description       = "Made by the image factory's Terraform; see infra/roles.tf."
  assignable_scopes = [each.value.scope]

  permissions {
    actions = each.value.actions
  }
}

resource "azurerm_role_assignment" "custom" {
  for_each = local.grants

  principal_id       = local.principals[each.value.to]
  principal_type     = "ServicePrincipal"
  role_definition_id = azurerm_role_definition.custom[each.value.role].role_definition_resource_id
  scope              = each.value.scope
}

# The host keeps leases, timers and the code's package in the account; the application keeps its state there.
resource "azurerm_role_assignment" "function_storage" {
  for_each = toset(["Storage Blob Data Owner", "Storage Queue Data Contributor", "Storage Table Data Contributor"])

  principal_id         = local.principals.function
  principal_type       = "ServicePrincipal"
  role_definition_name = each.value
  scope                = azurerm_storage_account.factory.id
}

# To give a container group the builder's identity.
resource "azurerm_role_assignment" "function_gives_builder" {
  principal_id         = local.principals.function
  principal_type       = "ServicePrincipal"
  role_definition_name = "Managed Identity Operator"
  scope                = azurerm_user_assigned_identity.builder.id
}

# To make and read the signing secrets of receivers. Key Vault Secrets Officer is not used: it may also delete, back up
# and purge them. The vault holds nothing else, and the vault of the signing key gives this identity no secret.
resource "azurerm_role_definition" "receiver_secrets" {
  name              = "${var.name} receiver secrets (${var.suffix})"
  scope             = azurerm_resource_group.core.id
  description       = "Made by the image factory's Terraform; see infra/roles.tf."
  assignable_scopes = [azurerm_resource_group.core.id]

  permissions {
    data_actions = [
      "Microsoft.KeyVault/vaults/secrets/getSecret/action",
      "Microsoft.KeyVault/vaults/secrets/setSecret/action",
    ]
  }
}

resource "azurerm_role_assignment" "function_makes_secrets" {
  principal_id       = local.principals.function
  principal_type     = "ServicePrincipal"
  role_definition_id = azurerm_role_definition.receiver_secrets.role_definition_resource_id
  scope              = azurerm_key_vault.receivers.id
}

# To sign, and to see which versions are enabled. Key Vault Crypto User is not used: it may also disable versions and
# back keys up. The publisher's identity may not sign, and this identity may not publish. A publication needs both.
resource "azurerm_role_definition" "provenance_signer" {
  name              = "${var.name} provenance signer (${var.suffix})"
  scope             = azurerm_resource_group.core.id
  description       = "Made by the image factory's Terraform; see infra/roles.tf."
  assignable_scopes = [azurerm_resource_group.core.id]

  permissions {
    data_actions = [
      "Microsoft.KeyVault/vaults/keys/read",
      "Microsoft.KeyVault/vaults/keys/sign/action",
    ]
  }
}

resource "azurerm_role_assignment" "function_signs" {
  principal_id       = local.principals.function
  principal_type     = "ServicePrincipal"
  role_definition_id = azurerm_role_definition.provenance_signer.role_definition_resource_id
  scope              = azapi_resource.signing_key.id
}

resource "azurerm_role_assignment" "function_telemetry" {
  principal_id         = local.principals.function
  principal_type       = "ServicePrincipal"
  role_definition_name = "Monitoring Metrics Publisher"
  scope                = azurerm_application_insights.factory.id
}

# The builder's identity has no role on blobs. Each container gets a token for the blobs of its own attempt
# (docs/adr/0033). A container that an older release has started still uses its identity: see docs/operations.md.
resource "azurerm_role_assignment" "builder_reads" {
  for_each = var.keeps_builder_roles ? toset(["bundles", "jobs"]) : toset([])

  principal_id         = local.principals.builder
  principal_type       = "ServicePrincipal"
  role_definition_name = "Storage Blob Data Reader"
  scope                = azapi_resource.container[each.value].id
}

resource "azurerm_role_assignment" "builder_reports" {
  for_each = var.keeps_builder_roles ? toset(["builds"]) : toset([])

  principal_id         = local.principals.builder
  principal_type       = "ServicePrincipal"
  role_definition_name = "Storage Blob Data Contributor"
  scope                = azapi_resource.container[each.value].id
}

# An event is a hint: its reader looks at the report in the attempt's folder. This role cannot be limited to one build.
resource "azurerm_role_assignment" "builder_announces" {
  principal_id         = local.principals.builder
  principal_type       = "ServicePrincipal"
  role_definition_name = "Storage Queue Data Message Sender"
  scope                = azapi_resource.queue["build-events"].id
}

resource "azurerm_role_assignment" "builder_image" {
  principal_id         = local.principals.builder
  principal_type       = "ServicePrincipal"
  role_definition_name = "AcrPull"
  scope                = azurerm_container_registry.factory.id
}
