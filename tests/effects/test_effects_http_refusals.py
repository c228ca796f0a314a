"""Where the HTTP tools do not go: addresses with two readings, unlisted hosts, networks behind the door."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.effects.http_server import Server, answer, echo
from wingman_runtime.effects.registry import ToolRegistry
from wingman_runtime.effects.web import Web
from wingman_runtime.effects.web_address import addresses, kind_of
from wingman_runtime.effects.web_url import parse_url
from wingman_runtime.errors import ContractError, ToolError
from wingman_runtime.settings import Http, HttpHost


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as server:
        server.on("/", echo())
        yield server


def web(*allow: HttpHost | dict[str, object], names: Mapping[str, Sequence[str]] | None = None) -> Web:
    """A door whose names are a test's; without any, the system's resolver must not be needed."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        if host not in (names or {}):
            raise OSError("no such name")
        return (names or {})[host]

    return Web(Http.model_validate({"allow": allow}), resolve=resolve, environ={})


@pytest.mark.parametrize(
    "url",
    [
        "http://2130706433/",
        "http://0177.0.0.1/",
        "http://0x7f.0.0.1/",
        "http://0x7f000001/",
        "http://127.1/",
        "http://127.0.0.1./",
        "http://localhost./",
        "http://user@example.com/",
        "http://user:word@example.com/",
        "http://example.com@127.0.0.1/",
        "http://exämple.com/",
        "http://ｅxample.com/",
        "http://①②⑦.0.0.1/",
        "http://[fe80::1%25eth0]/",
        "http://[::1/",
        "http://example.com:0/",
        "http://example.com:080/",
        "http://example.com:99999/",
        "http://example.com/#part",
        "http://example.com/a/../b",
        "http://example.com/a/%2e%2e/b",
        "http://example.com/a/./b",
        "http://example.com//a",
        "http://example.com/a%2Fb",
        "http://example.com/%41",
        "http://example.com/%",
        "http://example.com/a b",
        "http://example.com/a\r\nX: y",
        "http://example.com/%0d%0aX:%20y",
        "http://example.com\\@127.0.0.1/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "//example.com/",
        "example.com",
        "http://",
        "http://example.com/" + "a" * 2000,
    ],
)
def test_an_address_with_a_second_reading_is_refused(url: str) -> None:
    """Numbers in other notations, user names, escapes that hide structure, other schemes: never a plan's."""
    registry = ToolRegistry.load([])
    with pytest.raises(ContractError):
        registry.validate("http.get", {"url": url})


@pytest.mark.parametrize(
    ("written", "spelling", "resource"),
    [
        ("HTTP://Example.COM:80", "http://example.com/", "http:GET example.com:80/"),
        ("https://example.com:443/a?x=1", "https://example.com/a?x=1", "http:GET example.com/a?x=1"),
        ("https://a.com:8443/%c3%a4", "https://a.com:8443/%C3%A4", "http:GET a.com:8443/%C3%A4"),
        ("http://[0:0::1]:81/x", "http://[::1]:81/x", "http:GET [::1]:81/x"),
        ("https://xn--exmple-cua.com/", "https://xn--exmple-cua.com/", "http:GET xn--exmple-cua.com/"),
    ],
)  # fmt: skip
def test_one_thing_has_one_name(written: str, spelling: str, resource: str) -> None:
    """What may be spelled in two ways is normalised before a policy or an approver sees it."""
    registry = ToolRegistry.load([])
    args = registry.validate("http.get", {"url": written})
    assert (args["url"], registry.resource("http.get", args)) == (spelling, resource)


@given(st.text(max_size=40), st.text(alphabet="/.%2eEfF\\a?&=:;@[]", max_size=20))
def test_the_one_spelling_is_spelled_once(host: str, path: str) -> None:
    """Whatever is accepted is its own normal form, and has no dot segment."""
    for text in (f"http://{host}/{path}", f"https://example.com/{path}"):
        try:
            url = parse_url(text)
        except ContractError:
            continue
        assert parse_url(str(url)) == url
        assert not {".", ".."} & set(url.path.split("/"))


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("93.184.215.14", "public"), ("2606:4700::1", "public"),
        ("127.0.0.1", "private"), ("10.1.2.3", "private"), ("172.31.0.1", "private"),
        ("192.168.1.1", "private"), ("100.64.0.1", "private"), ("::1", "private"), ("fc00::1", "private"),
        ("0.0.0.0", "special"), ("169.254.169.254", "special"), ("169.254.0.1", "special"),
        ("224.0.0.1", "special"), ("255.255.255.255", "special"), ("240.0.0.1", "special"),
        ("198.18.0.1", "special"), ("192.0.2.1", "special"), ("192.0.0.192", "special"),
        ("100.100.100.200", "special"), ("168.63.129.16", "special"), ("fd00:ec2::254", "special"),
        ("::", "special"), ("fe80::1", "special"), ("ff02::1", "special"), ("fec0::1", "special"),
        ("::ffff:127.0.0.1", "special"), ("::ffff:93.184.215.14", "special"), ("::127.0.0.1", "special"),
        ("64:ff9b::7f00:1", "special"), ("64:ff9b:1::a00:1", "special"), ("2002:7f00:1::", "special"),
        ("2001:0:7f00:1::", "special"), ("2001:db8::1", "special"),
    ],
)  # fmt: skip
async def test_addresses_are_of_three_kinds(address: str, kind: str) -> None:
    """A name leads to public addresses only, with private: true to private ones too, never to special."""
    assert kind_of(ipaddress.ip_address(address)) == kind
    for private, reachable in ((False, kind == "public"), (True, kind != "special")):
        door = web({"host": "api.test:1", "private": private}, names={"api.test": [address]})
        if not reachable:
            with pytest.raises(ToolError, match="address") as caught:
                await door.send("GET", "http://api.test:1/", key="k")
            assert caught.value.retryable is False
        else:

            async def resolve(host: str, port: int) -> list[str]:
                return [address]

            entry = HttpHost(host="api.test:1", private=private)
            assert await addresses(entry, parse_url("http://api.test:1/"), resolve) == [address]


async def test_a_special_address_has_to_be_listed_itself() -> None:
    """Metadata by its number, listed and private; no name, no wildcard and no plain entry opens it."""

    async def resolve(host: str, port: int) -> list[str]:
        raise OSError("not to be looked up")

    url = parse_url("http://169.254.169.254/latest")
    itself = HttpHost(host="169.254.169.254", private=True)
    assert await addresses(itself, url, resolve) == ["169.254.169.254"]
    with pytest.raises(ToolError, match="special address"):
        await addresses(HttpHost(host="169.254.169.254"), url, resolve)


async def test_an_empty_list_refuses_everything() -> None:
    """Nothing is reached unless it is listed, and the error says where to list it."""
    with pytest.raises(ToolError, match="not listed") as caught:
        await web().send("GET", "https://example.com/", key="k")
    assert "http.allow" in (caught.value.hint or "")


async def test_a_port_counts(server: Server) -> None:
    """An entry without a port means the scheme's own; with one, that one."""
    for entry in ("127.0.0.1", f"127.0.0.1:{server.port + 1}"):
        with pytest.raises(ToolError, match="not listed"):
            await web({"host": entry, "private": True}).send("GET", server.url("/"), key="k")
    listed = web({"host": f"127.0.0.1:{server.port}", "private": True})
    assert (await listed.send("GET", server.url("/"), key="k")).status == 200


async def test_loopback_needs_to_be_said(server: Server) -> None:
    """A listed host on this machine is refused until its entry says private."""
    with pytest.raises(ToolError, match="private address") as caught:
        await web(HttpHost(host=f"127.0.0.1:{server.port}")).send("GET", server.url("/"), key="k")
    assert "private: true" in (caught.value.hint or "")
    assert server.seen == []


async def test_one_bad_address_spoils_a_name(server: Server) -> None:
    """A name with a public and a loopback address is refused as a whole."""
    door = web(HttpHost(host="api.test"), names={"api.test": ["93.184.215.14", "127.0.0.1"]})
    with pytest.raises(ToolError, match=r"127\.0\.0\.1"):
        await door.send("GET", "http://api.test/", key="k")


async def test_a_name_is_looked_up_once_and_the_checked_address_is_called(server: Server) -> None:
    """A resolver that answers differently the second time has no second time; Host stays the name."""
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.9"]

    settings = Http(allow=(HttpHost(host=f"api.test:{server.port}", private=True),))
    reply = await Web(settings, resolve=rebinding).send("GET", server.url("/", "api.test"), key="k")
    assert asked == ["api.test"]
    assert reply.body["headers"]["host"] == f"api.test:{server.port}"


async def test_a_wildcard_covers_names_below_and_nothing_else() -> None:
    """*.example.com is no example.com, no evilexample.com, and no number."""
    names = {"a.example.com": ["127.0.0.1"]}
    with pytest.raises(ToolError, match="private address"):
        await web(HttpHost(host="*.example.com"), names=names).send("GET", "http://a.example.com/", key="k")
    for pattern, url in (
        ("*.example.com", "http://example.com/"),
        ("*.example.com", "http://evilexample.com/"),
        ("*.169.254", "http://169.254.169.254/"),
    ):
        with pytest.raises(ToolError, match="not listed"):
            await web({"host": pattern, "private": True}).send("GET", url, key="k")


async def test_a_redirect_to_a_place_that_is_not_listed_is_refused(server: Server) -> None:
    """A listed host cannot send a reading call on to metadata, loopback or another port."""
    for location in (
        "http://169.254.169.254/latest",
        "http://127.0.0.1:1/",
        "//[::1]/",
        "file:///etc/passwd",
    ):
        server.on("/away", answer(302, Location=location))
        with pytest.raises(ToolError):
            await web({"host": f"127.0.0.1:{server.port}", "private": True}).send(
                "GET", server.url("/away"), key="k"
            )
    assert {one.target for one in server.seen} == {"/away"}


async def test_a_redirect_to_a_name_with_a_private_address_is_refused(server: Server) -> None:
    """A redirect is looked up and checked like a first call."""
    server.on("/away", answer(302, Location="http://public.test/"))
    door = web(
        {"host": f"127.0.0.1:{server.port}", "private": True},
        {"host": "public.test"},
        names={"public.test": ["10.0.0.1"]},
    )
    with pytest.raises(ToolError, match=r"10\.0\.0\.1, a private address"):
        await door.send("GET", server.url("/away"), key="k")


async def test_redirects_come_to_an_end(server: Server) -> None:
    """A loop is left after three; a short chain arrives."""
    door = web({"host": f"127.0.0.1:{server.port}", "private": True})
    server.on("/loop", answer(302, Location="/loop"))
    with pytest.raises(ToolError, match="more than 3 redirects"):
        await door.send("GET", server.url("/loop"), key="k")
    assert len(server.seen) == 4
    server.on("/one", answer(302, Location="/two"))
    server.on("/two", answer(307, Location=server.url("/")))
    assert (await door.send("GET", server.url("/one"), key="k")).url == server.url("/")


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Authorization": "Bearer mine"}, "may not set"),
        ({"Cookie": "a=b"}, "may not set"),
        ({"Host": "other"}, "may not set"),
        ({"X-HTTP-Method-Override": "DELETE"}, "may not set"),
        ({"X-Forwarded-For": "127.0.0.1"}, "may not set"),
        ({"Idempotency-Key": "mine"}, "may not set"),
        ({"Transfer-Encoding": "chunked"}, "may not set"),
        ({"Accept": "a\r\nX-Evil: b"}, "no header may have"),
        ({"Accept": "a\nb"}, "no header may have"),
    ],
)
async def test_a_plan_sets_harmless_headers_only(server: Server, headers: dict[str, str], words: str) -> None:
    """Headers that name a user, a host, another method, or that break the line, do not leave."""
    entry = HttpHost(host=f"127.0.0.1:{server.port}", private=True, plan_headers=("X-HTTP-Method-Override",))
    with pytest.raises(ToolError, match=words):
        await web(entry).send("GET", server.url("/"), key="k", headers=headers)
    assert server.seen == []


def test_a_line_break_in_a_header_is_refused_in_the_plan() -> None:
    """Header injection ends at validation, before anybody is asked to approve it."""
    registry = ToolRegistry.load([])
    for headers in ({"Accept": "a\r\nX: b"}, {"Acc\r\nept": "a"}, {"Accept": "ä"}):
        with pytest.raises(ContractError):
            registry.validate("http.get", {"url": "https://example.com/", "headers": headers})
