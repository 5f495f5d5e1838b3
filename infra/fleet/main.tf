# What a deployed machine says about its provisioning: collected into one workspace, with alerts. The machines are not the
# factory's, so this is a module of its own, for the subscription that holds them.

resource "azurerm_monitor_data_collection_rule" "postdeploy" {
  name                = "dcr-postdeploy-${var.name}"
  resource_group_name = var.resource_group
  location            = var.location
  kind                = "Linux"
  tags                = var.tags

  destinations {
    log_analytics {
      name                  = "fleet"
      workspace_resource_id = var.workspace_id
    }
  }

  data_flow {
    streams      = ["Microsoft-Syslog"]
    destinations = ["fleet"]
  }

  data_sources {
    syslog {
      name           = "postdeploy"
      streams        = ["Microsoft-Syslog"]
      facility_names = ["local6"] # SyslogFacility= of the units
      log_levels     = ["Info", "Notice", "Warning", "Error", "Critical", "Alert", "Emergency"]
    }
  }
}

resource "azurerm_monitor_data_collection_rule_association" "machine" {
  for_each = var.machines

  name                    = "postdeploy-${var.name}"
  target_resource_id      = each.value
  data_collection_rule_id = azurerm_monitor_data_collection_rule.postdeploy.id
}

locals {
  # A row of the query is an alert of the machine that it names. The programs run each hour, with a delay of up to 20
  # minutes, so a window of two hours always has a run in it: an alert ends when the machine has run without the fault. What
  # is said once a day, and a machine that may be gone, ends by nobody's word: those alerts do not end by themselves, and
  # come again as often as `quiet` says.
  alerts = {
    failed-unit = {
      query    = "alerts"
      what     = "A unit of provisioning failed, also by a signal or a time-out."
      severity = 1
      every    = "PT15M"
      window   = "PT2H"
      range    = null
      quiet    = null
    }
    rolled-back = {
      query    = "rollbacks"
      what     = "A service did not come up with a new certificate, and has the former one again."
      severity = 2
      every    = "PT15M"
      window   = "PT2H"
      range    = null
      quiet    = null
    }
    expires-soon = {
      query    = "expiring"
      what     = "A certificate expires in fewer than 14 days, and Key Vault has nothing newer."
      severity = 2
      every    = "PT1H"
      window   = "PT2H"
      range    = null
      quiet    = "P1D"
    }
    silent = {
      query    = "silent"
      what     = "A machine that reported in the last two days has said nothing for three hours. It may be gone, too."
      severity = 3
      every    = "PT1H"
      window   = "PT1H"
      range    = "P2D"
      quiet    = "P1D"
    }
  }
}

resource "azurerm_monitor_scheduled_query_rules_alert_v2" "postdeploy" {
  for_each = local.alerts

  name                      = "sqr-${each.key}-${var.name}"
  resource_group_name       = var.resource_group
  location                  = var.location
  description               = each.value.what
  severity                  = each.value.severity
  scopes                    = [var.workspace_id]
  evaluation_frequency      = each.value.every
  window_duration           = each.value.window
  query_time_range_override = each.value.range
  # The two exclude each other.
  auto_mitigation_enabled           = each.value.quiet == null
  mute_actions_after_alert_duration = each.value.quiet
  tags                              = var.tags

  criteria {
    query                   = file("${path.module}/queries/${each.value.query}.kql")
    time_aggregation_method = "Count"
    operator                = "GreaterThan"
    threshold               = 0

    dimension {
      name     = "Computer"
      operator = "Include"
      values   = ["*"]
    }

    failing_periods {
      minimum_failing_periods_to_trigger_alert = 1
      number_of_evaluation_periods             = 1
    }
  }

  action {
    action_groups = var.action_groups
  }
}

# The figures: how long provisioning took, failures by reason, reruns, rotations. Saved in the workspace, for workbooks.
resource "azurerm_log_analytics_saved_search" "figure" {
  for_each = toset(["provisioning", "failures", "reruns", "rotations"])

  name                       = "postdeploy-${each.key}"
  log_analytics_workspace_id = var.workspace_id
  category                   = "Image Factory"
  display_name               = "Post-deploy: ${each.key}"
  query                      = file("${path.module}/queries/${each.key}.kql")
}
