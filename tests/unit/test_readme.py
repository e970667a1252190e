from pathlib import Path

from shared.settings import Settings

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_every_setting_stands_in_the_readme() -> None:
    for name, field in Settings.model_fields.items():
        assert f"| `ATELIER_{name.upper()}` |" in README
        assert field.description is not None
        assert field.description in README
