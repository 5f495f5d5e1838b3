"""The identity and the rights of a caller: Entra ID, managed identities, tokens, grants."""
