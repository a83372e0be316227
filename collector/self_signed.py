"""Makes certificates that nobody else signs, in a process of its own.

The library for it takes 11 MB, and what is loaded once stays: the collector would carry them for as long as
it runs.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime

# A slow card has to give Python and that library first.
_WITHIN_S = 30.0
PROGRAM = (sys.executable, "-sP", __file__)


def make_certificate(
    common_name: str,
    begins: datetime,
    ends: datetime,
    names: Iterable[str] = (),
    addresses: Iterable[str] = (),
) -> bytes:
    """Return a new private key (P-256) and its certificate, in PEM.

    Args:
        begins, ends: when it is valid; UTC.
        names, addresses: what the certificate is for, beside its common name.

    Raises:
        CertificateError: it cannot be made.
    """
    wanted = (common_name, str(begins), str(ends), sorted(names), sorted(addresses))
    try:
        done = subprocess.run(  # noqa: S603 - our own words, no shell
            PROGRAM,
            input=json.dumps(wanted).encode(),
            capture_output=True,
            timeout=_WITHIN_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = str(error)
    else:
        if done.returncode == 0:
            return done.stdout
        said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        reason = f"exit code {done.returncode}, {said}"
    # Not above: the process that makes it would load whatever this package does.
    from collector.errors import CertificateError

    raise CertificateError(
        f"cannot make a certificate: {reason}. It is made by {' '.join(PROGRAM)}"
    )


def _made(
    common_name: str, begins: str, ends: str, names: Sequence[str], addresses: Sequence[str]
) -> bytes:
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.fromisoformat(begins))
        .not_valid_after(datetime.fromisoformat(ends))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )
    alternatives: list[x509.GeneralName] = [x509.DNSName(each) for each in names]
    alternatives += [x509.IPAddress(ipaddress.ip_address(each)) for each in addresses]
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


if __name__ == "__main__":
    sys.stdout.buffer.write(_made(*json.load(sys.stdin)))
