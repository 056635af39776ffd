"""Clients under load (bench_load) as a child process, and a look at their ledger while they run."""

import json
import os
import signal
import subprocess
import time

import sandbox

REPLICA_CATCH_UP_S = 20


class Load:
    """Use it in a `with` block; finish() stops the clients and returns their totals."""

    def __init__(self, box, folder, clients=8, pause_us=1000):
        self.box = box
        self.ledger = os.path.join(folder, "ledger.txt")
        self.clients = clients
        self.pause_us = pause_us
        self.child = None
        self.file = None
        self.rest = ""
        self.totals = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.child and self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        if self.file:
            self.file.close()

    def start(self):
        self.run("prepare")
        self.child = subprocess.Popen(
            self.command("run") + ["--ledger", self.ledger],
            env=self.box.full_env(),
            stdout=subprocess.PIPE,
            text=True,
        )
        sandbox.wait_until(lambda: os.path.exists(self.ledger), 10, "the clients start")
        self.file = open(self.ledger, encoding="ascii")
        self.wait_for_acknowledged(100)

    def command(self, mode):
        return [
            sandbox.bench_load_program(),
            mode,
            "--clients",
            str(self.clients),
            "--pause-us",
            str(self.pause_us),
        ]

    def run(self, mode, *arguments):
        subprocess.run(
            self.command(mode) + list(arguments), env=self.box.full_env(), check=True, timeout=60
        )

    def new_lines(self):
        """What was added to the ledger since the last call: (outcome, started, ended, errno)."""
        text = self.rest + self.file.read()
        complete, newline, self.rest = text.rpartition("\n")
        lines = []
        for line in complete.split("\n") if newline else []:
            outcome, _, started, ended, errno = line.split()
            lines.append((outcome, int(started), int(ended), int(errno)))
        return lines

    def wait_for_acknowledged(self, count, since_us=0, timeout=60):
        """Waits for `count` acknowledged writes that were begun after a time; returns all lines."""
        lines = []
        found = 0

        def enough():
            nonlocal found
            new = self.new_lines()
            lines.extend(new)
            found += sum(1 for line in new if line[0] == "A" and line[1] > since_us)
            if self.child.poll() is not None:
                raise RuntimeError("the clients ended by themselves")
            return found >= count

        sandbox.wait_until(enough, timeout, f"{count} acknowledged writes")
        return lines

    def finish(self):
        self.child.send_signal(signal.SIGTERM)
        output, _ = self.child.communicate(timeout=120)
        self.totals = json.loads(output)
        return self.totals

    def verify(self, server):
        """Compares the ledger with one server, asked directly."""
        done = subprocess.run(
            self.command("verify")
            + ["--ledger", self.ledger, "--host", server["host"], "--port", str(server["port"])],
            env=self.box.full_env(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if not done.stdout:
            raise RuntimeError(f"bench_load verify: {done.stderr}")
        return {**json.loads(done.stdout), "words": done.stderr}

    def verify_all(self):
        """Server name -> finding. A replica may need a moment to have everything."""
        status = self.box.status()
        findings = {}
        for server in status["servers"]:
            end = time.monotonic() + REPLICA_CATCH_UP_S
            while server["name"] not in findings:
                last = server["name"] == status["primary"] or time.monotonic() > end
                try:
                    finding = self.verify(server)
                    if last or is_right(finding):
                        findings[server["name"]] = finding
                except RuntimeError:  # one that was made anew may not have the tables yet
                    if last:
                        raise
                time.sleep(0 if server["name"] in findings else 0.2)
        return findings


def is_right(finding):
    return not any(finding[key] for key in ("lost", "doubled", "refused_present", "foreign"))


def now_us():
    """The clock of the ledger."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


def silence_ms(lines, from_us, to_us):
    """The longest time without an acknowledged write, all clients together, in ms."""
    times = sorted(ended for outcome, _, ended, _ in lines if outcome == "A")
    longest = 0
    for before, after in zip(times, times[1:]):
        if after >= from_us and before <= to_us:
            longest = max(longest, after - before)
    return longest / 1000


def longest_write_ms(lines):
    """The longest acknowledged write in ms."""
    return max((ended - started for outcome, started, ended, _ in lines if outcome == "A")) / 1000
