# The servers: a scale set of the golden image. Nothing is installed on them, and no extension runs there unless
# `allow_extensions` lets it.

locals {
  follows_newest = var.image_version == null

  image = local.follows_newest ? var.image_definition_id : "${var.image_definition_id}/versions/${var.image_version}"
  admin = "imageadmin"

  configuration = templatefile("${path.module}/vault.hcl.tftpl", {
    certificate    = var.certificate_name
    dns_name       = var.dns_name
    port           = local.port
    raft           = local.raft
    resource_group = var.resource_group
    scale_set      = local.scale_set
    seal_key       = "unseal"
    seal_vault     = azurerm_key_vault.seal.name
    subscription   = var.subscription_id
    tenant         = data.azurerm_client_config.current.tenant_id
  })

  postdeploy = templatefile("${path.module}/postdeploy.json.tftpl", {
    certificate = var.certificate_name
    client_id   = azurerm_user_assigned_identity.servers.client_id
    key_vault   = basename(var.certificate_vault_id)
  })

  user_data = templatefile("${path.module}/cloud-init.yaml.tftpl", {
    admin         = local.admin
    allows_ssh    = length(var.allow_ssh_from) > 0
    client_id     = azurerm_user_assigned_identity.servers.client_id
    configuration = base64encode(local.configuration)
    postdeploy    = base64encode(local.postdeploy)
  })

  group_id  = "/subscriptions/${var.subscription_id}/resourceGroups/${var.resource_group}"
  scale_set = "vmss-${var.name}"
}

# By azapi: azurerm renames several arguments of scale sets from 4.x to 5.x, and does not know the rollback of an upgrade.
resource "azapi_resource" "servers" {
  type      = "Microsoft.Compute/virtualMachineScaleSets@2024-07-01"
  name      = local.scale_set
  location  = var.location
  parent_id = local.group_id

  identity {
    type         = "UserAssigned"
    identity_ids = concat([azurerm_user_assigned_identity.servers.id], var.more_identity_ids)
  }

  body = {
    sku   = { name = var.vm_size, capacity = var.instances }
    zones = var.zones

    properties = {
      orchestrationMode = "Uniform" # the servers find each other only in such a scale set
      overprovision     = false     # Raft would take the machines that Azure throws away for servers
      zoneBalance       = true

      # One server after the other. The next one waits until the probe calls the last one healthy, and for the pause in
      # which Raft catches up. If the new version is not healthy, the upgrade stops and that server goes back.
      upgradePolicy = {
        mode = "Rolling"
        rollingUpgradePolicy = {
          maxBatchInstancePercent             = 20 # of 3, 5 or 7 servers: one
          maxUnhealthyInstancePercent         = 34 # one of 3, of which a server that is being upgraded is one
          maxUnhealthyUpgradedInstancePercent = 20
          pauseTimeBetweenBatches             = "PT5M"
          prioritizeUnhealthyInstances        = true
          # A batch is one server, whatever its zone.
          enableCrossZoneUpgrade                = true
          rollbackFailedInstancesOnPolicyBreach = true
        }
        # With a pinned version the operator decides when.
        automaticOSUpgradePolicy = {
          enableAutomaticOSUpgrade = local.follows_newest
          disableAutomaticRollback = false
        }
      }

      virtualMachineProfile = {
        securityProfile = {
          securityType     = "TrustedLaunch"
          encryptionAtHost = true
          uefiSettings     = { secureBootEnabled = true, vTpmEnabled = true }
        }

        storageProfile = {
          imageReference = { id = local.image }
          osDisk = {
            createOption = "FromImage"
            caching      = "ReadWrite"
            managedDisk  = { storageAccountType = "Premium_LRS" }
          }
          # Vault's storage and audit logs. An upgrade gives a server a new disk of the system and leaves this one.
          dataDisks = [{
            lun          = 0
            createOption = "Empty"
            caching      = "None"
            diskSizeGB   = var.data_disk_gb
            managedDisk  = { storageAccountType = "Premium_LRS" }
          }]
        }

        osProfile = {
          computerNamePrefix       = var.name
          adminUsername            = local.admin
          allowExtensionOperations = var.allow_extensions # false: nobody gets a shell by an extension or Run Command
          customData               = base64encode(local.user_data)
          linuxConfiguration = {
            disablePasswordAuthentication = true
            ssh = {
              publicKeys = [{
                path    = "/home/${local.admin}/.ssh/authorized_keys"
                keyData = var.admin_public_key
              }]
            }
          }
        }

        networkProfile = {
          healthProbe = { id = azurerm_lb_probe.health.id }
          networkInterfaceConfigurations = [{
            name = "servers"
            properties = {
              primary              = true
              networkSecurityGroup = { id = azurerm_network_security_group.servers.id }
              ipConfigurations = [{
                name = "servers"
                properties = {
                  primary                         = true
                  subnet                          = { id = var.subnet_id }
                  loadBalancerBackendAddressPools = [{ id = azurerm_lb_backend_address_pool.servers.id }]
                }
              }]
            }
          }]
        }
      }
    }
  }

  # With the scale set the disks of Vault's storage would go.
  lifecycle {
    prevent_destroy = true
  }

  depends_on = [
    azurerm_lb_rule.vault, # a probe counts only if a rule uses it
    azurerm_private_endpoint.seal,
    azurerm_role_assignment.certificate,
    azurerm_role_assignment.seal,
  ]
}
