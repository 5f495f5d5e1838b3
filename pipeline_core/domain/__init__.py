"""Pure decisions and value types. Standard library only: no clock, no randomness, no I/O, no logging."""
