import pytest

from nearclass.errors import ConfigError
from nearclass.pictures.urls import Target, UrlPolicy, is_public, parse_url


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("http://example.org", "example.org", 80, "/"),
        ("HTTPS://EXAMPLE.org./A.jpg", "example.org", 443, "/A.jpg"),
        ("https://example.org:8443/a.jpg?x=1&y=2", "example.org", 8443, "/a.jpg?x=1&y=2"),
        ("https://example.org/caf\u00e9 1.jpg#top", "example.org", 443, "/caf%C3%A9%201.jpg"),
        ("https://b\u00fccher.example/a", "xn--bcher-kva.example", 443, "/a"),
        ("http://[2001:db8::1]:8080/a", "2001:db8::1", 8080, "/a"),
        ("http://example.org?a=b", "example.org", 80, "/?a=b"),
        ("https://example.org/%2e%2e/a", "example.org", 443, "/%2e%2e/a"),
    ],
)
def test_an_address_is_taken_apart(url, host, port, path):
    target = parse_url(url)
    assert (target.host, target.port, target.path) == (host, port, path)


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "http:///a.jpg",
        "https://user@example.org/",
        "https://user:word@example.org/",
        "https://@example.org/",
        "https://example.org\\@evil.example/",
        "https://example.org:99999/",
        "https://example.org:port/",
        "https://[::1/",
        "https://exa mple.org/",
        "https://example.org/\r\nHost: evil.example",
        "https://example.org/a\tb",
        "https://example.org%2f@evil.example/",
        "https://a%00.example.org/",
        "ftp://example.org/a.jpg",
        "file:///etc/passwd",
        "//example.org/a.jpg",
        "https://" + "\u00e9" * 300 + ".example/",
    ],
)
def test_an_address_that_is_none_or_has_credentials_is_refused(url, refused):
    with refused("bad_reference"):
        parse_url(url)


PRIVATE = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "2001:0:a00:1::f5ff:fffe",
    "nonsense",
    "1.2.3",
    "0x7f000001",
    "2130706433",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_of_this_machine_and_its_networks_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_addresses_of_the_internet_are_public(address):
    assert is_public(address)


@pytest.mark.parametrize("text", ["off", "OFF", "", " , "])
def test_without_hosts_nothing_is_allowed(text):
    assert not UrlPolicy.parse(text).allows_any


def test_a_policy_is_public_or_names_hosts():
    assert UrlPolicy.parse("public").public
    policy = UrlPolicy.parse("a.example, *.b.example ,c.example:8080,[::1]:9000")
    allowed = (
        "https://a.example/",
        "http://x.b.example/",
        "http://x.y.b.example/",
        "http://c.example:8080/",
        "http://[::1]:9000/",
    )
    assert [policy.names(parse_url(url)) for url in allowed] == [True] * len(allowed)
    others = (
        "https://x.a.example/", "https://b.example/", "https://ab.example/", "https://a.example:8080/",
        "http://c.example/", "http://c.example:8081/", "http://[::1]/", "https://a.example.evil/", "https://eb.example/",
    )  # fmt: skip
    assert [policy.names(parse_url(url)) for url in others] == [False] * len(others)


@pytest.mark.parametrize(
    "text", ["public,a.example", "off,a.example", "https://a.example", "a.example/x", "*", "*.", "a b", "user@a"]
)
def test_what_is_no_host_is_refused_with_what_to_give(text):
    with pytest.raises(ConfigError, match="Give off, public, or hosts"):
        UrlPolicy.parse(text)


def test_the_usual_port_is_that_of_the_scheme():
    assert Target("https", "a.example", 443, "/", "").usual_port
    assert not Target("https", "a.example", 80, "/", "").usual_port
