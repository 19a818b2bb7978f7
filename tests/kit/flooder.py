"""One source that opens connections as fast as it is told, and keeps at it.  [I/O]

`python -m tests.kit.flooder HOST PORT SOURCE RATE`.  Prints, at SIGTERM, how many
connections it has begun.
"""

import signal
import socket
import sys
import time
from collections import deque

# A flooder does not wait for its connections either; it lets go of the oldest.
HELD = 256


def main() -> None:
    """Flood until SIGTERM."""
    host, port, source, rate = (sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4]))
    ending = False

    def end(number: int, frame: object) -> None:
        nonlocal ending
        ending = True

    signal.signal(signal.SIGTERM, end)
    held: deque[socket.socket] = deque()
    began = time.monotonic()
    count = 0
    while not ending:
        while count < (time.monotonic() - began) * rate and not ending:
            phone = socket.socket()
            phone.setblocking(False)
            phone.bind((source, 0))
            phone.connect_ex((host, port))
            held.append(phone)
            count += 1
            if len(held) > HELD:
                held.popleft().close()
        time.sleep(0.001)
    print(count, round(count / (time.monotonic() - began)), flush=True)


if __name__ == "__main__":
    main()
