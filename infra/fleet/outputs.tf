output "data_collection_rule_id" {
  description = "For Azure Policy, where it associates machines."
  value       = azurerm_monitor_data_collection_rule.postdeploy.id
}
