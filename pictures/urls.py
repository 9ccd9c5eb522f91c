"""Which addresses may be fetched."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import SplitResult, urlsplit

from ..errors import ConfigError, PictureError
from ..schemas.pictures import PictureCode

__all__ = ["Target", "UrlPolicy", "is_public", "parse_url"]

_PORTS: Final = {"http": 80, "https": 443}
_HOST: Final = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?|\[[0-9a-f:.]+\](:\d{1,5})?")
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Target:
    """One address, taken apart.

    Attributes:
        scheme: ``http`` or ``https``.
        host: Name or number, in lower case and ASCII, without brackets.
        port: The port, that of the scheme if none was given.
        path: Path and query as they are sent.
        url: The whole address, without a fragment.
    """

    scheme: str
    host: str
    port: int
    path: str
    url: str

    @property
    def usual_port(self) -> bool:
        """Whether the port is that of the scheme."""
        return self.port == _PORTS[self.scheme]


@dataclass(frozen=True, slots=True)
class UrlPolicy:
    """Which hosts may be asked: none, those with public addresses, or those that are named.

    Attributes:
        public: Whether any host may be, on ports 80 and 443, if all its addresses are public.
        hosts: Hosts that may be asked wherever they are: ``host``, ``host:port``, or ``*.domain`` for all below it.
    """

    public: bool = False
    hosts: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """The policy that a setting names: ``off``, ``public``, or hosts with commas between them.

        >>> UrlPolicy.parse("images.example.org, *.cdn.example.org").allows_any
        True

        Raises:
            ConfigError: A host is written in a way that no address has.
        """
        names = tuple(one.strip().lower() for one in text.split(",") if one.strip())
        if names in {(), ("off",)}:
            return cls()
        if names == ("public",):
            return cls(public=True)
        for name in names:
            if name in {"off", "public"} or not _HOST.fullmatch(name):
                message = f"{name!r} among the hosts of picture_urls is no host"
                raise ConfigError(message, hint="Give off, public, or hosts such as images.example.org,*.example.com")
        return cls(hosts=names)

    @property
    def allows_any(self) -> bool:
        """Whether anything may be fetched at all."""
        return self.public or bool(self.hosts)

    def names(self, target: Target) -> bool:
        """Whether the host is one that was named."""
        return any(_matches(one, target) for one in self.hosts)


def parse_url(url: str) -> Target:
    """The address taken apart.

    >>> parse_url("HTTPS://Example.org/a b.jpg?x=1#top")
    Target(scheme='https', host='example.org', port=443, path='/a%20b.jpg?x=1', url='https://example.org/a%20b.jpg?x=1')

    Raises:
        PictureError: ``bad_reference``: it is not one of http or https, has credentials, or cannot be read.
    """
    if any(ord(one) < 32 or ord(one) == 127 for one in url):
        raise _bad(url, "has control characters in it")
    try:
        parts = urlsplit(url.strip())
        port = parts.port
        host = _ascii(parts)
    except ValueError as error:
        raise _bad(url, f"cannot be read: {error}") from None
    if parts.scheme not in _PORTS:
        raise _bad(url, "is neither of http nor of https")
    if "@" in parts.netloc or "\\" in url:
        raise _bad(url, "has a user name, a password or a backslash in it, which is not taken")
    if not host:
        raise _bad(url, "has no host")
    port = _PORTS[parts.scheme] if port is None else port
    path = _quoted(parts.path or "/") + (f"?{_quoted(parts.query)}" if parts.query else "")
    shown = f"[{host}]" if ":" in host else host
    suffix = "" if port == _PORTS[parts.scheme] else f":{port}"
    return Target(parts.scheme, host, port, path, f"{parts.scheme}://{shown}{suffix}{path}")


def is_public(address: str) -> bool:
    """Whether an address is reachable from everywhere, and is none of this machine or its networks.

    An address of IPv6 that stands for one of IPv4 counts as that one; tunnels to others (6to4, Teredo) are refused.

    >>> is_public("93.184.216.34"), is_public("10.0.0.1"), is_public("::ffff:127.0.0.1"), is_public("169.254.169.254")
    (True, False, False, False)
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv4Address):
        return parsed.is_global and not (parsed.is_multicast or parsed.is_reserved)
    inside = parsed.ipv4_mapped or (ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF) if parsed in _NAT64 else None)
    if inside is not None:
        return is_public(str(inside))
    tunnelled = parsed.sixtofour is not None or parsed.teredo is not None
    return parsed.is_global and not (parsed.is_multicast or parsed.is_reserved or parsed.is_site_local or tunnelled)


def _matches(named: str, target: Target) -> bool:
    host = f"[{target.host}]" if ":" in target.host else target.host
    if re.search(r"(?<=[^:\]]):\d+$|\]:\d+$", named):
        return named == f"{host}:{target.port}"
    if not target.usual_port:
        return False
    return host.endswith(named[1:]) if named.startswith("*.") else host == named


def _ascii(parts: SplitResult) -> str:
    host = (parts.hostname or "").rstrip(".")
    if not host.isascii():
        host = host.encode("idna").decode("ascii")
    if any(one in host for one in " %/\\"):
        message = f"{host!r} is no host"
        raise ValueError(message)
    return host.lower()


def _quoted(text: str) -> str:
    return "".join(one if "!" <= one <= "~" else "".join(f"%{byte:02X}" for byte in one.encode()) for one in text)


def _bad(url: str, why: str) -> PictureError:
    return PictureError(f"the address {url[:200]!r} {why}", code=PictureCode.BAD_REFERENCE)
