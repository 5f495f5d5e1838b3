variable "subscription_id" {
  description = "Subscription of all resources."
  type        = string
}

variable "location" {
  description = "Azure region, in its short form. Builds run here and versions are replicated from here."
  type        = string
  default     = "westeurope"
}

variable "name" {
  description = "Prefix of all names."
  type        = string
  default     = "imagefactory"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{2,13}$", var.name))
    error_message = "Use 3 to 14 lower-case letters and digits, starting with a letter."
  }
}

variable "suffix" {
  description = "Makes the names that are global on Azure unique: storage account, registry, vault, function app."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]{3,8}$", var.suffix))
    error_message = "Use 3 to 8 lower-case letters and digits."
  }
}

variable "tool_scanner" {
  description = "Whose answer the factory takes for a file of a third-party tool. `defender`: Microsoft Defender for Storage, which this module switches on for the factory's account, with its price (README.md). `elsewhere`: the estate scans by itself before a file comes; then records and provenance say that the factory has not scanned it."
  type        = string
  default     = "defender"

  validation {
    condition     = contains(["defender", "elsewhere"], var.tool_scanner)
    error_message = "Use defender or elsewhere."
  }
}

variable "scan_gb_per_month" {
  description = "Gigabytes that Defender for Storage scans in a month at most. Each file is scanned twice: as it comes, and as it is copied. At the cap no file gets an answer, so none is admitted until the next month."
  type        = number
  default     = 100

  validation {
    condition     = var.scan_gb_per_month >= 10
    error_message = "Azure takes 10 or more."
  }
}

variable "quarantined_tool_days" {
  description = "Days that a file of a third-party tool stays in quarantine, counted from its upload."
  type        = number
  default     = 30
}

variable "live_galleries" {
  description = "Galleries that consumers read. A subscription holds 1,000 image definitions per region. An image stays where it was placed, so only add to this list."
  type        = list(string)
  default     = ["live"]

  validation {
    condition     = length(var.live_galleries) > 0 && !contains([for name in var.live_galleries : lower(name)], "quarantine")
    error_message = "Name at least one gallery; the quarantine gallery is never live."
  }
}

variable "live_galleries_elsewhere" {
  description = "Live galleries of other subscriptions, as SUBSCRIPTION/RESOURCE_GROUP/NAME. They exist already, with the rights that docs/operations.md lists (When a gallery is full). Only add to this list."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for entry in var.live_galleries_elsewhere : can(regex("^[0-9a-fA-F-]{36}/[^/,]+/[A-Za-z0-9][A-Za-z0-9._]*$", entry))])
    error_message = "Write each one as SUBSCRIPTION/RESOURCE_GROUP/NAME."
  }
}

variable "quarantine_galleries_elsewhere" {
  description = "Quarantine galleries of other subscriptions, as SUBSCRIPTION/RESOURCE_GROUP/NAME. They exist already, with the rights that docs/operations.md lists (When a gallery is full). Only add to this list."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for entry in var.quarantine_galleries_elsewhere : can(regex("^[0-9a-fA-F-]{36}/[^/,]+/[A-Za-z0-9][A-Za-z0-9._]*$", entry))])
    error_message = "Write each one as SUBSCRIPTION/RESOURCE_GROUP/NAME."
  }
}

variable "address_space" {
  description = "The network's addresses, at least a /22. They must not overlap with the networks that it will be peered with."
  type        = string
  default     = "10.40.0.0/22"
}

variable "api_audience" {
  description = "What access tokens for the API name as their audience: in version 2.0 the application (client) id of the app registration; see README.md."
  type        = string
}

variable "token_versions" {
  description = "Versions of Entra's access tokens that the API accepts: 1.0, 2.0 or both. As requestedAccessTokenVersion of the app registration says."
  type        = string
  default     = "2.0"
  validation {
    condition     = contains(["1.0", "2.0", "both"], var.token_versions)
    error_message = "Give 1.0, 2.0 or both."
  }
}

variable "team_groups" {
  description = "Groups of Entra whose members are members of a team: object id of the group = name of the team."
  type        = map(string)
  default     = {}
}

variable "team_group_keys" {
  description = "id, or name where Entra sends only groups that are assigned to the application, by name."
  type        = string
  default     = "id"
  validation {
    condition     = contains(["id", "name"], var.team_group_keys)
    error_message = "Give id or name."
  }
}

variable "secops_team" {
  description = "Team that owns base images and platform steps."
  type        = string
  default     = "secops"
}

variable "unproven" {
  description = "What happens to a live version without a valid signed statement, in addition to the alarm: alert (nothing) or exclude (it is taken out of latest)."
  type        = string
  default     = "alert"

  validation {
    condition     = contains(["alert", "exclude"], var.unproven)
    error_message = "Use alert or exclude."
  }
}

variable "unsigned_notifications" {
  description = "What a receiver without a signing secret gets: refuse (nothing, and its images say so) or allow (notifications without a signature)."
  type        = string
  default     = "refuse"

  validation {
    condition     = contains(["refuse", "allow"], var.unsigned_notifications)
    error_message = "Use refuse or allow."
  }
}

variable "trusted_launch_capture" {
  description = "How new images that run as Trusted Launch only are captured: managed-image (documented by Azure) or machine; see docs/operations.md, Trusted Launch."
  type        = string
  default     = "managed-image"

  validation {
    condition     = contains(["managed-image", "machine"], var.trusted_launch_capture)
    error_message = "Use managed-image or machine."
  }
}

variable "builder_image" {
  description = "The builder's image, by digest: HOST/imagefactory-builder@sha256:... Empty until the image was pushed once."
  type        = string
  default     = ""

  validation {
    condition     = var.builder_image == "" || can(regex("@sha256:[0-9a-f]{64}$", var.builder_image))
    error_message = "Name the image by its digest, never by a tag."
  }
}

variable "is_code_deployed" {
  description = "True after the function app's code was deployed, because an Event Grid subscription needs an existing function."
  type        = bool
  default     = false
}

variable "slots" {
  description = "Builds that may run at once. Container Instances allow 100 groups and 100 cores per region by default."
  type        = number
  default     = 20
}

variable "creates_per_hour" {
  description = "Number of container groups that may be created in an hour. Azure's default limit is 300."
  type        = number
  default     = 250
}

variable "creates_per_5_minutes" {
  description = "Number of container groups that may be created in five minutes. Azure's default limit is 100."
  type        = number
  default     = 80
}

variable "deletes_per_hour" {
  description = "Number of container groups that may be deleted in an hour. Azure's default limit is 300."
  type        = number
  default     = 250
}

variable "deletes_per_5_minutes" {
  description = "Number of container groups that may be deleted in five minutes. Azure's default limit is 100."
  type        = number
  default     = 80
}

variable "container_groups" {
  description = "The subscription's quota of container groups in the region. A running build may have two for a short time."
  type        = number
  default     = 100
}

variable "container_cores" {
  description = "The subscription's quota of cores of container groups in the region. Each group uses one."
  type        = number
  default     = 100
}

variable "team_slots" {
  description = "Builds of one team that may run at once."
  type        = number
  default     = 10
}

variable "wait_seconds" {
  description = "Seconds between two looks at a running build."
  type        = number
  default     = 30
}

variable "retention_grace_hours" {
  description = "Hours between the exclusion of a version that retention does not keep, and its deletion."
  type        = number
  default     = 168
}

variable "schedules" {
  description = "When the timers fire: NCRONTAB with seconds, in UTC."
  type = object({
    poll    = string
    sweep   = string
    observe = optional(string, "0 */5 * * * *")
    admit   = optional(string, "0 * * * * *")
    prune   = string
  })
  default = {
    poll    = "0 */5 * * * *"
    sweep   = "0 */10 * * * *"
    observe = "0 */5 * * * *"
    admit   = "0 * * * * *"
    prune   = "0 7-59/15 * * * *"
  }
}

variable "log_retention_days" {
  description = "Number of days that logs and metrics are kept."
  type        = number
  default     = 90
}

variable "keeps_deleting_publisher" {
  description = "Let the publisher delete versions too, while a release runs that knows no cleaner. Only for an upgrade or a roll-back."
  type        = bool
  default     = false
}

variable "keeps_builder_roles" {
  description = "Whether the builder's identity keeps its old roles on blobs. Only while containers of a release without tokens for blobs run: see docs/operations.md, upgrade."
  type        = bool
  default     = false
}

variable "build_record_days" {
  description = "Number of days that jobs, logs and reports of builds are kept. Provenance and definitions stay; bundles stay while they are used."
  type        = number
  default     = 180
}

variable "provenance_days" {
  description = "Number of days for which a signed statement cannot be changed or deleted. Longer than any version is used."
  type        = number
  default     = 3650

  validation {
    condition     = var.provenance_days >= 1 && var.provenance_days <= 146000
    error_message = "provenance_days must be from 1 to 146000."
  }
}

variable "tags" {
  description = "Tags of everything made here, and of everything that a build makes. At most 29, without braces: see docs/operations.md."
  type        = map(string)
  default     = {}
}
