"""Signed renditions: what another reader finds in them, and what a wrong certificate does."""

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from c2pa import Reader
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from shared.errors import UsageError
from shared.settings import Settings
from workers.images.encode import encode
from workers.images.label import COMPOSITE
from workers.styling.content_credentials import Original, Signer, make_signer

PIXELS = np.full((64, 64, 3), 120, np.uint8)


def named(name: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Shop"), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )


def signed_by(ca_key: ec.EllipticCurvePrivateKey, key: ec.EllipticCurvePrivateKey, name: str) -> x509.Certificate:
    now, is_ca = datetime.now(UTC), name == "CA"
    usage = {name: False for name in ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")}
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named("CA"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not is_ca, key_cert_sign=is_ca, crl_sign=is_ca, encipher_only=False,
                decipher_only=False, **usage,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
    )  # fmt: skip
    if not is_ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    return builder.sign(ca_key, hashes.SHA256())


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("certificates")
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    chain = (signed_by(ca_key, key, "Shop"), signed_by(ca_key, ca_key, "CA"))
    certificate, secret = folder / "chain.pem", folder / "key.pem"
    certificate.write_bytes(b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, secret


@pytest.fixture(scope="module")
def signer(credentials: tuple[Path, Path]) -> Signer:
    made = make_signer(Settings(c2pa_certificate=credentials[0], c2pa_key=credentials[1]))
    assert made is not None
    return made


@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "avif"])
def test_manifest_names_the_original_and_what_was_done(signer: Signer, format: str) -> None:
    photo = Original(encode(PIXELS, None, "jpeg").data, "jpeg")
    rendition = encode(PIXELS // 2, None, format)
    signed = signer.sign(rendition.data, rendition.content_type, photo, COMPOSITE)
    with Reader(rendition.content_type, io.BytesIO(signed)) as reader:
        store = json.loads(reader.json())
    manifest = store["manifests"][store["active_manifest"]]
    assert [one["relationship"] for one in manifest["ingredients"]] == ["parentOf"]
    actions = [
        action
        for assertion in manifest["assertions"]
        if assertion["label"].startswith("c2pa.actions")
        for action in assertion["data"]["actions"]
    ]
    assert {action["action"] for action in actions} == {"c2pa.opened", "c2pa.edited"}
    assert [action.get("digitalSourceType") for action in actions if action["action"] == "c2pa.edited"] == [COMPOSITE]
    # The test's own authority is nobody's; everything else holds.
    problems = {status["code"] for status in store.get("validation_status", [])}
    assert problems <= {"signingCredential.untrusted"}


def test_no_setting_means_no_signer() -> None:
    assert make_signer(Settings()) is None


def test_a_setting_alone_a_missing_file_and_a_wrong_key_are_told(
    credentials: tuple[Path, Path], tmp_path: Path
) -> None:
    certificate, key = credentials
    other = ec.generate_private_key(ec.SECP256R1())
    wrong = tmp_path / "other.pem"
    wrong.write_bytes(
        other.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    for settings, told in (
        (Settings(c2pa_certificate=certificate), "need each other"),
        (Settings(c2pa_certificate=tmp_path / "none.pem", c2pa_key=key), "cannot be read"),
        (Settings(c2pa_certificate=certificate, c2pa_key=certificate), "cannot be signed"),
        (Settings(c2pa_certificate=certificate, c2pa_key=wrong), "cannot be signed"),
    ):
        with pytest.raises(UsageError, match=told) as caught:
            make_signer(settings)
        assert "\n" not in str(caught.value)
