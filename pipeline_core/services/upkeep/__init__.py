"""The repairs and removals of the timers: the sweep, the reaper, retention."""
