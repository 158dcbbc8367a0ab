"""ProxMO."""
