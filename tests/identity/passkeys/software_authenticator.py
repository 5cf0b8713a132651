"""A software authenticator (WebAuthn level 2, no attestation), and a browser's part of the JSON."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import struct
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ORIGIN = "http://localhost:8000"
PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40
ES256, EDDSA = -7, -8

Json = dict[str, Any]


def encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "===")


def client_data(kind: str, challenge: str, origin: str = ORIGIN) -> bytes:
    """What the browser puts before the authenticator."""
    content = {"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": False}
    return json.dumps(content).encode()


class SoftwareAuthenticator:
    """One key pair and its counter."""

    def __init__(self, algorithm: int = ES256, *, counts: bool = True) -> None:
        self.credential_id = secrets.token_bytes(32)
        self.algorithm = algorithm
        self.count = 1 if counts else 0
        self.flags = PRESENT | VERIFIED
        self._step = 1 if counts else 0
        self._key: Any = (
            Ed25519PrivateKey.generate()
            if algorithm == EDDSA
            else ec.generate_private_key(ec.SECP256R1())
        )

    @property
    def id(self) -> str:
        return encode(self.credential_id)

    def make(self, options: Json, origin: str = ORIGIN, **changes: Any) -> Json:
        """Answer `navigator.credentials.create()`; `changes` replace parts of it."""
        party = changes.pop("rp_id", options["rp"]["id"])
        attested = b"\0" * 16 + struct.pack(">H", len(self.credential_id)) + self.credential_id
        data = self._data(party, ATTESTED) + attested + cbor2.dumps(self._cose_key())
        content = {"fmt": "none", "attStmt": {}, "authData": data, **changes}
        response = {
            "clientDataJSON": encode(client_data("webauthn.create", options["challenge"], origin)),
            "attestationObject": encode(cbor2.dumps(content)),
            "transports": ["internal", "unheard-of"],
        }
        return self._credential(response)

    def sign(self, options: Json, origin: str = ORIGIN, *, party: str | None = None) -> Json:
        """Answer `navigator.credentials.get()`."""
        self.count += self._step
        data = self._data(party or options["rpId"])
        shown = client_data("webauthn.get", options["challenge"], origin)
        signed = data + hashlib.sha256(shown).digest()
        signature = (
            self._key.sign(signed)
            if self.algorithm == EDDSA
            else self._key.sign(signed, ec.ECDSA(hashes.SHA256()))
        )
        response = {
            "clientDataJSON": encode(shown),
            "authenticatorData": encode(data),
            "signature": encode(signature),
            "userHandle": None,
        }
        return self._credential(response)

    def _credential(self, response: Json) -> Json:
        return {
            "id": self.id,
            "rawId": self.id,
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": response,
        }

    def _data(self, party: str, flags: int = 0) -> bytes:
        digest = hashlib.sha256(party.encode()).digest()
        return digest + struct.pack(">BI", self.flags | flags, self.count)

    def _cose_key(self) -> dict[int, Any]:
        if self.algorithm == EDDSA:
            x = self._key.public_key().public_bytes_raw()
            return {1: 1, 3: EDDSA, -1: 6, -2: x}
        numbers = self._key.public_key().public_numbers()
        x, y = (number.to_bytes(32, "big") for number in (numbers.x, numbers.y))
        return {1: 2, 3: ES256, -1: 1, -2: x, -3: y}
