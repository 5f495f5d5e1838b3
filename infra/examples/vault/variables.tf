variable "subscription_id" {
  description = "Subscription of all resources."
  type        = string
}

variable "resource_group" {
  description = "An existing resource group for the servers."
  type        = string
}

variable "location" {
  description = "Azure region. The image must be replicated there (spec.publish.regions of rhel9-vault)."
  type        = string
  default     = "westeurope"
}

variable "name" {
  description = "Prefix of all names."
  type        = string
  default     = "vault"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{2,8}$", var.name))
    error_message = "Use 3 to 9 lower-case letters and digits, starting with a letter: Azure adds six to the names of machines."
  }
}

variable "suffix" {
  description = "Makes the name of the seal's Key Vault unique on Azure."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]{3,8}$", var.suffix))
    error_message = "Use 3 to 8 lower-case letters and digits."
  }
}

variable "image_definition_id" {
  description = "Resource id of rhel9-vault in a live gallery: /subscriptions/.../galleries/live/images/rhel9-vault. Never one of the quarantine gallery."
  type        = string

  validation {
    condition     = can(regex("/galleries/[^/]+/images/[^/]+$", var.image_definition_id)) && !can(regex("/galleries/[^/]*quarantine[^/]*/", lower(var.image_definition_id)))
    error_message = "Give the id of an image definition in a live gallery, without a version."
  }
}

variable "image_version" {
  description = "Version of the image, for example 1.20261201.1. Raise it to upgrade, set the former one to roll back. Null follows the newest live version, and Azure rolls back by itself."
  type        = string
  default     = null

  validation {
    condition     = var.image_version == null || can(regex("^[0-9]+\\.[0-9]{8}\\.[0-9]+$", coalesce(var.image_version, "1.20260101.1")))
    error_message = "Write a version as MAJOR.YYYYMMDD.N, or null."
  }
}

variable "instances" {
  description = "Servers. Raft needs an odd number: 3 bear the loss of one, 5 of two."
  type        = number
  default     = 5

  validation {
    condition     = contains([3, 5, 7], var.instances)
    error_message = "Use 3, 5 or 7 servers."
  }
}

variable "vm_size" {
  description = "Size of each server."
  type        = string
  default     = "Standard_D2s_v5"
}

variable "data_disk_gb" {
  description = "Size of the disk of each server: three quarters hold Vault's storage, one its audit logs. An upgrade replaces the disk of the system, not this one."
  type        = number
  default     = 64
}

variable "zones" {
  description = "Availability zones of the servers."
  type        = list(string)
  default     = ["1", "2", "3"]
}

variable "subnet_id" {
  description = "Subnet of the servers and of the load balancer's address. It needs a way to Azure Resource Manager and the private endpoints of both vaults."
  type        = string
}

variable "clients" {
  description = "Address ranges that may use Vault."
  type        = list(string)

  validation {
    condition     = alltrue([for range in var.clients : can(cidrhost(range, 0)) && range != "0.0.0.0/0" && range != "::/0"])
    error_message = "Give ranges such as 10.20.0.0/16. The whole internet is not one of them."
  }
}

variable "servers" {
  description = "Address range of the subnet: the servers talk to each other there."
  type        = string
}

variable "address" {
  description = "Private address of the load balancer, in the subnet."
  type        = string
}

variable "dns_name" {
  description = "Name by which clients call Vault. The certificate must be for it."
  type        = string
}

variable "certificate_vault_id" {
  description = "Resource id of the Key Vault that has the certificate."
  type        = string
}

variable "certificate_name" {
  description = "The certificate in that vault, with the whole chain: the servers know each other by its issuers."
  type        = string
  default     = "vault-tls"
}

variable "endpoint_subnet_id" {
  description = "Subnet of the seal's private endpoint."
  type        = string
}

variable "vault_zone_id" {
  description = "Resource id of the private zone privatelink.vaultcore.azure.net."
  type        = string
}

variable "is_initialised" {
  description = "False for the first apply only: a server without data then counts as healthy, so that it can be initialised. Set it to true after `vault operator init`."
  type        = bool
  default     = false
}

variable "allow_ssh_from" {
  description = "Address ranges that may sign in by SSH. Empty (the default): sshd is masked, and no rule lets anybody in."
  type        = list(string)
  default     = []
}

variable "allow_extensions" {
  description = "True lets extensions run on the servers, and so Azure Monitor agent, by which they report. Each person who may write extensions or use Run Command then has a shell of root on each server."
  type        = bool
  default     = false
}

variable "more_identity_ids" {
  description = "Resource ids of identities that the servers have besides their own, such as the one that Azure Policy adds for Azure Monitor agent. An apply takes away those that are not named. They get no rights here."
  type        = list(string)
  default     = []
}

variable "admin_public_key" {
  description = "Public SSH key of the account that Azure demands. Without SSH it opens nothing: give one whose private half was destroyed."
  type        = string
}
