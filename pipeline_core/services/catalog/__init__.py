"""The files of the catalog's tools: asked for, brought into quarantine, looked at, and admitted or refused."""
