"""The main job on one machine: one command starts, uses and stops the whole factory."""
