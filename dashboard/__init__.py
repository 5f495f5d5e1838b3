"""The dashboard: pages rendered on the server, for people. Knows views only; reads no state."""
