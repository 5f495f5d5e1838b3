"""What people read: images, builds, evidence and differences. Nothing here writes."""
