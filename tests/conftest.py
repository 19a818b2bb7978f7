"""What holds for every test."""

from hypothesis import settings

# An example that takes long on a busy machine is no bug; how long the suite may take is
# CI's question.  Everything else about Hypothesis stays as it is.
settings.register_profile("edge", deadline=None)
settings.load_profile("edge")
