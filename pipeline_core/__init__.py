"""Image Factory's core: decisions, state and the adapters that reach the outside world."""
