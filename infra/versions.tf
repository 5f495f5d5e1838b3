terraform {
  required_version = ">= 1.6"

  required_providers {
    # 4.78 is the first version that knows every name used here; all of them are in 5.x too (README.md).
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 4.78, < 5.0"
    }
    # For the function app, the contents of the storage account and the links of the zones. functions.tf, storage.tf and
    # private_endpoints.tf give the reasons.
    azapi = {
      source  = "Azure/azapi"
      version = ">= 2.0, < 3.0"
    }
  }
}

provider "azurerm" {
  subscription_id     = var.subscription_id
  storage_use_azuread = true # there are no shared keys

  features {
    key_vault {
      purge_soft_delete_on_destroy = false
    }

    # Otherwise the provider waits for the account's own blob, queue and table services. From outside the network they
    # answer 403, and that ends the first apply.
    storage {
      data_plane_available = false
    }
  }
}

provider "azapi" {
  subscription_id = var.subscription_id
}
