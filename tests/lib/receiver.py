"""A small HTTP server that takes webhooks."""

import http.server
import json
import ssl
import threading
import time

import sandbox as sandbox_module


class Receiver:
    """A small HTTP server that keeps what it gets; can go down and come back on the same port."""

    def __init__(self, port=0, tls=None, status=200):
        self.got = []
        self.status = status
        self.delay = 0
        self.port = port
        self.tls = tls
        self.server = None

    def __enter__(self):
        self.up()
        return self

    def __exit__(self, *_):
        self.down()

    def up(self):
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(receiver.delay)
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()
                receiver.got.append((dict(self.headers), body))

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def down(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def url(self, scheme="http", path="/key123"):
        return f"{scheme}://127.0.0.1:{self.port}{path}"

    def events(self):
        return [json.loads(body) for _, body in list(self.got)]

    def wait_for(self, evt, count=1, timeout=30):
        return sandbox_module.wait_until(
            lambda: (found := [one for one in self.events() if one["evt"] == evt])
            and len(found) >= count
            and found,
            timeout,
            f"{evt} arrives",
        )
