"""Fetching from servers that run here and behave as badly as servers do."""

import http.server
import shutil
import socket
import ssl
import subprocess
import threading
import time
from contextlib import contextmanager

import pytest

from nearclass.pictures.fetch import Fetcher
from nearclass.pictures.urls import UrlPolicy

MOST = 100_000
BODY = bytes(range(256)) * 40


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by path; what it was asked is kept by the server."""

    def do_GET(self):
        self.server.asked.append((self.path, dict(self.headers)))
        name = self.path.strip("/").split("?")[0].replace("-", "_")
        getattr(self, f"_{name}", self._missing)()

    def log_message(self, *_args):
        pass

    def send(self, status, body=b"", **headers):
        self.send_response(status)
        for header, value in {"Content_Length": len(body), **headers}.items():
            if value is not None:
                self.send_header(header.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def _missing(self):
        self.send(404)

    def _good(self):
        self.send(200, BODY)

    def _unsized(self):
        self.send(200, BODY, Content_Length=None)

    def _chunked(self):
        self.send(200, b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY), Content_Length=None, Transfer_Encoding="chunked")

    def _compressed(self):
        self.send(200, BODY, Content_Encoding="gzip")

    def _large(self):
        self.send(200, bytes(MOST + 1))

    def _endless(self):
        self.send(200, b"", Content_Length=None)
        try:
            while True:
                self.wfile.write(bytes(10_000))
        except OSError:
            self.server.hung_up.set()

    def _cut(self):
        self.send(200, BODY, Content_Length=len(BODY) + 10)

    def _cut_chunk(self):
        self.send(200, b"ffff\r\nhalf", Content_Length=None, Transfer_Encoding="chunked")

    def _drip(self):
        self.send(200, b"", Content_Length=1000)
        self._slowly(b"x" * 1000)

    def _drip_head(self):
        self._slowly(b"HTTP/1.1 200 OK\r\n" + b"X-Header: 1\r\n" * 1000)

    def _slowly(self, data):
        try:
            for index in range(len(data)):
                self.wfile.write(data[index : index + 1])
                time.sleep(0.05)
        except OSError:
            self.server.hung_up.set()

    def _long_head(self):
        self.send(200, BODY, X_Long="x" * 100_000)

    def _to_good(self):
        self.send(302, Location="/good")

    def _to_other_host(self):
        self.send(302, Location="http://elsewhere.test/good")

    def _to_metadata(self):
        self.send(302, Location="http://169.254.169.254/latest/meta-data")

    def _to_file(self):
        self.send(302, Location="file:///etc/passwd")

    def _to_word(self):
        self.send(302, Location="http://user:word@127.0.0.1/good")

    def _loop(self):
        self.send(302, Location="/loop")

    def _five(self):
        left = int(self.path.partition("?")[2] or 5)
        self.send(302, Location=f"/five?{left - 1}" if left > 1 else "/good")

    def _nowhere(self):
        self.send(302)


@contextmanager
def serving(tls=None):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.asked, server.hung_up = [], threading.Event()
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def running():
    with serving() as server:
        yield server


@pytest.fixture
def server(running):
    running.asked.clear()
    running.hung_up.clear()
    return running


def fetcher(server, *, hosts=None, **options):
    port = server.server_port
    policy = UrlPolicy(hosts=(f"127.0.0.1:{port}", *(hosts or ())))
    return Fetcher(policy, max_bytes=MOST, **{"timeout_s": 5.0, **options})


def at(server, path):
    return f"http://127.0.0.1:{server.server_port}/{path}"


@pytest.mark.parametrize("path", ["good", "unsized", "chunked", "to-good", "five?5", "good#part"])
def test_what_a_server_gives_is_fetched(path, server):
    assert fetcher(server).fetch(at(server, path)) == BODY


def test_nothing_is_sent_but_what_is_needed(server, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("NETRC", "/nowhere")
    fetcher(server).fetch(at(server, "good?x=1"))
    path, headers = server.asked[0]
    assert path == "/good?x=1"
    assert headers == {
        "Host": f"127.0.0.1:{server.server_port}",
        "Accept": "image/*",
        "Accept-Encoding": "identity",
        "User-Agent": "nearclass",
    }


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        ("absent", "fetch_failed", "the server answered 404"),
        ("compressed", "fetch_failed", "compressed"),
        ("large", "picture_too_large", "at most 100000"),
        ("endless", "picture_too_large", "at most 100000"),
        ("cut", "fetch_failed", "ended after 10240 of 10250 bytes"),
        ("cut-chunk", "fetch_failed", ""),
        ("long-head", "fetch_failed", "header line"),
        ("loop", "fetch_failed", "more than 5 redirects"),
        ("five?6", "fetch_failed", "more than 5 redirects"),
        ("nowhere", "fetch_failed", "302"),
        ("to-file", "bad_reference", "file:///etc/passwd"),
        ("to-word", "bad_reference", "password"),
        ("to-other-host", "url_refused", "elsewhere.test"),
        ("to-metadata", "url_refused", "169.254.169.254"),
    ],
)
def test_what_cannot_be_had_is_refused_for_its_reason(path, code, words, server, refused):
    with refused(code, words):
        fetcher(server).fetch(at(server, path))


def test_an_endless_answer_is_not_read_to_its_end(server, refused):
    with refused("picture_too_large"):
        fetcher(server).fetch(at(server, "endless"))
    assert server.hung_up.wait(5)


@pytest.mark.parametrize("path", ["drip", "drip-head"])
def test_a_server_that_drips_is_left_at_the_deadline(path, server, refused):
    start = time.monotonic()
    with refused("fetch_failed", "no complete answer within 0.5 s"):
        fetcher(server, timeout_s=0.5).fetch(at(server, path))
    assert time.monotonic() - start < 1.5
    assert server.hung_up.wait(5)


def test_the_deadline_counts_redirects_and_looking_up_together(server, refused):
    def slow(_host, _port):
        time.sleep(0.2)
        return ["127.0.0.1"]

    start = time.monotonic()
    with refused("fetch_failed", "within 0.5 s"):
        fetcher(server, timeout_s=0.5, resolve=slow).fetch(at(server, "loop"))
    assert time.monotonic() - start < 1.5


def test_a_resolver_that_hangs_is_left_at_the_deadline(server, refused):
    released = threading.Event()

    def hang(_host, _port):
        released.wait(10)
        return []

    with refused("fetch_failed", "within 0.3 s"):
        fetcher(server, timeout_s=0.3, resolve=hang).fetch(at(server, "good"))
    released.set()


def test_a_server_that_accepts_and_says_nothing_is_left_at_the_deadline(refused):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        quiet = Fetcher(UrlPolicy(hosts=(f"127.0.0.1:{port}",)), max_bytes=MOST, timeout_s=0.3)
        with refused("fetch_failed", "within 0.3 s"):
            quiet.fetch(f"http://127.0.0.1:{port}/good")


def test_a_host_that_is_not_there_or_not_known_is_named(refused):
    nobody = Fetcher(UrlPolicy(hosts=("127.0.0.1:1", "unknown.invalid")), max_bytes=MOST, timeout_s=5)
    with refused("fetch_failed", "127.0.0.1:1"):
        nobody.fetch("http://127.0.0.1:1/a.jpg")
    with refused("fetch_failed", "the host 'unknown.invalid' is unknown"):
        nobody.fetch("http://unknown.invalid/a.jpg")


def test_by_default_nothing_is_asked(server, refused):
    with refused("url_refused", "NEARCLASS_PICTURE_URLS"):
        Fetcher(UrlPolicy(), max_bytes=MOST).fetch(at(server, "good"))
    assert server.asked == []


PRIVATE_FORMS = (
    "http://127.0.0.1/", "http://127.1/", "http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/",
    "http://0/", "http://localhost/", "http://LOCALHOST./", "http://[::1]/", "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/", "http://[::]/", "http://0.0.0.0/", "http://10.0.0.1/", "http://192.168.1.1/",
    "http://169.254.169.254/latest/", "http://[fe80::1]/", "http://[fd00:ec2::254]/",
    "http://\u2460\u2461\u2466.0.0.1/", "http://127\u30020\u30020\u30021/",
)  # fmt: skip


@pytest.mark.parametrize("url", PRIVATE_FORMS)
def test_in_public_no_form_of_an_address_of_this_machine_is_connected_to(url, monkeypatch):
    from nearclass.errors import PictureError

    monkeypatch.setattr(socket, "create_connection", lambda *_args, **_named: pytest.fail("connected"))
    with pytest.raises(PictureError) as caught:
        Fetcher(UrlPolicy(public=True), max_bytes=MOST, timeout_s=5).fetch(url)
    assert caught.value.code in {"url_refused", "fetch_failed", "bad_reference"}


def test_in_public_a_name_with_one_private_address_is_refused(refused, server):
    def mixed(_host, _port):
        return ["93.184.216.34", "127.0.0.1"]

    with refused("url_refused", "not public"):
        Fetcher(UrlPolicy(public=True), max_bytes=MOST, resolve=mixed).fetch("http://example.org/good")
    with refused("url_refused", "the port"):
        Fetcher(UrlPolicy(public=True), max_bytes=MOST).fetch(at(server, "good"))
    assert server.asked == []


def test_in_public_a_redirect_to_a_private_address_is_not_followed(monkeypatch, server, refused):
    # A public server is stood in for by the local one: the checked address is exchanged when it is connected to.
    real = socket.create_connection
    connected = []

    def connect(address, **options):
        connected.append(address)
        return real(("127.0.0.1", server.server_port), **options)

    monkeypatch.setattr(socket, "create_connection", connect)
    names = {"example.org": ["93.184.216.34"], "elsewhere.test": ["192.168.0.7"]}
    public = Fetcher(UrlPolicy(public=True), max_bytes=MOST, resolve=lambda host, _port: names.get(host, [host]))
    assert public.fetch("http://example.org/good") == BODY
    for path in ("to-other-host", "to-metadata"):
        with refused("url_refused", "not public"):
            public.fetch(f"http://example.org/{path}")
    assert set(connected) == {("93.184.216.34", 80)}
    assert {headers["Host"] for _, headers in server.asked} == {"example.org"}


def test_a_name_is_looked_up_once_for_each_request_and_that_address_is_connected_to(server):
    answers = iter([["127.0.0.1"], ["10.9.9.9"]])
    looked_up = []

    def rebinding(host, _port):
        looked_up.append(host)
        return next(answers)

    port = server.server_port
    names = Fetcher(UrlPolicy(hosts=(f"pictures.test:{port}",)), max_bytes=MOST, timeout_s=5, resolve=rebinding)
    assert names.fetch(f"http://pictures.test:{port}/good") == BODY
    assert looked_up == ["pictures.test"]
    assert server.asked[0][1]["Host"] == f"pictures.test:{port}"


def test_the_next_address_is_tried_where_one_does_not_answer(server):
    port = server.server_port
    two = Fetcher(
        UrlPolicy(hosts=(f"pictures.test:{port}",)), max_bytes=MOST, timeout_s=5,
        resolve=lambda _host, _port: ["127.0.0.2", "127.0.0.1"],
    )  # fmt: skip
    assert two.fetch(f"http://pictures.test:{port}/good") == BODY


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    if not shutil.which("openssl"):
        pytest.skip("certificates are made with openssl, which is not installed")
    folder = tmp_path_factory.mktemp("tls")
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=pictures.test "
        f"-addext subjectAltName=DNS:pictures.test -keyout {folder}/key.pem -out {folder}/cert.pem"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    return folder


def test_over_tls_the_certificate_must_be_that_of_the_name_and_the_name_is_sent(certificate, refused):
    serving_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving_side.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    names = []
    serving_side.sni_callback = lambda _socket, name, _context: names.append(name)
    trusting = ssl.create_default_context(cafile=certificate / "cert.pem")
    with serving(serving_side) as server:
        port = server.server_port
        policy = UrlPolicy(hosts=(f"pictures.test:{port}", f"other.test:{port}"))
        options = {"max_bytes": MOST, "timeout_s": 5.0, "resolve": lambda _host, _port: ["127.0.0.1"]}
        assert Fetcher(policy, tls=trusting, **options).fetch(f"https://pictures.test:{port}/good") == BODY
        with refused("fetch_failed", "certificate"):
            Fetcher(policy, tls=trusting, **options).fetch(f"https://other.test:{port}/good")
        with refused("fetch_failed", "certificate"):
            Fetcher(policy, **options).fetch(f"https://pictures.test:{port}/good")
    assert names[0] == "pictures.test"
