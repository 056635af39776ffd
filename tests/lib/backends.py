"""Real back ends of a service: HTTP servers in processes of their own, and clients that count what they see."""

import http.client
import pathlib
import socket
import subprocess
import sys
import threading
import time

PROGRAM = r"""
import http.server, pathlib, sys, time

name, host, port, sick = sys.argv[1:5]

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith("/hold/"):
            time.sleep(float(self.path[6:]))
        ill = self.path == "/health" and pathlib.Path(sick).exists()
        body = name.encode()
        self.send_response(503 if ill else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 512

Server((host, int(port)), Handler).serve_forever()
"""


def free_port(host="127.0.0.1"):
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


class Web:
    """One web server; it answers each request with its name."""

    def __init__(self, name, folder, host="127.0.0.1", port=None):
        self.name = name
        self.host = host
        self.port = port or free_port(host)
        self.address = f"{host}:{self.port}"
        self.sick = pathlib.Path(folder) / f"{name}.sick"
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, self.name, self.host, str(self.port), str(self.sick)],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + 15
        while True:
            try:
                socket.create_connection((self.host, self.port), timeout=1).close()
                return self
            except OSError:
                assert time.monotonic() < end, f"{self.name} does not listen"
                time.sleep(0.02)

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


def get(host, port, path="/", timeout=20):
    """One request over a connection of its own; the name of who answered."""
    conn = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        conn.request("GET", path, headers={"Connection": "close"})
        answer = conn.getresponse()
        body = answer.read().decode()
        assert answer.status == 200, answer.status
        return body
    finally:
        conn.close()


class Load:
    """Clients that ask again and again, each request over a new connection."""

    def __init__(self, host, port, clients=4, path="/"):
        self.host, self.port, self.path = host, port, path
        self.answers = []
        self.failures = []
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def run(self):
        while not self.over.is_set():
            try:
                answer = get(self.host, self.port, self.path)
                with self.lock:
                    self.answers.append(answer)
            except (OSError, http.client.HTTPException, AssertionError) as error:
                with self.lock:
                    self.failures.append((time.monotonic(), repr(error)))

    def count(self):
        with self.lock:
            return len(self.answers)

    def since(self, mark):
        """Who answered since count() was `mark`."""
        with self.lock:
            return self.answers[mark:]

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join(30)
        return self
