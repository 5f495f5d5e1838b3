"""What crosses a process: versioned Pydantic models, each with a way to and from the domain."""
