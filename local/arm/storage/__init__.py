"""Storage as a container reaches it: Azurite, behind the roles of identities."""
