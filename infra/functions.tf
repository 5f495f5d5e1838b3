# The function app, made by azapi. azurerm_function_app_flex_consumption is not used: it adds an AzureWebJobsStorage
# connection string beside the identity-based settings, and an app without shared keys does not start with that string
# (hashicorp/terraform-provider-azurerm issues 29149, 29693 and 30732, open when this was written).

locals {
  # Exactly the names of local.settings.sample.json. A test checks that both are equal.
  app_settings = {
    AzureWebJobsStorage__blobServiceUri  = azurerm_storage_account.factory.primary_blob_endpoint
    AzureWebJobsStorage__queueServiceUri = azurerm_storage_account.factory.primary_queue_endpoint
    AzureWebJobsStorage__tableServiceUri = azurerm_storage_account.factory.primary_table_endpoint
    AzureWebJobsStorage__credential      = "managedidentity"
    AzureWebJobsStorage__clientId        = azurerm_user_assigned_identity.function.client_id

    POLL_SCHEDULE    = var.schedules.poll
    SWEEP_SCHEDULE   = var.schedules.sweep
    OBSERVE_SCHEDULE = var.schedules.observe
    ADMIT_SCHEDULE   = var.schedules.admit
    PRUNE_SCHEDULE   = var.schedules.prune

    FACTORY_SUBSCRIPTION_ID        = var.subscription_id
    FACTORY_TENANT_ID              = data.azurerm_client_config.current.tenant_id
    FACTORY_LOCATION               = var.location
    FACTORY_BUILD_RESOURCE_GROUP   = azurerm_resource_group.build.name
    FACTORY_GALLERY_RESOURCE_GROUP = azurerm_resource_group.galleries.name
    FACTORY_QUARANTINE_GALLERY     = join(",", concat([azurerm_shared_image_gallery.quarantine.name], var.quarantine_galleries_elsewhere))
    FACTORY_LIVE_GALLERIES         = join(",", concat([for name in var.live_galleries : azurerm_shared_image_gallery.live[name].name], var.live_galleries_elsewhere))
    FACTORY_BUILDER_IMAGE          = var.builder_image
    FACTORY_BUILDER_IDENTITY_ID    = azurerm_user_assigned_identity.builder.id
    FACTORY_BUILDER_CLIENT_ID      = azurerm_user_assigned_identity.builder.client_id
    FACTORY_CLIENT_ID              = azurerm_user_assigned_identity.function.client_id
    FACTORY_PUBLISHER_CLIENT_ID    = azurerm_user_assigned_identity.publisher.client_id
    FACTORY_CLEANER_CLIENT_ID      = azurerm_user_assigned_identity.cleaner.client_id
    FACTORY_BUILD_SUBNET_ID        = azurerm_subnet.containers.id
    FACTORY_VM_SUBNET_ID           = azurerm_subnet.machines.id
    FACTORY_SLOTS                  = tostring(var.slots)
    FACTORY_CREATES_PER_HOUR       = tostring(var.creates_per_hour)
    FACTORY_CREATES_PER_5_MINUTES  = tostring(var.creates_per_5_minutes)
    FACTORY_DELETES_PER_HOUR       = tostring(var.deletes_per_hour)
    FACTORY_DELETES_PER_5_MINUTES  = tostring(var.deletes_per_5_minutes)
    FACTORY_CONTAINER_GROUPS       = tostring(var.container_groups)
    FACTORY_CONTAINER_CORES        = tostring(var.container_cores)
    FACTORY_TEAM_SLOTS             = tostring(var.team_slots)
    FACTORY_WAIT_SECONDS           = tostring(var.wait_seconds)
    FACTORY_RETENTION_GRACE_HOURS  = tostring(var.retention_grace_hours)
    FACTORY_KEY_VAULT_URI          = azurerm_key_vault.factory.vault_uri
    FACTORY_RECEIVERS_VAULT_URI    = azurerm_key_vault.receivers.vault_uri
    FACTORY_TOOL_SCANNER           = var.tool_scanner
    FACTORY_UNSIGNED_NOTIFICATIONS = var.unsigned_notifications
    FACTORY_SIGNING_KEY            = "${azurerm_key_vault.factory.vault_uri}keys/${azapi_resource.signing_key.name}"
    FACTORY_UNPROVEN               = var.unproven
    FACTORY_RESOURCE_TAGS          = jsonencode(local.tags)
    FACTORY_TRUSTED_LAUNCH_CAPTURE = var.trusted_launch_capture
    FACTORY_API_AUDIENCE           = var.api_audience
    FACTORY_TOKEN_VERSIONS         = var.token_versions
    FACTORY_TEAM_GROUPS            = jsonencode(var.team_groups)
    FACTORY_TEAM_GROUP_KEYS        = var.team_group_keys
    FACTORY_SECOPS_TEAM            = var.secops_team
    FACTORY_AUTHORITY              = "https://login.microsoftonline.com"
    FACTORY_ARM_ENDPOINT           = "https://management.azure.com"
  }

  # For the host itself, not for the application.
  host_settings = {
    APPLICATIONINSIGHTS_CONNECTION_STRING     = azurerm_application_insights.factory.connection_string
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING = "ClientId=${azurerm_user_assigned_identity.function.client_id};Authorization=AAD"
  }
}

resource "azurerm_service_plan" "factory" {
  name                = "asp-${var.name}"
  resource_group_name = azurerm_resource_group.core.name
  location            = var.location
  os_type             = "Linux"
  sku_name            = "FC1"
  tags                = local.tags
}

resource "azapi_resource" "function_app" {
  type      = "Microsoft.Web/sites@2024-04-01"
  name      = local.function_app
  parent_id = azurerm_resource_group.core.id
  location  = var.location
  tags      = merge(local.tags, { "azd-service-name" = "factory" })

  identity {
    type = "UserAssigned"
    identity_ids = [
      azurerm_user_assigned_identity.function.id,
      azurerm_user_assigned_identity.publisher.id,
      azurerm_user_assigned_identity.cleaner.id,
    ]
  }

  body = {
    kind = "functionapp,linux"
    properties = {
      serverFarmId           = azurerm_service_plan.factory.id
      httpsOnly              = true
      virtualNetworkSubnetId = azurerm_subnet.functions.id
      # Enabled only for Event Grid, which cannot reach a private endpoint. The restrictions refuse all others.
      publicNetworkAccess = "Enabled"

      functionAppConfig = {
        deployment = {
          storage = {
            type  = "blobContainer"
            value = "${azurerm_storage_account.factory.primary_blob_endpoint}${azapi_resource.container["app-package"].name}"
            authentication = {
              type                           = "UserAssignedIdentity"
              userAssignedIdentityResourceId = azurerm_user_assigned_identity.function.id
            }
          }
        }
        runtime = {
          name    = "python"
          version = "3.11"
        }
        scaleAndConcurrency = {
          instanceMemoryMB     = 2048
          maximumInstanceCount = 40
        }
      }

      siteConfig = {
        minTlsVersion                          = "1.2"
        http20Enabled                          = true
        ipSecurityRestrictionsDefaultAction    = "Deny"
        scmIpSecurityRestrictionsDefaultAction = "Deny"
        ipSecurityRestrictions = [
          {
            name      = "event-grid"
            priority  = 100
            action    = "Allow"
            tag       = "ServiceTag"
            ipAddress = "AzureEventGrid"
          }
        ]
        appSettings = [
          for name, value in merge(local.app_settings, local.host_settings) : { name = name, value = value }
        ]
      }
    }
  }

  # With these rights the host pulls its package and starts. Without them the first start fails.
  depends_on = [azurerm_role_assignment.function_storage]
}

# Publishing passwords would bypass Entra.
resource "azapi_update_resource" "no_basic_auth" {
  for_each = toset(["ftp", "scm"])

  type      = "Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01"
  name      = each.value
  parent_id = azapi_resource.function_app.id

  body = {
    properties = { allow = false }
  }
}
