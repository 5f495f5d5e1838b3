"""The main job on one machine: the whole factory started, used and stopped by one command."""
