"""HTTPS: the certificate is held against the name of the plan, whatever address was called."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.effects.http_server import Server, answer, echo
from wingman_runtime.effects.web import Web
from wingman_runtime.errors import ToolError
from wingman_runtime.settings import Http, HttpHost

NAME = "api.test"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate for ``api.test``, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path / "server.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


def https(certificate: Path, asked: list[str]) -> Server:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def note(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        asked.append(name or "")

    context.sni_callback = note
    return Server(tls=context)


def web(server: Server, ca_file: Path | None) -> Web:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    hosts = [HttpHost(host=f"{name}:{server.port}", private=True) for name in (NAME, "other.test")]
    hosts.append(HttpHost(host="127.0.0.1:1", private=True))
    return Web(Http(allow=tuple(hosts), ca_file=ca_file), resolve=resolve)


async def test_the_name_is_in_the_handshake_and_in_host(certificate: Path) -> None:
    """The connection goes to the address; SNI, certificate and Host are about the name."""
    asked: list[str] = []
    async with https(certificate, asked) as server:
        server.on("/", echo())
        reply = await web(server, certificate).send("GET", server.url("/", NAME, "https"), key="k")
        assert reply.body["headers"]["host"] == f"{NAME}:{server.port}"
    assert asked == [NAME]


async def test_a_certificate_of_another_name_or_a_stranger_is_refused(certificate: Path) -> None:
    """The wrong name, or an authority that is not trusted: no request leaves."""
    async with https(certificate, []) as server:
        with pytest.raises(ToolError, match="certificate"):
            await web(server, certificate).send("POST", server.url("/", "other.test", "https"), key="k")
        with pytest.raises(ToolError, match="certificate"):
            await web(server, None).send("POST", server.url("/", NAME, "https"), key="k")
        assert server.seen == []


async def test_a_redirect_does_not_take_the_lock_off(certificate: Path) -> None:
    """https to http is refused, even to a listed host."""
    async with https(certificate, []) as server:
        server.on("/", answer(302, Location="http://127.0.0.1:1/"))
        with pytest.raises(ToolError, match="from https to http"):
            await web(server, certificate).send("GET", server.url("/", NAME, "https"), key="k")
