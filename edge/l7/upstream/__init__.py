"""The way to the services: which endpoint, over which kept-alive connection."""
