"""What a process costs."""

import os

from edge.common.metrics import Registry
from edge.common.usage import Usage


def numbers(registry: Registry) -> dict[str, float]:
    return {family["name"]: family["values"][0][1] for family in registry.snapshot()}


def test_a_look_sees_cpu_memory_and_descriptors() -> None:
    """Each as the kernel tells it, and each as of the look."""
    registry = Registry()
    usage = Usage(registry)
    usage.look()
    before = numbers(registry)

    sum(range(300_000))
    held = [os.open("/dev/null", os.O_RDONLY) for _ in range(7)]
    usage.look()
    after = numbers(registry)
    for descriptor in held:
        os.close(descriptor)

    assert after["edge_process_cpu_seconds_total"] > before["edge_process_cpu_seconds_total"] > 0
    assert after["edge_process_open_descriptors"] == before["edge_process_open_descriptors"] + 7
    assert before["edge_process_resident_bytes"] > 5_000_000, "a Python process"
