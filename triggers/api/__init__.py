"""The HTTP API and the dashboard's routes. Knows services and their views; decides nothing about images."""
