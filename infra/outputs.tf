output "function_app" {
  description = "Name of the function app, for deploying its code."
  value       = azapi_resource.function_app.name
}

output "api_url" {
  description = "Address of the API and the dashboard, inside the network."
  value       = "https://${azapi_resource.function_app.name}.azurewebsites.net"
}

output "registry" {
  description = "Host of the registry for the builder's image."
  value       = azurerm_container_registry.factory.login_server
}

output "live_galleries" {
  description = "Ids of the galleries that consumers read. Give them Compute Gallery Image Reader there."
  value       = { for name, gallery in azurerm_shared_image_gallery.live : name => gallery.id }
}

output "key_vault" {
  description = "Vault of the key that signs provenance."
  value       = azurerm_key_vault.factory.vault_uri
}

output "receivers_vault" {
  description = "Vault of the secrets that sign notifications."
  value       = azurerm_key_vault.receivers.vault_uri
}

output "virtual_network_id" {
  description = "The network, for peering with the network of operators and pipelines."
  value       = azurerm_virtual_network.factory.id
}
