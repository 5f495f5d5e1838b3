"""Timer triggers: NCRONTAB and when each function is due."""
