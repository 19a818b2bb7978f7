"""Ways of choosing an endpoint."""
