"""The bench's certificates: one authority, a server and an admin, and the token signing key.

All are P-256, valid for a week, and live in the bench's directory only.
"""

import datetime as dt
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.bench.netns import HOST_IP

_DNS = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
_IPS = (HOST_IP, "127.0.0.1", "10.96.0.1")
# Python 3.13 verifies strictly: an authority without key usage is no authority.
_SIGNS = x509.KeyUsage(
    digital_signature=True,
    key_cert_sign=True,
    crl_sign=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


def write_certificates(directory: Path) -> None:
    """Write ca.crt, server.crt/.key, admin.crt/.key and sa.key into `directory`."""
    directory.mkdir(parents=True)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = _name("pointsman-bench-ca")
    authority = (
        _builder(authority_name, authority_name, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_SIGNS, critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False
        )
        .sign(authority_key, hashes.SHA256())
    )
    (directory / "ca.crt").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    alternatives = x509.SubjectAlternativeName(
        [x509.DNSName(name) for name in _DNS]
        + [x509.IPAddress(ipaddress.ip_address(ip)) for ip in _IPS]
    )
    subjects = {
        "server": (_name("kube-apiserver"), ExtendedKeyUsageOID.SERVER_AUTH),
        "admin": (_name("bench-admin", group="system:masters"), ExtendedKeyUsageOID.CLIENT_AUTH),
    }
    for file, (subject, usage) in subjects.items():
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(subject, authority_name, key.public_key())
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(alternatives, critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
                critical=False,
            )
            .sign(authority_key, hashes.SHA256())
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        (directory / f"{file}.crt").write_bytes(pem)
        _write_key(directory / f"{file}.key", key)
    _write_key(directory / "sa.key", ec.generate_private_key(ec.SECP256R1()))


def _name(common: str, *, group: str | None = None) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    if group:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
    return x509.Name(parts)


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))  # tests set clocks back
        .not_valid_after(now + dt.timedelta(days=7))
    )


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
