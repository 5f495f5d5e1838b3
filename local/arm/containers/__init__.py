"""Microsoft.ContainerInstance: container groups, which run real processes here."""
