# State, messages, bundles and evidence. Entra identities only, over the network only.

resource "azurerm_storage_account" "factory" {
  name                             = local.storage_account
  resource_group_name              = azurerm_resource_group.core.name
  location                         = var.location
  account_kind                     = "StorageV2"
  account_tier                     = "Standard"
  account_replication_type         = "ZRS"
  min_tls_version                  = "TLS1_2"
  https_traffic_only_enabled       = true
  shared_access_key_enabled        = false
  default_to_oauth_authentication  = true
  public_network_access_enabled    = false
  allow_nested_items_to_be_public  = false
  cross_tenant_replication_enabled = false
  tags                             = local.tags

  blob_properties {
    versioning_enabled = true

    delete_retention_policy {
      days = 30
    }

    container_delete_retention_policy {
      days = 30
    }
  }
}

locals {
  blob_containers = toset(["bundles", "definitions", "jobs", "builds", "provenance", "catalog-quarantine", "catalog"])
  # Tools of third parties come into the first and go from the second into images: both are scanned. The other
  # containers hold what the factory's own identities write, and a log is written again every two seconds.
  scanned_containers = toset(["catalog-quarantine", "catalog"])
  tables             = toset(["images", "index", "capacity"])
  queues = toset([
    "rebuild-requests",
    "dispatch-requests",
    "build-steps",
    "build-events",
    "image-published",
    "notification-requests",
  ])
  # The host makes a poison queue when it first needs it. Made here, the queue can be watched from the first day.
  all_queues = setunion(local.queues, toset([for queue in local.queues : "${queue}-poison"]))
}

# Made through the management plane, which also works from outside the network. azurerm's own resources for queues and
# tables call the account itself, which cannot be reached from outside.
resource "azapi_resource" "container" {
  for_each = setunion(local.blob_containers, toset(["app-package"]))

  type      = "Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01"
  name      = each.value
  parent_id = "${azurerm_storage_account.factory.id}/blobServices/default"

  body = {
    properties = { publicAccess = "None" }
  }
}

# Defender for Storage scans each file of a third party as it comes, and writes what it found into the blob's index tags,
# which the factory reads. The plan of this account counts alone, whatever the subscription has. It costs money for the
# account and for each scanned gigabyte: see README.md.
resource "azapi_resource" "malware_scanning" {
  for_each = var.tool_scanner == "defender" ? toset(["current"]) : toset([])

  type      = "Microsoft.Security/defenderForStorageSettings@2025-06-01"
  name      = each.value
  parent_id = azurerm_storage_account.factory.id

  body = {
    properties = {
      isEnabled                         = true
      overrideSubscriptionLevelSettings = true
      malwareScanning = {
        blobScanResultsOptions = "BlobIndexTags"
        automatedResponse      = "None"
        onUpload = {
          isEnabled     = true
          capGBPerMonth = var.scan_gb_per_month
          filters = {
            excludeBlobsWithPrefix = sort([for name in setsubtract(setunion(local.blob_containers, toset(["app-package"])), local.scanned_containers) : "${name}/"])
          }
        }
      }
      sensitiveDataDiscovery = { isEnabled = false }
    }
  }
}

# What was signed is never changed: the factory creates each blob once and overwrites none. A time-based retention policy
# holds everybody to that, the factory's own identity and people too: a blob can be created and read, and not be changed
# or deleted before the period is over (learn.microsoft.com, "Time-based retention policies for immutable blob data").
# Only a locked policy cannot be taken away again. Then the account cannot be deleted either while it holds blobs, so it
# is locked by a person, once: see docs/operations.md.
resource "azapi_resource" "provenance_immutability" {
  type      = "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies@2023-05-01"
  name      = "default"
  parent_id = azapi_resource.container["provenance"].id

  body = {
    properties = {
      immutabilityPeriodSinceCreationInDays = var.provenance_days
      allowProtectedAppendWrites            = false
      allowProtectedAppendWritesAll         = false
    }
  }
}

resource "azapi_resource" "queue" {
  for_each = local.all_queues

  type      = "Microsoft.Storage/storageAccounts/queueServices/queues@2023-05-01"
  name      = each.value
  parent_id = "${azurerm_storage_account.factory.id}/queueServices/default"

  body = {
    properties = {}
  }
}

resource "azapi_resource" "table" {
  for_each = local.tables

  type      = "Microsoft.Storage/storageAccounts/tableServices/tables@2023-05-01"
  name      = each.value
  parent_id = "${azurerm_storage_account.factory.id}/tableServices/default"

  body = {
    properties = {}
  }
}

# A file that nobody asks for stays in quarantine for a while, so that a person can look at it; an admitted one has been
# copied by then. Files in `catalog` stay until SecOps remove them by name: no rule of the storage knows the catalog in force.
# Definitions and provenance stay, because every table can be derived from them and the gallery's tags. Bundles stay too;
# the function app deletes those that nobody uses, and only these have versions that are not current.
resource "azurerm_storage_management_policy" "factory" {
  storage_account_id = azurerm_storage_account.factory.id

  rule {
    name    = "forget-old-builds"
    enabled = true

    filters {
      prefix_match = ["builds/", "jobs/"]
      blob_types   = ["blockBlob", "appendBlob"]
    }

    actions {
      base_blob {
        delete_after_days_since_modification_greater_than = var.build_record_days
      }
    }
  }

  rule {
    name    = "forget-quarantined-tools"
    enabled = true

    filters {
      prefix_match = ["catalog-quarantine/"]
      blob_types   = ["blockBlob"]
    }

    actions {
      base_blob {
        delete_after_days_since_creation_greater_than = var.quarantined_tool_days
      }

      version {
        delete_after_days_since_creation = var.quarantined_tool_days
      }
    }
  }

  rule {
    name    = "forget-removed-bundles"
    enabled = true

    filters {
      prefix_match = ["bundles/"]
      blob_types   = ["blockBlob"]
    }

    actions {
      version {
        delete_after_days_since_creation = 30
      }
    }
  }
}
