"""TLS: the right authority opens, a wrong one is refused; client certificates where the server asks.

On Redis 7, since the packaged Valkey is built without TLS.
"""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from wingman_runtime.errors import BackendError, BackendRefusedError, BackendUnreachableError, UsageError
from wingman_runtime.redisio import connection
from wingman_runtime.redisio.connection import MAX_BLOCK_MS, Tls, open_backend
from wingman_runtime.redisio.embedded import start_embedded
from wingman_runtime.redisio.embedded_files import free_port


class Authority:
    """A certificate authority that writes PEM files into a directory."""

    def __init__(self, directory: Path, name: str) -> None:
        self.directory, self.name = directory, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.path = directory / f"{name}.crt"
        self.path.write_bytes(self._certificate(self.name, self.key, authority=True))

    def issue(self, name: str) -> tuple[Path, Path]:
        """Certificate and key for 127.0.0.1."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate, private = self.directory / f"{name}.crt", self.directory / f"{name}.key"
        certificate.write_bytes(self._certificate(subject, key, authority=False))
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate, private

    def _certificate(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, authority: bool) -> bytes:
        now = datetime.datetime.now(datetime.UTC)
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        )
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@dataclass
class Secured:
    port: int
    authority: Authority

    @property
    def url(self) -> str:
        return f"rediss://127.0.0.1:{self.port}/0"


@pytest.fixture(scope="module", params=["no", "yes"], ids=["server-cert", "client-cert"])
def secured(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, redis7_binary: Path
) -> Iterator[Secured]:
    """Redis 7 with TLS, once without and once with client certificates required."""
    directory = tmp_path_factory.mktemp("tls")
    authority = Authority(directory, "authority")
    certificate, key = authority.issue("server")
    port = free_port()
    extra = {
        "tls-port": str(port),
        "tls-cert-file": str(certificate),
        "tls-key-file": str(key),
        "tls-ca-cert-file": str(authority.path),
        "tls-auth-clients": request.param,
    }
    with start_embedded(directory / "data", binary=redis7_binary, extra=extra):
        yield Secured(port, authority)


async def test_the_right_authority_opens(secured: Secured) -> None:
    """With the CA and a client certificate, encrypted and working."""
    certificate, key = secured.authority.issue("client")
    tls = Tls(ca=secured.authority.path, cert=certificate, key=key)
    async with await open_backend(secured.url, tls=tls, strict=True) as backend:
        assert await backend.commands.ping()


async def test_an_unknown_authority_is_refused(secured: Secured, tmp_path: Path) -> None:
    """A certificate signed by somebody else or by nobody we know; the URL cannot switch that off."""
    for ca in (Authority(tmp_path, "stranger").path, None):
        with pytest.raises(BackendRefusedError, match="not trusted"):
            await open_backend(f"{secured.url}?ssl_cert_reqs=none", tls=Tls(ca=ca))


async def test_files_that_do_not_exist_or_lack_their_other_half(secured: Secured, tmp_path: Path) -> None:
    """A usage error that names the file, before anything is connected to."""
    with pytest.raises(UsageError, match=r"missing\.crt"):
        await open_backend(secured.url, tls=Tls(ca=tmp_path / "missing.crt"))
    with pytest.raises(UsageError, match="needs its key"):
        await open_backend(secured.url, tls=Tls(cert=secured.authority.path))


async def test_a_server_that_asks_for_a_client_certificate(tmp_path: Path, redis7_binary: Path) -> None:
    """Without one: the error says what is wanted and which settings give it, alert or reset."""
    authority = Authority(tmp_path, "authority")
    certificate, key = authority.issue("server")
    port = free_port()
    extra = {
        "tls-port": str(port),
        "tls-cert-file": str(certificate),
        "tls-key-file": str(key),
        "tls-ca-cert-file": str(authority.path),
    }
    with (
        start_embedded(tmp_path / "data", binary=redis7_binary, extra=extra),
        pytest.raises(BackendError, match="wants a client certificate") as caught,
    ):
        # TLS 1.3 has the client talk before it learns that it was refused.
        await open_backend(f"rediss://127.0.0.1:{port}/0", tls=Tls(ca=authority.path))
    assert "redis.cert_file" in (caught.value.hint or "")


@contextmanager
def _cut_off(authority: Authority, *, reset: bool) -> Iterator[int]:
    """The port of a server that shakes hands, reads a little and is gone, once; no alert comes before."""
    certificate, key = authority.issue("rude")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(10)

    def serve() -> None:
        plain, _ = listening.accept()
        with context.wrap_socket(plain, server_side=True) as secure:
            secure.recv(1)
            if reset:
                secure.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    serving = threading.Thread(target=serve)
    serving.start()
    try:
        yield int(listening.getsockname()[1])
    finally:
        serving.join()
        listening.close()


@pytest.mark.parametrize("reset", [True, False], ids=["reset", "eof"])
async def test_a_connection_cut_off_after_the_handshake_names_its_likely_cause(
    tmp_path: Path, reset: bool
) -> None:
    """No alert arrives: a certificate is likely wanted or, where one was shown, not accepted."""
    authority = Authority(tmp_path, "authority")
    with (
        _cut_off(authority, reset=reset) as port,
        pytest.raises(BackendUnreachableError, match="likely it wants a client certificate") as caught,
    ):
        await open_backend(f"rediss://127.0.0.1:{port}/0", tls=Tls(ca=authority.path))
    assert "redis.cert_file" in (caught.value.hint or "")
    certificate, key = authority.issue("client")
    tls = Tls(ca=authority.path, cert=certificate, key=key)
    with (
        _cut_off(authority, reset=reset) as port,
        pytest.raises(BackendUnreachableError, match="does not accept our client certificate"),
    ):
        await open_backend(f"rediss://127.0.0.1:{port}/0", tls=tls)


async def test_a_connection_cut_off_later_has_nothing_to_do_with_certificates(secured: Secured) -> None:
    """Once it has answered, a server that ends the connection is one that cannot be reached."""
    certificate, key = secured.authority.issue("later")
    tls = Tls(ca=secured.authority.path, cert=certificate, key=key)
    async with await open_backend(secured.url, tls=tls) as backend:

        async def wait() -> None:
            async with backend.errors():
                await backend.readers.blpop(["nothing"], timeout=MAX_BLOCK_MS / 1000)

        waiting = asyncio.create_task(wait())
        while (await backend.commands.info("clients"))["blocked_clients"] == 0:
            assert not waiting.done()
        await backend.commands.client_kill_filter(_type="normal", skipme=True)
        with pytest.raises(BackendUnreachableError) as caught:
            await waiting
    assert "certificate" not in str(caught.value)


async def test_tls_to_a_port_without_it_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """rediss:// to a plain port: the server waits for the end of a line, so all one sees is a timeout."""
    monkeypatch.setattr(connection, "CONNECT_TIMEOUT", 0.3)
    with (
        start_embedded(tmp_path, port=0) as server,
        pytest.raises(BackendUnreachableError, match="speaks TLS"),
    ):
        await open_backend(f"rediss://127.0.0.1:{server.port}/0")
