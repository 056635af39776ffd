"""Webhooks: each event arrives, in order, signed; a receiver that is down costs the group nothing."""

import hashlib
import hmac
import json
import subprocess
import time

import pytest

import cli_node
import sandbox as sandbox_module
from receiver import Receiver

SECRET = "open sesame"


def config_of(folder, urls, **settings):
    secret = folder / "secret"
    secret.write_text(SECRET + "\n")
    secret.chmod(0o600)
    lines = ["[hooks]", f"webhook = {' '.join(urls)}", f"webhook-secret-file = {secret}"]
    lines += [f"webhook-{key.replace('_', '-')} = {value}" for key, value in settings.items()]
    path = folder / "webhooks.cnf"
    path.write_text("\n".join(lines) + "\n")
    return path


def dropped(box):
    events = box.json("events", box.group, check=False)["events"]
    every = box.json("events")["events"]
    assert not [one for one in events if one["evt"].startswith("webhook.")], "of no group"
    return [one for one in every if one["evt"] == "webhook.dropped"]


def test_a_failover_is_told_signed_and_in_order(sandbox, tmp_path):
    with Receiver() as receiver, Receiver() as down:
        down.down()
        box = sandbox(
            config=config_of(tmp_path, [receiver.url(), down.url()], events="failover,group")
        )
        old = box.primary()
        box.server_command("kill", old)
        sandbox_module.wait_until(lambda: box.primary() not in (None, old), 20, "a new primary")
        done = receiver.wait_for("failover.done")[0]
        # The very event that `muster events` shows.
        assert done in box.json("events", box.group)["events"]
        ids = [one["id"] for one in receiver.events()]
        assert ids == sorted(set(ids))
        assert {one["evt"].split(".")[0] for one in receiver.events()} == {"failover", "group"}
        for headers, body in receiver.got:
            wanted = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
            assert headers["X-Muster-Signature"] == f"sha256={wanted}"
            assert headers["Content-Type"] == "application/json"
            assert headers["X-Muster-Event"] == json.loads(body)["evt"]
            assert headers["X-Muster-Id"] == str(json.loads(body)["id"])

        # The one that was down all the time gets the same once it is back.
        assert not dropped(box)
        down.up()
        assert down.wait_for("failover.done")[0] == done
        assert [one["id"] for one in down.events()][: len(ids)] == ids


def test_what_cannot_be_delivered_is_dropped_and_told_and_nothing_waits(sandbox, tmp_path):
    with Receiver(status=404) as refusing, Receiver(status=503) as failing, Receiver() as slow:
        slow.delay = 1.5
        urls = [refusing.url(), failing.url(), slow.url()]
        box = sandbox(
            config=config_of(tmp_path, urls, events="switchover", keep_s=1, timeout_ms=300)
        )
        began = time.monotonic()
        report = box.json("switchover", box.group)["report"]
        assert time.monotonic() - began < 5 and report["total_ms"] < 1000
        told = sandbox_module.wait_until(
            lambda: len(dropped(box)) >= 3 and dropped(box), 20, "told"
        )
        words = "\n".join(one["message"] for one in told)
        assert "HTTP status 404" in words and "HTTP status 503" in words and "Timeout" in words
        assert "1 not delivered" in words and "0 delivered and 1 dropped" in words
        assert "key123" not in words, "a URL may hold a key"
        assert len(refusing.got) == 1, "what is refused is not tried again"
        assert len(failing.got) > 1, "what fails is tried again"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj"]
        + ["/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
        + ["-keyout", str(key), "-out", str(cert)],
        check=True,
        capture_output=True,
    )
    return str(cert), str(key)


def test_https_is_verified(sandbox, tmp_path, certificate):
    with Receiver(tls=certificate) as trusted, Receiver(tls=certificate) as unknown:
        config = config_of(tmp_path, [trusted.url("https")], ca_file=certificate[0], keep_s=0)
        box = sandbox(servers=1, config=config)
        box.muster("pause", box.group)
        trusted.wait_for("group.set")
        # The same without its authority.
        other = sandbox(servers=1, config=config_of(tmp_path, [unknown.url("https")], keep_s=0))
        other.muster("pause", other.group)
        told = sandbox_module.wait_until(lambda: dropped(other), 20, "it is dropped")
        assert "certificate" in told[0]["message"]
        assert not unknown.got


@pytest.mark.parametrize(
    "lines, words",
    [
        ("webhook = gopher://x/", "http://"),
        ("webhook = http://x/\nwebhook-secret-file = /no/such/file", "No such file"),
        ("webhook = http://x/\nwebhook-events = fail*", "no list of event names"),
    ],
)
def test_what_cannot_work_is_refused_at_the_start(tmp_path, lines, words):
    node = cli_node.Node(tmp_path / "node", f"{cli_node.ACCOUNTS}[hooks]\n{lines}\n")
    done = node.run_and_fail()
    assert done.returncode == 2 and words in cli_node.one_line(done)
