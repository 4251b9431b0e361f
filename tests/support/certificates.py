"""A certificate authority of our own, and a certificate for each host: run by the Python of Synapse's environment, which
has `cryptography`. `python certificates.py FOLDER HOST…` writes `ca.pem`, and `HOST.crt` and `HOST.key` for each host."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_DAYS = 2


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: str, issuer_key: ec.EllipticCurvePrivateKey, *, authority: bool
) -> x509.Certificate:
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=_DAYS))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if not authority:
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return made.sign(issuer_key, hashes.SHA256())


def main(folder: Path, hosts: list[str]) -> None:
    """Write the authority's certificate and each host's certificate and key."""
    authority, name = ec.generate_private_key(ec.SECP256R1()), "Invented authority"
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(_certificate(name, authority, name, authority, authority=True).public_bytes(pem))
    for host in hosts:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(host, key, name, authority, authority=False)
        (folder / f"{host}.crt").write_bytes(certificate.public_bytes(pem))
        plain = serialization.NoEncryption()
        (folder / f"{host}.key").write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, plain)
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
