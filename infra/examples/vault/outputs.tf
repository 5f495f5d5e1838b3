output "address" {
  description = "Private address of Vault. The record of `dns_name` must lead to it."
  value       = azurerm_lb.vault.frontend_ip_configuration[0].private_ip_address
}

output "image" {
  description = "The image of the servers: a version, or the definition whose newest version is followed."
  value       = local.image
}

output "is_closed_to_ssh" {
  description = "True if nobody can sign in to the servers."
  value       = length(var.allow_ssh_from) == 0
}
