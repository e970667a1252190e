"""Settings: what cannot work is refused before any work is done."""

import pytest

from shared.errors import UsageError
from shared.settings import Settings, load_settings


@pytest.mark.parametrize(
    ("name", "value"), [("SLOTS", "0"), ("SWEEP_SECONDS", "60"), ("LOG_LEVEL", "loud"), ("LEASE_SECONDS", "hunter2")]
)
def test_a_setting_that_cannot_work_is_named_and_its_value_is_not_told(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"ATELIER_{name}", value)
    with pytest.raises(UsageError, match=f"ATELIER_{name}") as refused:
        load_settings()
    assert "hunter2" not in str(refused.value)


def test_all_tries_of_a_request_to_the_store_end_within_the_lease_that_waits_for_it() -> None:
    for seconds in (5, 10, 120, 3600):
        options = Settings(lease_seconds=seconds).store_options
        tries = options.max_attempts * (options.connect_timeout_seconds + options.read_timeout_seconds)
        assert tries <= seconds / 2
