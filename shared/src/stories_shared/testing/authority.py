"""A certificate authority of one's own, for servers that clients trust only by its certificate."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


class Authority:
    """A certificate authority, and its certificate for a server on loopback as a PEM file with key and as a context."""

    def __init__(self, folder: Path, name: str) -> None:
        self.key, self.name = ec.generate_private_key(ec.SECP256R1()), name_of(name)
        self.pem, self.server_pem = folder / f"{name}.pem", folder / f"{name}-server.pem"
        unsigned = certificate(self.name, self.name, self.key).add_extension(x509.BasicConstraints(True, 0), True)
        usage = dict.fromkeys(
            ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "encipher_only", "decipher_only"), False,
        )  # fmt: skip
        unsigned = unsigned.add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), True)
        subject = x509.SubjectKeyIdentifier.from_public_key(self.key.public_key())
        self.pem.write_bytes(self.signed(unsigned.add_extension(subject, False)))
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        server = certificate(name_of("localhost"), self.name, key)
        server = server.add_extension(x509.SubjectAlternativeName(names), False).add_extension(issuer, False)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.server_pem.write_bytes(private + self.signed(server))
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.load_cert_chain(self.server_pem)

    def signed(self, unsigned: x509.CertificateBuilder) -> bytes:
        """The signed certificate as PEM."""
        return unsigned.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)


def name_of(name: str) -> x509.Name:
    """A name of nothing but a common name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def certificate(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    """A certificate for a day."""
    now = datetime.now(UTC)
    named = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    return (
        named.serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
    )
