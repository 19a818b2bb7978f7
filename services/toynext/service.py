"""toynext: the same code under another name, so that two releases can run side by side.  [I/O]"""

import services.toy.service
from edge.common.process import Process


async def serve(process: Process) -> None:
    """Work until drained; `options` of this service make it better or worse than toy."""
    await services.toy.service.serve(process)
