"""A real webhook receiver on this machine that behaves as badly as it is told to."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Answers each message by the next entry of `plan`; an empty plan takes everything.

    An entry is a status, a status with headers, `hang` (no answer until the end), `close` (half an answer), `drip` (an
    answer that never comes to its end) or `twice` (two answers to one message).
    """

    def __init__(self) -> None:
        self.plan: list[int | str | tuple[int, dict[str, str]]] = []
        self.received: list[Received] = []
        self.on_message: Callable[[], object] = lambda: None
        self.over = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {key.lower(): value for key, value in self.headers.items()}
                receiver.received.append(Received(self.path, headers, body))
                receiver.on_message()
                with contextlib.suppress(OSError):
                    receiver.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}/hook"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        told = self.plan.pop(0) if self.plan else 204
        raw = handler.wfile
        if told == "hang":
            self.over.wait(30)
        elif told == "close":
            raw.write(b"HTTP/1.1 200 OK\r\nConte")
            raw.flush()
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
        elif told == "drip":
            for byte in b"HTTP/1.1 200 OK\r\n" + b"x" * 600:
                raw.write(bytes([byte]))
                raw.flush()
                if self.over.wait(0.05):
                    return
        elif told == "twice":
            raw.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" * 2)
        else:
            status, headers = (told, {}) if isinstance(told, int) else told
            handler.send_response(status)
            for name, value in {"Content-Length": "0", **headers}.items():
                handler.send_header(name, value)
            handler.end_headers()

    def stop(self) -> None:
        self.over.set()
        self.server.shutdown()
        self.server.server_close()


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    try:
        yield receiver
    finally:
        receiver.stop()
