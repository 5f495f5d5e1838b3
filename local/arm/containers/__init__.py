"""Microsoft.ContainerInstance: container groups. Their containers are real processes here."""
