"""Answer Prometheus' scrapes, for as long as somebody keeps this running.  [I/O]

A foreground process of its own: no process on a request's path opens a port for
metrics, and whoever wants none has none.
"""

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer

from edge.common.errors import EdgeError

# Prometheus asks for this version and takes it; older scrapers read it as 0.0.4.
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def serve_metrics(host: str, port: int, text: Callable[[], str]) -> None:
    """Serve `text()` at /metrics until interrupted."""

    class Scraped(BaseHTTPRequestHandler):
        timeout = 10  # one slow scraper must not keep the next one out for ever

        def do_GET(self) -> None:
            if self.path.partition("?")[0] != "/metrics":
                self.send_error(404)
                return
            try:
                body = text().encode()
            except EdgeError as error:
                self.send_error(503, str(error)[:200])
                return
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass  # a line every fifteen seconds tells nobody anything

    with HTTPServer((host, port), Scraped) as server:
        server.serve_forever()
