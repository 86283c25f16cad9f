"""--supervised-start: labelled images alone, until they are learnt far enough."""

import json

from tests.support.tiny_runs import equal, train, weights


def _records(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_run_that_never_learns_enough_is_one_without_unlabelled_images(tiny_dataset, tmp_path, capsys):
    alone = train(tiny_dataset, tmp_path / "a", "--lam-u", "0")
    capsys.readouterr()
    started = train(tiny_dataset, tmp_path / "b", "--supervised-start", "0.99")
    assert equal(weights(alone), weights(started))
    assert "the run ended before --supervised-start let unlabelled images take part" in capsys.readouterr().err
    assert "Unlabelled images had no part" in (started / "report.html").read_text()


def test_unlabelled_images_take_part_from_the_next_epoch_on(tiny_dataset, tmp_path, capsys):
    folder = train(tiny_dataset, tmp_path, "--supervised-start", "0.001", "--thr-emb", "-1")
    first, *others = _records(folder)
    assert first["emb_mask_rate"] == 0
    assert all(record["emb_mask_rate"] == 1 for record in others)
    shown = capsys.readouterr().out
    assert "unlabelled ones take part from epoch 2 on" in shown
    assert "before --supervised-start" not in shown
