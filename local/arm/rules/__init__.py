"""What Resource Manager itself demands of a request before a service sees it. Each rule names its source.

The documents: *rpc* is Azure/azure-resource-manager-rpc v1.0, the contract between Resource Manager and the services
behind it. *name rules* is resource-name-rules.md of MicrosoftDocs/azure-docs. `docs/strictness.md` lists every rule
with the test that breaks it.
"""
