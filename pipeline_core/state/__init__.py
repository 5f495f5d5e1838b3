"""Records over the Tables port: written once, they run alike on the memory twin and on Azure."""
