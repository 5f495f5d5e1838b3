variable "resource_group" {
  description = "An existing resource group for the rules."
  type        = string
}

variable "location" {
  description = "The region of the workspace. A rule collects from machines of this region alone."
  type        = string
}

variable "workspace_id" {
  description = "The id of the Log Analytics workspace that the fleet's events go to."
  type        = string
}

variable "machines" {
  description = "Ids of the machines and scale sets that report, by a name of your own. Empty, if Azure Policy associates them."
  type        = map(string)
  default     = {}
}

variable "action_groups" {
  description = "Ids of the action groups that get the alerts."
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.action_groups) <= 5
    error_message = "A rule has 5 action groups at most."
  }
}

variable "name" {
  description = "What the names of the rules end with."
  type        = string
  default     = "fleet"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,20}$", var.name))
    error_message = "Use 2 to 21 lower-case letters, digits and dashes, starting with a letter."
  }
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  default     = {}
}
