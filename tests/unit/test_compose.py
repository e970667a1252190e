import json
import re
from pathlib import Path

import jsonschema
import yaml

from shared.settings import Settings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE = yaml.safe_load(TEXT)


def test_no_secret_has_a_default_and_each_stands_in_the_example() -> None:
    example = set(re.findall(r"^(\w+)=$", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert set(re.findall(r"\$\{(\w+):\?", TEXT)) == example
    assert not re.findall(r"\$\{\w+(?::?-[^}]*)?\}", TEXT)


def test_every_atelier_variable_is_a_setting() -> None:
    for service in COMPOSE["services"].values():
        for name in service.get("environment", {}):
            if name.startswith("ATELIER_"):
                assert name.removeprefix("ATELIER_").lower() in Settings.model_fields


def test_servers_have_health_checks_and_pinned_images() -> None:
    for service in COMPOSE["services"].values():
        if "image" in service:
            assert "healthcheck" in service
            assert ":" in service["image"]
            assert not service["image"].endswith("latest")


def test_the_producers_image_carries_no_torch() -> None:
    assert "[workers]" not in (ROOT / "producer" / "Dockerfile").read_text()


def test_the_file_follows_the_compose_specification() -> None:
    schema = json.loads((Path(__file__).parent / "compose-spec.json").read_text())
    jsonschema.validate(COMPOSE, schema)
