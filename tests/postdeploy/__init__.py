"""The programs of a deployed machine, run for real against the emulator's Key Vault and metadata service."""
