"""Networks: the registry, the safe checkpoint loader, the cache, the weights that ship and are published."""
