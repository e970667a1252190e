"""Uploads that are proved first: which ones, what the sample is of, and who lets them go on."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from producer.manifest import open_manifest
from producer.submit import Order, Submission, submit_batch
from shared.context import Session
from shared.database import transaction
from shared.errors import Conflict, UsageError
from shared.look import Look
from shared.proofs.proofs import Proof, approve, proof_of, reject
from shared.proofs.sample import PROOF_IMAGES
from shared.proofs.upload_rules import ProofRules, set_rules
from shared.queue import batches, chunks
from shared.queue.batches import Batch
from shared.queue.renditions import PIPELINE_VERSION
from shared.source_copies import SourceCopy, keep_copy
from tests.atelier_command import Command, command_over, printed
from tests.shop import Shop

UDNIE, PASTEL = (Look(((style, 1.0),)) for style in ("udnie", "pastel"))


@pytest.fixture
def shop(session: Session, tmp_path: Path) -> Shop:
    return Shop(session, tmp_path)


def rule(shop: Shop, rules: ProofRules | None) -> None:
    with transaction(shop.session.engine) as connection:
        set_rules(connection, shop.id, rules)


def order(shop: Shop, rows: Sequence[str], looks: tuple[Look, ...] = (UDNIE,), **more: object) -> Order:
    path = shop.folder / "upload.csv"
    path.write_text("\n".join(["sku,image,Product Type", *rows]) + "\n")
    return replace(Order(shop.name, open_manifest([str(path)]), looks), **more)  # type: ignore[arg-type]


def upload(shop: Shop, rows: Sequence[str], looks: tuple[Look, ...] = (UDNIE,), **more: object) -> Submission:
    return submit_batch(shop.session, order(shop, rows, looks, **more))


def photos(number: int, kind: str = "mugs") -> list[str]:
    return [f"{kind}-{n},https://cdn.example/{kind}-{n}.jpg,{kind}" for n in range(number)]


def batch_of(shop: Shop, submission: Submission) -> Batch:
    with transaction(shop.session.engine) as connection:
        return batches.get_batch(connection, submission.batch.id)


def test_an_upload_above_the_rule_waits_until_its_sample_is_approved(shop: Shop) -> None:
    rule(shop, ProofRules(above=40))
    done = upload(shop, photos(60))
    assert done.proof is not None
    assert (done.proof.why, done.proof.state) == ("there are more than 40 images", "waiting")
    assert done.proof.price is not None
    assert done.proof.price["images"] == 60
    assert shop.style(done.proof.sample_id).succeeded == PROOF_IMAGES
    with pytest.raises(AssertionError):
        shop.style(done.batch.id)  # paused: nobody can claim a chunk
    with transaction(shop.session.engine) as connection:
        approve(connection, done.proof, "admin")
    assert shop.style(done.batch.id).succeeded == 60


def test_what_is_small_or_a_preview_is_its_own_proof(shop: Shop) -> None:
    rule(shop, ProofRules(above=10, new_looks=True))
    small = upload(shop, photos(PROOF_IMAGES), proof=True)
    preview = upload(shop, photos(12, "lamps"), queue="preview", proof=True)
    assert small.proof is preview.proof is None
    assert not batch_of(shop, small).paused
    assert shop.style(small.batch.id).succeeded == PROOF_IMAGES


def test_without_a_rule_an_upload_is_proved_if_it_asks_for_it(shop: Shop) -> None:
    assert upload(shop, photos(30)).proof is None
    asked = upload(shop, photos(31), proof=True).proof
    assert asked is not None
    assert asked.why == "it was requested"


def test_a_look_is_new_until_a_batch_goes_ahead_in_it(shop: Shop) -> None:
    rule(shop, ProofRules(new_looks=True))
    first = upload(shop, photos(30), (UDNIE, PASTEL))
    assert first.proof is not None
    assert first.proof.why in ("the look udnie is new", "the look pastel is new")
    with transaction(shop.session.engine) as connection:
        reject(connection, first.proof, "admin")
    assert batch_of(shop, first).state == "cancelled"
    assert upload(shop, photos(31)).proof is not None  # it has not gone ahead
    rule(shop, None)
    upload(shop, photos(32), (UDNIE, PASTEL))
    rule(shop, ProofRules(new_looks=True))
    assert upload(shop, photos(33), (PASTEL,)).proof is None


def test_a_look_of_a_single_row_is_new_as_well_and_known_when_it_has_gone_ahead(shop: Shop) -> None:
    rule(shop, ProofRules(new_looks=True))
    shop.style(approved(shop, upload(shop, photos(30))).id)
    path = shop.folder / "styled.csv"
    rows = [f"S{n},https://cdn.example/s{n}.jpg,{'pastel' if n == 99 else 'udnie'}" for n in range(100)]
    path.write_text("\n".join(["sku,image,style", *rows]) + "\n")
    styled = Order(shop.name, open_manifest([str(path)]), (UDNIE,))
    first = submit_batch(shop.session, styled)
    assert first.proof is not None
    assert first.proof.why == "the look pastel is new"
    approved(shop, first)
    assert upload(shop, photos(40), (PASTEL,)).proof is None


def approved(shop: Shop, done: Submission) -> Batch:
    with transaction(shop.session.engine) as connection:
        assert done.proof is not None
        approve(connection, done.proof, "admin")
    return batch_of(shop, done)


def test_two_who_judge_at_once_do_not_lock_each_other_out(shop: Shop) -> None:
    done = upload(shop, photos(60), proof=True)
    assert done.proof is not None
    with ThreadPoolExecutor(2) as pool:
        judged = [pool.submit(judge, shop, verdict, done.proof) for verdict in (approve, reject)]
    assert sorted(one.result() for one in judged) == ["Conflict", "judged"]


def judge(shop: Shop, verdict: Callable[[Connection, Proof, str], None], proof: Proof) -> str:
    try:
        with transaction(shop.session.engine) as connection:
            verdict(connection, proof, "admin")
    except Conflict:
        return "Conflict"
    return "judged"


def test_a_night_that_an_earlier_release_has_planned_keeps_its_proof(shop: Shop) -> None:
    shop.look("udnie", proved=False)
    shop.schedule()
    shop.feed({f"N{n}": f"{n}" for n in range(30)})
    shop.sleep(timedelta(hours=5))
    sample = shop.night.proof_batch_id
    with transaction(shop.session.engine) as connection:  # as that one would have left it
        connection.execute(text("DELETE FROM proofs"))
        connection.execute(text("UPDATE nights SET proof = 'waiting', proof_batch_id = :sample"), {"sample": sample})
    shop.sleep(timedelta(minutes=1))
    assert (shop.night.proof, shop.night.proof_batch_id) == ("waiting", sample)


def test_the_sample_is_of_every_look_category_size_and_lightness(shop: Shop) -> None:
    rule(shop, ProofRules(above=0))
    rows = [*photos(100), *photos(3, "lamps")]
    with transaction(shop.session.engine) as connection:
        for number, lightness in ((7, 90.0), (8, 10.0)):
            sha = f"{number:064}"
            keep_copy(connection, shop.id, f"https://cdn.example/mugs-{number}.jpg", SourceCopy("tag", None, sha))
            connection.execute(
                text("""
                INSERT INTO renditions (merchant_id, source_sha256, look_sha256, trunk_sha256, preset, pipeline_version,
                    object_key, sha256, bytes, width, height, quality)
                VALUES (:merchant, :sha, '', '', 'jpeg', :version, 'k', 'k', 1, 1, 1, CAST(:quality AS jsonb))
                """),
                {
                    "merchant": shop.id,
                    "sha": sha,
                    "version": PIPELINE_VERSION,
                    "quality": json.dumps({"lightness": lightness}),
                },
            )
    done = upload(shop, rows, (UDNIE, PASTEL))
    assert done.proof is not None
    sample = shop.jobs(done.proof.sample_id)
    skus = [job.sku for job in sample]
    assert len(set(skus)) == len(skus) == PROOF_IMAGES
    assert {"lamps-0", "lamps-1", "lamps-2", "mugs-7", "mugs-8"} <= set(skus)
    assert {job.look.style for job in sample} == {"udnie", "pastel"}


def test_what_is_not_yet_whole_waits_too_and_goes_on_where_it_was_interrupted(shop: Shop) -> None:
    rule(shop, ProofRules(above=30))
    wanted = order(shop, photos(40))

    def interrupted(batch: Batch) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        submit_batch(shop.session, wanted, accepted=interrupted)
    with transaction(shop.session.engine) as connection:
        begun = batches.list_batches(connection, shop.id, 1)[0]
        assert (begun.intake, begun.paused, begun.total) == ("receiving", True, 40)
        with pytest.raises(Conflict, match="repeat the upload, or cancel the batch"):
            batches.set_paused(connection, begun, paused=False)
    done = submit_batch(shop.session, wanted)
    assert done.resumed
    assert done.proof is not None
    again = submit_batch(shop.session, wanted)
    assert (again.batch.id, again.proof) == (done.batch.id, done.proof)


def test_only_a_verdict_lets_it_go_and_there_is_one(shop: Shop) -> None:
    done = upload(shop, photos(30), proof=True)
    with transaction(shop.session.engine) as connection:
        with pytest.raises(Conflict, match="until you approve its sample"):
            batches.set_paused(connection, done.batch, paused=False)
        assert done.proof is not None
        approve(connection, done.proof, "admin")
        with pytest.raises(Conflict, match="is not waiting for approval"):
            reject(connection, done.proof, "admin")
        connection.rollback()


def test_it_goes_on_by_rule_once_there_is_something_to_be_seen(shop: Shop) -> None:
    rule(shop, ProofRules(above=25, go_on_minutes=30))
    done = upload(shop, photos(30))
    assert done.proof is not None
    shop.sleep(datetime.now(UTC) + timedelta(hours=1))
    assert batch_of(shop, done).paused
    shop.style(done.proof.sample_id)
    shop.sleep(timedelta(minutes=1))
    assert shop.style(done.batch.id).succeeded == 30
    with transaction(shop.session.engine) as connection:
        judged = proof_of(connection, done.batch.id)
    assert judged is not None
    assert (judged.state, judged.judged_by) == ("approved", "rule")


def test_a_batch_that_is_cancelled_waits_for_nobody(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    atelier = command_over(shop.session, monkeypatch)
    done = upload(shop, photos(30), proof=True)
    assert [one["batch_id"] for one in printed(atelier("proofs", "list", "-m", "shop", "--json"))] == [
        str(done.batch.id)
    ]
    with transaction(shop.session.engine) as connection:
        chunks.cancel_batch(connection, done.batch.id)
    assert printed(atelier("proofs", "list", "-m", "shop", "--json")) == []


def test_the_commands_tell_what_waits_and_why(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    atelier: Command = command_over(shop.session, monkeypatch)
    atelier("proofs", "set", "--above", "25", "--new-looks", "-m", "shop")
    path = shop.folder / "feed.csv"
    path.write_text("sku,image\n" + "\n".join(row.rpartition(",")[0] for row in photos(30)) + "\n")
    submitted = atelier("submit", path, "-s", "udnie", "-m", "shop")
    batch = submitted.stdout.strip()
    assert "a sample of 24 skus comes first, since there are more than 25 images" in submitted.stderr
    status = atelier("status", batch, "-m", "shop")
    assert "a sample needs your approval" in status.stderr
    assert "needs approval" in status.stdout
    number = printed(atelier("proofs", "list", "-m", "shop", "--json"))[0]["id"]
    assert "no proof" in str(atelier("proofs", "show", number, "-m", "other").exception)
    shown = atelier("proofs", "show", number, "-m", "shop").stdout
    assert "30 images; duration and cost are unknown" in shown
    assert "0 of 24 done" in shown
    shop.style(printed(atelier("proofs", "show", number, "-m", "shop", "--json"))["sample_id"])
    assert "30 images, about" in atelier("proofs", "show", number, "-m", "shop").stdout  # as the sample went
    atelier("proofs", "approve", number, "-m", "shop")
    assert not printed(atelier("status", batch, "-m", "shop", "--json"))["paused"]
    rehearsed = atelier("submit", path, "-s", "udnie", "-m", "shop", "--dry-run")
    assert "a sample of 24 skus would be styled first" in rehearsed.stderr
    atelier("proofs", "off", "-m", "shop")
    path.with_name("few.csv").write_text("sku,image\nA,https://cdn.example/a.jpg\n")
    assert "needs no sample" in atelier("submit", path.with_name("few.csv"), "-s", "udnie", "--proof").stderr
    assert atelier("submit", path, "-s", "pastel", "-m", "shop").stderr.count("sample") == 0


@pytest.mark.parametrize("bad", [{}, {"above": -1}, {"above": 1, "go_on_minutes": 0}])
def test_rules_that_say_nothing_or_nonsense_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        ProofRules(**bad)
