"""toy: a server with a known capacity, for the labs."""
