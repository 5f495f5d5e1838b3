"""Use cases: read ports into a snapshot, let the domain decide, carry the decision out."""
