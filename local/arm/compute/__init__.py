"""Microsoft.Compute's machines and Microsoft.Network, and the deployments that create them."""
