"""The shared cache of RFC 9111, in memory."""
