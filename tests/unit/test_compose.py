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
    assert set(re.findall(r"\$\{(\w+):\?", TEXT)) == example - {"COMPOSE_PROFILES"}
    assert not re.findall(r"\$\{\w+(?::?-[^}]*)?\}", TEXT)


def test_every_atelier_variable_is_a_setting() -> None:
    for service in COMPOSE["services"].values():
        for name in service.get("environment", {}):
            if name.startswith("ATELIER_"):
                assert name.removeprefix("ATELIER_").lower() in Settings.model_fields


def test_what_runs_on_has_a_health_check_and_comes_back() -> None:
    for name in ("postgres", "redis", "s3", "worker", "worker-cpu", "beat"):
        service = COMPOSE["services"][name]
        assert "healthcheck" in service
        assert service["restart"] == "unless-stopped"


def test_images_of_others_are_pinned() -> None:
    for service in COMPOSE["services"].values():
        if "image" in service:
            assert re.search(r":[\w.-]*\d", service["image"])


def test_what_is_ours_runs_without_rights_on_a_read_only_root() -> None:
    for service in COMPOSE["services"].values():
        if "build" in service:
            assert service["read_only"]
            assert service["cap_drop"] == ["ALL"]
            assert "USER 10001" in (ROOT / service["build"]["dockerfile"]).read_text()


def test_the_gpu_worker_starts_only_where_its_profile_is_chosen() -> None:
    services = COMPOSE["services"]
    assert services["worker"]["profiles"] == ["gpu"]
    assert services["worker-cpu"]["profiles"] == ["cpu"]
    started = [service for service in services.values() if set(service.get("profiles", ["cpu"])) == {"cpu"}]
    assert not [service for service in started if "deploy" in service]


def test_the_servers_are_reached_from_nowhere_else() -> None:
    assert COMPOSE["networks"]["servers"]["internal"]
    for service in COMPOSE["services"].values():
        assert "ports" not in service
        if "image" in service:
            assert service["networks"] == ["servers"]


def test_the_context_of_the_images_is_what_they_copy() -> None:
    kept = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    copied = set()
    for part in ("producer", "workers"):
        for line in re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / part / "Dockerfile").read_text(), re.MULTILINE):
            copied |= set(line.split())
    assert set(kept) == copied


def test_the_file_follows_the_compose_specification() -> None:
    schema = json.loads((Path(__file__).parent / "compose-spec.json").read_text())
    jsonschema.validate(COMPOSE, schema)
