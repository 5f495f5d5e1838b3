terraform {
  required_version = ">= 1.6"

  required_providers {
    # The same bounds as the factory's own (infra/versions.tf).
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 4.78, < 5.0"
    }
    # For the scale set (servers.tf says why) and the key of the seal, which the resource manager makes: nobody needs to
    # reach the vault from outside.
    azapi = {
      source  = "Azure/azapi"
      version = ">= 2.0, < 3.0"
    }
  }
}

provider "azurerm" {
  subscription_id = var.subscription_id

  features {
    key_vault {
      purge_soft_delete_on_destroy = false
    }
  }
}

provider "azapi" {
  subscription_id = var.subscription_id
}
