"""Stand-ins for what a made root cannot run."""
