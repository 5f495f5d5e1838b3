"""The program in the build container: takes one job, runs Packer on it, leaves a report. Knows no state."""
