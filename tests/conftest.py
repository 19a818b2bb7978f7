"""What holds for every test."""

from hypothesis import settings

from tests.kit.effort import examples

# An example that takes long on a busy machine is no bug; how long the suite may take is
# CI's question.  Everything else about Hypothesis stays as it is.
settings.register_profile("edge", deadline=None, max_examples=examples(100))
settings.load_profile("edge")
