"""The program in the build container. It takes one job, runs Packer on it and writes a report. It knows no state."""
