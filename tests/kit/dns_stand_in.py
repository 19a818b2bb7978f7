"""A name server that knows one answer, for tests of what stands in front of it.  [I/O]

`python -m tests.kit.dns_stand_in` prints its port; every question is answered with
itself, marked as a response: enough for dnsperf to count it as answered.
"""

import socket

QR = 0x80  # RFC 1035 section 4.1.1: this message is a response


def main() -> None:
    """Answer until killed."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        print(server.getsockname()[1], flush=True)
        while True:
            question, whence = server.recvfrom(4096)
            if len(question) >= 12:
                answer = bytearray(question)
                answer[2] |= QR
                server.sendto(answer, whence)


if __name__ == "__main__":
    main()
