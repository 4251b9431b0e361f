"""Evidence in the age format (age-encryption.org/v1): any of several keys opens it, also without us."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from pyrage import DecryptError, IdentityError, RecipientError, decrypt, encrypt, x25519

from appservice.flow import VaultClosed

_PRIVATE_FILE = 0o600
#: Characters of a key file that are read: a comment and one key.
_KEY_FILE_MOST = 10_000


class AgeVault:
    """Seals for `public` and, each on its own, for the team's `others`; opens with the key in the file at `key`.

    Sealing needs no secret. The key file is read when something is opened, and only then.
    """

    def __init__(self, key: Path, public: str, others: Sequence[str] = ()) -> None:
        self._key = key
        try:
            self._recipients = [x25519.Recipient.from_str(one) for one in (public, *others)]
        except RecipientError:
            raise ValueError("not an age recipient (it begins with age1)") from None

    def seal(self, plain: bytes) -> bytes:
        return bytes(encrypt(plain, self._recipients))

    def unseal(self, sealed: bytes) -> bytes:
        try:
            return bytes(decrypt(sealed, [_identity(self._key)]))
        except (DecryptError, OSError, UnicodeDecodeError, IdentityError) as error:
            raise VaultClosed(type(error).__name__) from None

    def fits(self) -> bool:
        """Whether the key file is there and opens what is sealed now."""
        try:
            return self.unseal(self.seal(b"?")) == b"?"
        except VaultClosed:
            return False

    @staticmethod
    def public_of(key: Path) -> str | None:
        """Return the public half of the key in a file, None where there is none that can be read."""
        try:
            return str(_identity(key).to_public())
        except (OSError, UnicodeDecodeError, IdentityError):
            return None

    @staticmethod
    def mark_of(key: Path) -> str:
        """Return what the comments of a key's file say, "" where it cannot be read."""
        try:
            with key.open(encoding="utf-8") as file:
                lines = file.read(_KEY_FILE_MOST).splitlines()
        except (OSError, UnicodeDecodeError):
            return ""
        return "\n".join(line.lstrip("# ") for line in lines if line.startswith("#"))

    @staticmethod
    def make_key(key: Path, mark: str = "") -> str:
        """Write a new key to a file of mode 0600, which must not exist; return its public half. Raises `OSError`."""
        identity = x25519.Identity.generate()
        lines = [f"# {line}" for line in mark.splitlines()]
        lines += [f"# public key: {identity.to_public()}", str(identity)]
        temporary = key.with_name(f".{key.name}.{secrets.token_hex(4)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE_FILE)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write("\n".join(lines) + "\n")
                file.flush()
                os.fsync(file.fileno())
            os.link(temporary, key)  # never over a key that is there: it opens what was sealed before
        finally:
            temporary.unlink(missing_ok=True)
        return str(identity.to_public())


def _identity(path: Path) -> x25519.Identity:
    with path.open(encoding="utf-8") as file:
        text = file.read(_KEY_FILE_MOST)
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return x25519.Identity.from_str(lines[0] if lines else "")
