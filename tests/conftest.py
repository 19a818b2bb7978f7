"""What holds for every test."""

import os

import pytest
from hypothesis import settings

from tests.kit.effort import examples

# An example that takes long on a busy machine is no bug; how long the suite may take is
# CI's question.  Everything else about Hypothesis stays as it is.
settings.register_profile("edge", deadline=None, max_examples=examples(100))
settings.load_profile("edge")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On CI a test that fails is tried once more, and the report names it (`-rR`).

    CI shares two cores with whatever else the machine does; a promise that is broken is
    broken twice.  On a person's machine nothing is tried again.
    """
    if os.environ.get("CI"):
        for item in items:
            item.add_marker(pytest.mark.flaky(reruns=1))
