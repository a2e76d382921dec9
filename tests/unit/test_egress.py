from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from upwell.egress import Guard, public
from upwell.errors import Rejected, Unavailable

NAMES = {
    "hooks.example.com": ["93.184.216.34"],
    "xn--bcher-kva.example": ["93.184.216.34"],
    "six.example.com": ["2606:2800:220:1:248:1893:25c8:1946"],
    "inside.example.com": ["10.0.0.7"],
    "mixed.example.com": ["93.184.216.34", "127.0.0.1"],
    "localhost": ["127.0.0.1"],
    "localhost.": ["127.0.0.1"],
    "127.0.0.1.nip.io": ["127.0.0.1"],
    "metadata.google.internal": ["169.254.169.254"],
    "mapped.example.com": ["::ffff:10.0.0.7"],
    "receiver.test": ["127.0.0.1"],
    # what the system's resolver would make of numbers
    "2130706433": ["127.0.0.1"],
    "127.1": ["127.0.0.1"],
}


def names(host: str, _port: int) -> list[str]:
    if host not in NAMES:
        raise OSError("not found")
    return NAMES[host]


HOSTILE = """
http://127.0.0.1/
http://127.0.0.1:8000/v1/alerts
http://127.8.9.10/
http://localhost/
http://LOCALHOST/
http://localhost./
http://localhost:8080/
http://127.0.0.1.nip.io/
http://inside.example.com/
http://mixed.example.com/
http://mapped.example.com/
http://0.0.0.0/
http://0/
http://127.1/
http://2130706433/
http://0x7f000001/
http://0x7f.0.0.1/
http://0x7f.1/
http://0177.0.0.1/
http://017700000001/
http://127.0.0.01/
http://127.0.0.1./
http://10.0.0.1/
http://172.16.0.1/
http://172.31.255.255/
http://192.168.1.1/
http://100.64.0.1/
http://100.100.100.200/latest/meta-data
http://169.254.169.254/latest/meta-data/
http://metadata.google.internal/computeMetadata/v1/
http://168.63.129.16/metadata
http://192.0.2.1/
http://198.18.0.1/
http://224.0.0.1/
http://255.255.255.255/
http://240.0.0.1/
http://[::]/
http://[::1]/
http://[0:0:0:0:0:0:0:1]/
http://[::ffff:127.0.0.1]/
http://[::ffff:7f00:1]/
http://[::ffff:169.254.169.254]/
http://[::127.0.0.1]/
http://[64:ff9b::7f00:1]/
http://[64:ff9b:1::7f00:1]/
http://[2002:7f00:1::]/
http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/
http://[fc00::1]/
http://[fd12:3456:789a::1]/
http://[fe80::1]/
http://[fe80::1%25eth0]/
http://[fec0::1]/
http://[ff02::1]/
http://[::1
http://１２７.0.0.1/
http://127。0。0。1/
http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/
http://loc\u00adalhost/
http://xn--localhost-/
http://xn--/
http://%6c%6f%63%61%6c%68%6f%73%74/
http://%31%32%37.0.0.1/
http://hooks.example.com@127.0.0.1/
http://hooks.example.com:80@127.0.0.1/
http://user:password@hooks.example.com/
http://hooks.example.com\\@127.0.0.1/
http://127.0.0.1\\@hooks.example.com/
http://127.0.0.1#@hooks.example.com/
http://127.0.0.1?@hooks.example.com/
http:///etc/passwd
http:/127.0.0.1/
http://hooks.example.com:0/
http://hooks.example.com:99999/
http://hooks..example.com/
http://-hooks.example.com/
http://hooks.example.com\t.evil/
 http://hooks.example.com/
http://hooks example.com/
//hooks.example.com/
hooks.example.com
file:///etc/passwd
FILE:///etc/passwd
ftp://hooks.example.com/
gopher://127.0.0.1:6379/_SET
dict://127.0.0.1:11211/stat
ldap://127.0.0.1/
jar:http://127.0.0.1!/
javascript:alert(1)
data:text/plain,hello
unix:///var/run/docker.sock
""".splitlines()[1:]


@pytest.mark.parametrize("url", HOSTILE)
def test_a_hostile_url_is_refused(url: str) -> None:
    with pytest.raises(Rejected) as caught:
        Guard(resolve=names).check(url)
    assert caught.value.problem.code == "unsafe_url"
    assert caught.value.problem.message
    assert caught.value.problem.fix


@pytest.mark.parametrize("url", [url for url in HOSTILE if url.startswith("http://")])
def test_an_allow_list_for_one_host_opens_no_other(url: str) -> None:
    with pytest.raises(Rejected):
        Guard(allow=("receiver.test:9000", "10.9.9.9"), resolve=names).check(url)


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://hooks.example.com/T0/B0?x=1", "hooks.example.com", 443),
        ("http://HOOKS.example.com:8080", "hooks.example.com", 8080),
        ("https://bücher.example/", "xn--bcher-kva.example", 443),
        ("https://six.example.com/", "six.example.com", 443),
        ("https://93.184.216.34/", "93.184.216.34", 443),
        ("https://[2606:2800:220:1:248:1893:25c8:1946]/", None, 443),
    ],
)
def test_a_public_url_is_let_through(url: str, host: str | None, port: int) -> None:
    target = Guard(resolve=names).check(url)
    assert target.port == port
    assert host in (target.host, None)
    assert all(public(address) for address in target.addresses)


def test_the_own_network_is_called_only_where_it_is_allowed_by_name() -> None:
    guard = Guard(allow=("receiver.test:9000", "INSIDE.example.com"), resolve=names)
    assert guard.check("http://receiver.test:9000/x").addresses == ("127.0.0.1",)
    assert guard.check("http://inside.example.com:1234/").addresses == ("10.0.0.7",)
    for url in ("http://receiver.test/", "http://receiver.test:9001/", "http://127.0.0.1:9000/"):
        with pytest.raises(Rejected, match="private"):
            guard.check(url)


def test_a_name_that_is_not_found_may_be_tried_again() -> None:
    with pytest.raises(Unavailable) as caught:
        Guard(resolve=names).check("https://nowhere.example.com/")
    assert caught.value.problem.code == "unknown_host"


def test_hosts_of_other_protocols_pass_the_same_guard() -> None:
    guard = Guard(allow=("inside.example.com:5432",), resolve=names)
    assert guard.reach("inside.example.com", 5432).port == 5432
    with pytest.raises(Rejected):
        guard.reach("inside.example.com", 6379)


class Receiver(BaseHTTPRequestHandler):
    """Takes what it is sent; /away redirects."""

    seen: list[tuple[str, str]]

    def do_GET(self) -> None:
        self.seen.append((self.headers["Host"], self.path))
        self.send_response(302 if self.path == "/away" else 204)
        if self.path == "/away":
            self.send_header("Location", "/secret")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keeps the test's output clean."""


@pytest.fixture
def receiver() -> Iterator[tuple[int, list[tuple[str, str]]]]:
    seen: list[tuple[str, str]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("R", (Receiver,), {"seen": seen}))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server.server_address[1], seen
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_allowed_receiver_is_reached_under_its_own_name(
    receiver: tuple[int, list[tuple[str, str]]],
) -> None:
    port, seen = receiver
    with Guard(allow=(f"receiver.test:{port}",), resolve=names).client() as client:
        assert client.get(f"http://receiver.test:{port}/hook").status_code == 204
        with pytest.raises(Rejected):
            client.get(f"http://127.0.0.1:{port}/hook")
    assert seen == [(f"receiver.test:{port}", "/hook")]


def test_redirects_are_not_followed(receiver: tuple[int, list[tuple[str, str]]]) -> None:
    port, seen = receiver
    with Guard(allow=(f"receiver.test:{port}",), resolve=names).client() as client:
        assert client.get(f"http://receiver.test:{port}/away").status_code == 302
    assert [path for _, path in seen] == ["/away"]


def test_a_name_that_changes_its_answer_is_judged_again_at_connect(
    receiver: tuple[int, list[tuple[str, str]]],
) -> None:
    port, seen = receiver
    answers = iter([["93.184.216.34"], ["127.0.0.1"]])
    guard = Guard(resolve=lambda _host, _port: next(answers))
    url = f"http://rebind.example.com:{port}/"
    assert guard.check(url).addresses == ("93.184.216.34",)  # good when it was configured
    with guard.client() as client, pytest.raises(Rejected, match=r"127\.0\.0\.1"):
        client.get(url)
    assert seen == []


def test_the_connection_goes_to_the_address_that_was_judged(
    receiver: tuple[int, list[tuple[str, str]]],
) -> None:
    port, seen = receiver
    asked: list[str] = []

    def once(host: str, _port: int) -> list[str]:
        asked.append(host)
        assert len(asked) == 1, "the name was looked up again after it was judged"
        return ["127.0.0.1"]

    # The name does not exist for the system: only the pinned address can be connected to.
    with Guard(allow=(f"pinned.invalid:{port}",), resolve=once).client() as client:
        assert client.get(f"http://pinned.invalid:{port}/").status_code == 204
    assert seen[0][0] == f"pinned.invalid:{port}"


def test_the_next_address_is_tried_where_one_does_not_answer(
    receiver: tuple[int, list[tuple[str, str]]],
) -> None:
    port, seen = receiver
    guard = Guard(allow=("two.test",), resolve=lambda _host, _port: ["127.0.0.9", "127.0.0.1"])
    with guard.client(timeout=2) as client:
        assert client.get(f"http://two.test:{port}/").status_code == 204
    assert len(seen) == 1


def test_proxies_of_the_environment_are_not_used(
    receiver: tuple[int, list[tuple[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, seen = receiver
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    with Guard(allow=("receiver.test",), resolve=names).client() as client:
        assert client.get(f"http://receiver.test:{port}/").status_code == 204
    assert len(seen) == 1


def test_a_certificate_is_checked_against_the_name_not_the_address() -> None:
    seen: list[object] = []

    class Recorder(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            seen.append((str(request.url), request.extensions["sni_hostname"]))
            return httpx.Response(204)

    from upwell.egress import _Guarded

    transport = _Guarded(Guard(resolve=names), Recorder())
    with httpx.Client(transport=transport) as client:
        client.get("https://hooks.example.com/T0")
    assert seen == [("https://93.184.216.34/T0", "hooks.example.com")]


@pytest.mark.parametrize("host", ["xn--localhost-", "xn--", "127.1", "a..b", "a b"])
def test_a_host_of_another_protocol_must_be_spelled_plainly(host: str) -> None:
    with pytest.raises(Rejected):
        Guard(resolve=lambda _host, _port: ["93.184.216.34"]).reach(host, 5432)
