"""What the factory costs as a fleet grows: storage operations of sweeps, failures, builds and pages."""
