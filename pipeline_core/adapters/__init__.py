"""The implementations of the ports: Azure, or memory. Adapters translate. They decide nothing about images."""
