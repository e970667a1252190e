"""The checkpoint that comes with the project, in a database that has seen others."""

import json
import shutil
from hashlib import sha256
from pathlib import Path

from sqlalchemy import text

from shared.context import Session
from shared.database import transaction
from shared.merchants.merchants import merchant_id
from shared.models.styles import style_rows
from shared.models.versions import BUILT_IN, champion, install_built_in


def release(folder: Path, trunk: bytes) -> str:
    """A checkpoint like the built-in one with another trunk; returns the trunk's hash."""
    shutil.copytree(BUILT_IN, folder)
    document = json.loads((folder / "checkpoint.json").read_text())
    document["trunk_sha256"] = sha256(trunk).hexdigest()
    (folder / "trunk.safetensors").write_bytes(trunk)
    (folder / "checkpoint.json").write_text(json.dumps(document))
    return str(document["trunk_sha256"])


def states(session: Session) -> dict[str, str]:
    with transaction(session.engine) as connection:
        found = connection.execute(text("SELECT trunk_sha256, state FROM model_versions"))
        return {row.trunk_sha256: row.state for row in found}


def test_it_is_installed_once(session: Session) -> None:
    assert not install_built_in(session.engine, session.store)
    assert list(states(session).values()) == ["champion"]


def test_that_of_a_later_release_succeeds_it_with_all_its_styles(session: Session, tmp_path: Path) -> None:
    with transaction(session.engine) as connection:
        before = champion(connection).trunk_sha256
    after = release(tmp_path / "later", b"another trunk")
    assert install_built_in(session.engine, session.store, tmp_path / "later")
    assert states(session) == {before: "retired", after: "champion"}
    with transaction(session.engine) as connection:
        mine = merchant_id(connection, "local")
        assert style_rows(connection, mine, after).keys() == style_rows(connection, mine, before).keys()


def test_it_never_replaces_a_champion_that_an_admin_chose(session: Session, tmp_path: Path) -> None:
    with transaction(session.engine) as connection:
        connection.execute(text("UPDATE model_versions SET provenance = '{}'"))
        chosen = champion(connection).trunk_sha256
    later = release(tmp_path / "later", b"another trunk")
    assert install_built_in(session.engine, session.store, tmp_path / "later")
    assert states(session) == {chosen: "champion", later: "candidate"}
