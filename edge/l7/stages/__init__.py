"""The stages of the pipeline, one module each: pure decisions on a request."""
