"""TLS certificate and key: loaded at start, reloaded when their files change."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import gevent.ssl
import structlog

from backend.settings.model import Settings, SettingsError

_log = structlog.get_logger(__name__)


class Certificates:
    """TLS context of new connections, from a certificate chain and its key.

    Raises `SettingsError` if they cannot be used at start; later the last usable
    ones stay in use.
    """

    def __init__(self, chain: Path, key: Path) -> None:
        self._files = (chain, key)
        self._loaded_stamp = self._stamp()
        try:
            self._context = _context(chain, key)
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"BACKEND_TLS_CERT, BACKEND_TLS_KEY: {chain}, {key}: {_reason(error)}"
            ) from None

    def wrap(self, sock: Any) -> Any:  # noqa: ANN401 - gevent's sockets
        """Wrap a server-side socket; the handshake is left to the caller."""
        return self._context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)

    def reload_if_changed(self) -> None:
        """Reload the files if they have changed; open connections keep their certificate."""
        stamp = self._stamp()
        if stamp == self._loaded_stamp:
            return
        self._loaded_stamp = stamp
        try:
            self._context = _context(*self._files)
        except (OSError, ValueError) as error:
            # the two files are written one after the other: the second change reloads both
            _log.warning("the new certificate cannot be used yet", reason=_reason(error))
        else:
            _log.info("certificate read again")

    def _stamp(self) -> tuple[tuple[int, int] | None, ...]:
        return tuple(_file_stamp(path) for path in self._files)


def load_certificates(settings: Settings) -> Certificates | None:
    """Return the certificates of the settings, None without TLS. Raises `SettingsError`."""
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    return Certificates(settings.tls_cert, settings.tls_key)


def _context(chain: Path, key: Path) -> Any:  # noqa: ANN401 - gevent is untyped
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    # else no 408 could be sent after a shutdown for reads; lengths show bodies cut short
    context.options |= ssl.OP_IGNORE_UNEXPECTED_EOF
    # forward secrecy and authenticated encryption; 1.3 has nothing else
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.set_alpn_protocols(["http/1.1"])
    # a key with a passphrase must not stop the start to ask for it on a terminal
    context.load_cert_chain(chain, key, password=lambda: "")
    return context


def _file_stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return "not a certificate and its key in PEM, without a passphrase"
    return getattr(error, "strerror", None) or "cannot be read"
