"""Microsoft.Resources apart from deployments: subscriptions, resource groups, resources of any type, and tags."""
