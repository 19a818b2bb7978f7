"""The worker: TLS, HTTP, the pipeline of decisions, and the way to the services."""
