"""A collector of OpenTelemetry: a real HTTP server that reads what comes with the protocol's own messages."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from rig import wait_for

TRACES, METRICS = "/v1/traces", "/v1/metrics"
TAKEN = (200, {}, b"")


class Collector:
    """Listens on a port of its own.

    Attributes:
        answers: what it says, by path; None: nothing until `released`.
        heard: paths, fields and messages, in the order of their arrival.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.answers: dict[str, Callable[[], tuple[int, dict[str, str], bytes]] | None] = {
            TRACES: lambda: TAKEN,
            METRICS: lambda: TAKEN,
        }
        self.heard: list[tuple[str, dict[str, str], Any]] = []
        self.released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Gone: nobody listens at its port any more."""
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(collector) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                made = ExportTraceServiceRequest() if self.path == TRACES else ExportMetricsServiceRequest()
                made.ParseFromString(body)
                collector.heard.append((self.path, dict(self.headers.items()), made))
                answer = collector.answers[self.path]
                if answer is None:
                    collector.released.wait()
                    return
                status, fields, said = answer()
                self.send_response(status)
                for name, value in fields.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: Any) -> None:
                """Nobody reads it."""

        return Handler

    # --- what it heard

    def messages(self, path: str) -> list[Any]:
        return [message for at, _, message in list(self.heard) if at == path]

    @property
    def spans(self) -> list[Any]:
        """All spans, in the order of their arrival."""
        return [
            span
            for message in self.messages(TRACES)
            for of_resource in message.resource_spans
            for scope in of_resource.scope_spans
            for span in scope.spans
        ]

    def wait_for_spans(self, count: int) -> dict[str, Any]:
        """So many, the last of each name by that name."""
        wait_for(lambda: len(self.spans) >= count, f"{count} spans")
        assert len(self.spans) == count
        return {span.name: span for span in self.spans}


def attributes(told: Any) -> dict[str, Any]:
    """Of a span, a point or a resource."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in told.attributes}


def metrics_in(message: Any) -> dict[str, Any]:
    """The metrics of one message by their names."""
    return {
        metric.name: metric
        for of_resource in message.resource_metrics
        for scope in of_resource.scope_metrics
        for metric in scope.metrics
    }
