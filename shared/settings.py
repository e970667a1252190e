"""Settings, read from the environment once per entry point and passed down."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.errors import UsageError
from shared.store import StoreOptions

ALIVE_SECONDS = 30
"""Age of a heartbeat above which its worker counts as dead."""


def _listed(value: object) -> object:
    """Split a variable with several values at the commas."""
    return tuple(filter(None, (part.strip() for part in value.split(",")))) if isinstance(value, str) else value


class Settings(BaseSettings):
    """Environment variables with the prefix ``ATELIER_``; see docs/settings.md."""

    model_config = SettingsConfigDict(env_prefix="ATELIER_", frozen=True, extra="ignore")

    home: Path = Field(
        default_factory=lambda: Path.home() / ".local" / "share" / "atelier",
        description="Folder of the embedded servers, the default object store and the logs.",
    )
    database_url: SecretStr | None = Field(
        None,
        description="Postgres, as postgresql+psycopg://user:password@host/name?sslmode=verify-full. Unset: embedded.",
    )
    broker_url: SecretStr | None = Field(
        None, description="Redis or Valkey, as redis://host:6379/0, for TLS rediss://. Unset: embedded."
    )
    store_url: str | None = Field(
        None, description="Object store: s3://bucket/prefix or file:///folder. Unset: a folder in the home."
    )
    s3_endpoint_url: str | None = Field(None, description="Endpoint of an S3-compatible server; unset for AWS.")
    s3_public_endpoint_url: str | None = Field(
        None, description="Endpoint that presigned URLs name, where clients see another address than we do."
    )
    s3_region: str | None = Field(None, description="Region of the S3 buckets.")
    s3_access_key_id: str | None = Field(None, description="S3 access key; unset: boto3's own chain.")
    s3_secret_access_key: SecretStr | None = Field(None, description="S3 secret key; unset: boto3's own chain.")
    s3_addressing_style: Literal["auto", "path", "virtual"] = Field(
        "auto", description="How buckets are addressed: in the path or in the host name."
    )
    s3_checksums: Literal["when_required", "when_supported"] = Field(
        "when_required",
        description="When boto3 adds checksums to requests; not every S3 server accepts them.",
    )
    source_hosts: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)] = Field(
        (), description="Hosts that http:// and https:// sources may come from, with commas; *.shop.example: all below."
    )
    source_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_listed)] = Field(
        (), description="Private networks that sources may be fetched from nevertheless, as 10.1.0.0/16, with commas."
    )
    device: str = Field("auto", description="Device of the generator: auto, cpu, cuda or cuda:N.")
    slots: int = Field(3, ge=1, le=64, description="Chunks a worker has in hand at once.")
    lanes: int = Field(0, ge=0, le=64, description="Device lanes of a worker; 0: one per GPU, one per CPU core.")
    minibatch: int = Field(
        0, ge=0, le=256, description="Images of one size stacked on the device; 0: 1 on a CPU, 8 on a GPU."
    )
    working_px: int = Field(
        768, ge=256, le=8192, description="Long side at which the generator works at texture scale 1."
    )
    max_megapixels: float = Field(25.0, gt=0, le=100, description="Largest image accepted, in megapixels.")
    max_image_mib: int = Field(64, ge=1, le=1024, description="Largest source file accepted, in MiB.")
    chunk_megapixels: float = Field(
        8.0, gt=0, description="Work in one chunk, in megapixels at the generator's working size."
    )
    lease_seconds: int = Field(
        120, ge=5, description="How long a worker may be silent on a chunk before it is given to another."
    )
    # Heartbeats are sent by the sweeps: rarer sweeps would make a busy worker count as dead.
    sweep_seconds: float = Field(
        10.0, gt=0, le=ALIVE_SECONDS / 2, description="Seconds between sweeps for lost leases and messages."
    )
    jpeg_quality: int = Field(90, ge=1, le=100, description="Quality of JPEG and WebP renditions.")
    c2pa_certificate: Path | None = Field(
        None, description="PEM chain by which renditions are signed with a C2PA manifest; needs atelier[c2pa]."
    )
    c2pa_key: Path | None = Field(None, description="PEM private key of that certificate.")
    c2pa_algorithm: Literal["es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519"] = Field(
        "es256", description="Algorithm of that key, by its name in the C2PA specification."
    )
    vgg: str | None = Field(None, description="VGG-19 features for training: a safetensors file, or its URL.")
    train_slice_minutes: float = Field(
        5.0, ge=0, le=1440, description="How long a trainer trains between two saved states."
    )
    train_threads: int = Field(1, ge=1, le=256, description="Torch threads of a trainer, of which workers feel each.")
    statement_seconds: float = Field(
        60.0,
        ge=1,
        le=86_400,
        description="Longest that Postgres works on one statement, locks included; migrations and maintenance have an "
        "hour.",
    )
    gpu_hour_price: float = Field(
        0.0, ge=0, description="Price of an hour of one device, for the cost of nights and the usage of months."
    )
    image_price: float = Field(
        0.0, ge=0, description="Price of an image besides, for the cost of nights and the usage of months."
    )
    reused_image_price: float = Field(
        0.0, ge=0, description="Price of an image whose rendition existed, in the usage of months."
    )
    max_upload_mib: int = Field(
        1024, ge=1, le=65_536, description="Largest file that the API accepts, whole or in parts, in MiB."
    )
    upload_quota_mib: int = Field(
        20_480, ge=1, le=2**30, description="Uploads of a merchant that no batch has used yet, in MiB together."
    )
    upload_quota_files: int = Field(
        20_000, ge=1, le=10**6, description="Uploads of a merchant that no batch has used yet, in files."
    )
    api_requests_per_second: float = Field(
        100.0, gt=0, le=1e6, description="Requests a second that one key may send to an API process."
    )
    api_requests_at_once: int = Field(
        8, ge=1, le=10_000, description="Requests that one key may have open at an API process at once."
    )
    public_url: str | None = Field(
        None,
        pattern=r"https?://[^/?#@]+",
        description="Address by which browsers reach the pages, as https://atelier.shop.example. Unset: only this "
        "machine's own names are answered.",
    )
    monitor_address: str | None = Field(
        None,
        description="Where worker, beat or API serve /metrics, /livez, /readyz, as 127.0.0.1:9464.",
    )
    log_format: Literal["logfmt", "json"] = Field("logfmt", description="How log lines are written.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "warning", description="Least severe log line shown on standard error."
    )

    @property
    def making(self) -> dict[str, int]:
        """Return the settings that decide the pixels of a rendition."""
        return {"working_px": self.working_px, "jpeg_quality": self.jpeg_quality}

    @property
    def store_options(self) -> StoreOptions:
        """Return the options of an S3 store."""
        return StoreOptions(
            endpoint_url=self.s3_endpoint_url,
            public_endpoint_url=self.s3_public_endpoint_url,
            region=self.s3_region,
            access_key_id=self.s3_access_key_id,
            secret_access_key=self.s3_secret_access_key,
            addressing_style=self.s3_addressing_style,
            checksums=self.s3_checksums,
            # All tries of one request must end within the lease of the chunk that waits for it.
            connect_timeout_seconds=min(5.0, self.lease_seconds / 24),
            read_timeout_seconds=min(20.0, self.lease_seconds / 8),
        )


def load_settings() -> Settings:
    """Read the settings from the environment. Raises UsageError, which names each invalid variable."""
    try:
        return Settings()
    except ValidationError as error:
        wrong = "; ".join(
            f"ATELIER_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors(include_input=False)
        )
        raise UsageError(f"settings are not valid: {wrong}") from None
