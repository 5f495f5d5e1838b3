"""What stands behind the ports: Azure, or memory. Adapters translate; they decide nothing about images."""
