"""Records over the Tables port. The same code runs on the memory twin and on Azure."""
