"""What the timers repair and remove: the sweep, the reaper, retention."""
