"""Who calls and what a caller may do: Entra ID, managed identities, tokens, grants."""
