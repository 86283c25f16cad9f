"""Classify photographs with a trained run: `python predict_semco.py --help`, docs/predict.md."""

import argparse
import contextlib
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from utils.answers.arguments import parse_predict
from utils.errors import SemcoError, and_more, one_line, run_program
from utils.processes.signals import StopRequest
from utils.stopping import Stopped

# Everything heavier is imported once the arguments are known to be right: --help and mistakes answer at once, and the
# processes that decode images, which import this module again, start at once.
if TYPE_CHECKING:
    import numpy as np

    from loaders.photos.find import Photo
    from loaders.photos.views import PhotoBatch
    from models.inference import Classifier
    from utils.answers.rows import RowLayout
    from utils.flags.config import Config
    from utils.results.predictions import Predictions

_SHOWN = 10


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code: 0, 2 after a user's mistake, 128 + its number after a signal."""

    def work() -> None:
        values = parse_predict(sys.argv[1:] if argv is None else list(argv))
        with contextlib.suppress(BrokenPipeError):  # whoever reads stdout has seen enough
            _predict(values)

    try:
        with StopRequest():
            return run_program(work)
    except Stopped as stopped:
        print(f"stopped by {stopped}", file=sys.stderr)
        return stopped.exit_code


@dataclass
class _Session:
    """What is being classified, by what, and what the answers are collected in."""

    photos: "Sequence[Photo]"
    labels: "np.ndarray"
    classifier: "Classifier"
    layout: "RowLayout"
    accepted: list[tuple[int, str]]
    bad: list[str]


def _predict(values: argparse.Namespace) -> None:
    # 1. What can be refused before an image is read: checkpoint, classes, photographs.
    from models.inference import load_classifier
    from utils.processes.world import join_world
    from utils.progress import Progress

    progress = Progress(enabled=values.progress_bar)
    world = join_world(values.device, parallel=False)
    classifier = load_classifier(values.run, which=values.checkpoint, device=world.device)
    config = _config(values, classifier)
    if values.classes is not None:
        from models.zero_shot import for_new_classes

        if not classifier.has_embedding:
            raise SemcoError("--classes is scored by the embedding head, which this run did not train (--lambda-emb 0)")
        classifier = for_new_classes(classifier, values.classes, config=config, progress=progress)
        _say("experimental: the embedding head scores classes that it was not trained on; check it on images you know")
    photos = _photos(values, classifier, config)
    session = _session(values, classifier, photos)
    names = _split_names(values, session, config)
    # 2. Batches -> rows, in the order of the photographs.
    speed = _classify(values, session, progress)
    # 3. What only confident answers get.
    if values.as_split is not None:
        _write_split(values.as_split, session, names)
    if values.copy_to is not None:
        _copy(values.copy_to, session)
    _say(speed)


def _config(values: argparse.Namespace, classifier: "Classifier") -> "Config":
    """Return the run's flags, with files where they are today."""
    from utils.flags.stored import stored_config

    config = stored_config(classifier.config)
    return dataclasses.replace(
        config,
        dataset_path=values.dataset_path or config.dataset_path,
        word_vec_path=values.word_vec_path or config.word_vec_path,
        label_terms=values.label_terms,
        unmatched_labels="error",
    )


def _photos(values: argparse.Namespace, classifier: "Classifier", config: "Config") -> "Sequence[Photo]":
    from loaders.photos.find import find_photos
    from loaders.photos.run_images import unlabelled_photos
    from utils.answers.class_folders import class_folders

    if values.unlabelled:
        return unlabelled_photos(config)
    names = classifier.facts.class_names
    folders = {folder: name for name, folder in class_folders(names).items()} | {name: name for name in names}
    found = find_photos(values.paths, folders)
    if found.ignored:
        first = ", ".join(map(str, found.ignored[:3]))
        _say(f"ignored {len(found.ignored)} files without an image's suffix: {first}{and_more(found.ignored[2:])}")
    return found.photos


def _heads(values: argparse.Namespace, classifier: "Classifier") -> tuple[str, ...]:
    """Return the heads that were trained on the classes to be scored, the one that ranks them by default first."""
    from utils.answers.arguments import HEADS

    if classifier.has_embedding:
        return ("embedding",) if values.classes is not None else HEADS
    if values.head not in (None, "class"):
        raise SemcoError(
            f"--head {values.head}: this run did not train its embedding head (--lambda-emb 0); pass --head class"
        )
    _say("the run did not train its embedding head (--lambda-emb 0): the class head answers alone")
    return ("class",)


def _session(values: argparse.Namespace, classifier: "Classifier", photos: "Sequence[Photo]") -> _Session:
    import numpy as np

    from utils.answers.rows import RowLayout
    from utils.results.predictions import UNKNOWN

    facts = classifier.facts
    codes = {name: code for code, name in enumerate(facts.class_names)}
    labels = np.array([codes.get(photo.truth, UNKNOWN) for photo in photos], dtype=np.int64)
    if strange := {photo.truth for photo in photos if photo.truth is not None and photo.truth not in codes}:
        shown = ", ".join(repr(name[:50]) for name in sorted(strange)[:_SHOWN])
        _say(f"{len(strange)} classes of these images are none of the model's {len(codes)}, and do not count: {shown}")
    heads = _heads(values, classifier)
    layout = RowLayout(
        class_names=facts.class_names,
        group_ids=facts.groups.numpy(),
        head=values.head or heads[0],
        heads=heads,
        topk=min(values.topk, len(codes)),
        min_confidence=values.min_confidence or 0.0,
        has_truth=bool((labels != UNKNOWN).any()),
    )
    return _Session(photos=photos, labels=labels, classifier=classifier, layout=layout, accepted=[], bad=[])


def _classify(values: argparse.Namespace, session: _Session, progress) -> str:
    """Predict everything, and write rows and embeddings; returns how fast it went."""
    import time

    from utils.answers.embedding_files import open_embeddings
    from utils.answers.row_files import open_rows
    from utils.answers.truth import Truth

    facts, photos = session.classifier.facts, session.photos
    truth = Truth(facts.class_names, session.layout.group_ids, heads=session.layout.heads)
    start = time.perf_counter()
    with contextlib.ExitStack() as outputs:
        rows = outputs.enter_context(open_rows(values.output, values.format, session.layout.columns))
        embeddings = None
        if values.embeddings is not None:
            names, dim = [photo.name for photo in photos], facts.class_vectors.shape[1]
            embeddings = outputs.enter_context(open_embeddings(values.embeddings, names, dim))
        batches = progress.chunks(_batches(values, session), total=len(photos), what="predicting", unit="images")
        for batch in batches:
            predictions = _answer(session, batch)
            rows.write(_rows(session, batch, predictions))
            truth.add(predictions)
            if embeddings is not None:
                embeddings.write(predictions.embeddings, batch.is_good)
    seconds = time.perf_counter() - start
    _report(session, truth)
    done = len(photos) - len(session.bad)
    where = f" -> {values.output}" if values.output is not None else ""
    return f"{done:,} images in {seconds:.1f} s, {len(photos) / seconds:,.0f} images/s on {session.classifier.device}{where}"


def _batches(values: argparse.Namespace, session: _Session) -> "Iterator[PhotoBatch]":
    """Yield batches of evaluation views; a bad image ends it unless they may be skipped."""
    from loaders.photos.find import missing_files
    from loaders.photos.views import photo_batches

    missing = missing_files(session.photos)
    if missing and not values.skip_bad_images:
        raise SemcoError(next(iter(missing.values())) + and_more(missing))
    facts = session.classifier.facts
    batches = photo_batches(
        [photo.path for photo in session.photos],
        im_size=facts.im_size, cropsize=facts.cropsize, batch_size=values.batch_size, workers=values.num_workers,
    )  # fmt: skip
    for batch in batches:
        reasons = {place: missing.get(place, reason) for place, reason in sorted(batch.bad.items())}
        if reasons and not values.skip_bad_images:
            raise SemcoError(next(iter(reasons.values())))
        batch.bad.update(reasons)
        session.bad.extend(reasons.values())
        yield batch


def _answer(session: _Session, batch: "PhotoBatch") -> "Predictions":
    """Ask the network about a batch."""
    import numpy as np
    import torch

    from loaders.batches import EvaluationBatch, Normalise
    from loaders.pixels.statistics import PixelStatistics
    from models.predict import predict

    classifier, device = session.classifier, session.classifier.device
    statistics = PixelStatistics(classifier.facts.mean, classifier.facts.std, "the checkpoint")  # type: ignore[arg-type]
    good = batch.start + np.flatnonzero(batch.is_good)
    labels = torch.from_numpy(session.labels[good]).to(device)
    views = Normalise(statistics, device)(batch.views.to(device))
    try:
        return predict(
            classifier.model, classifier.guessor, [EvaluationBatch(views, labels)],
            ids=[session.photos[place].name for place in good], forward=classifier.forward,
        )  # fmt: skip
    except torch.OutOfMemoryError as error:
        raise SemcoError("the GPU's memory is full: pass a smaller --batch-size, or --device cpu") from error


def _rows(session: _Session, batch: "PhotoBatch", predictions: "Predictions") -> list[dict]:
    answers = session.layout.rows(predictions)
    rows = []
    for place, is_good in enumerate(batch.is_good, start=batch.start):
        if is_good:
            row = next(answers)
            if row["accepted"]:
                session.accepted.append((place, row["label"]))  # type: ignore[arg-type]
        else:
            row = session.layout.bad_row(session.photos[place].name, batch.bad[place], int(session.labels[place]))
        rows.append(row)
    return rows


def _report(session: _Session, truth) -> None:
    """Say what was wrong with images, and how right the answers are where that is known."""
    if session.bad:
        _say(f"{len(session.bad)} of {len(session.photos)} images cannot be decoded and have no answer:")
        for reason in session.bad[:_SHOWN]:
            _say(f"  {reason}")
        if len(session.bad) > _SHOWN:
            _say(f"  and {len(session.bad) - _SHOWN} more; all are in the column `error`")
    if truth.known:
        for line in truth.lines():
            _say(line)
    low = len(session.photos) - len(session.bad) - len(session.accepted)
    if session.layout.min_confidence:
        _say(f"{len(session.accepted)} answers reach --min-confidence {session.layout.min_confidence:g}, {low} do not")


def _split_names(values: argparse.Namespace, session: _Session, config: "Config") -> list[str | None]:
    """Return the name of each photograph in the dataset's train/, if a split is to be written."""
    if values.as_split is None:
        return []
    from loaders.photos.run_images import split_names

    return split_names(session.photos, config)[0]


def _write_split(path: Path, session: _Session, names: Sequence[str | None]) -> None:
    from loaders.dataset.split import encode_split, write_content

    classes = {names[place]: label for place, label in session.accepted if names[place] is not None}
    if unnamed := sum(names[place] is None for place, _ in session.accepted):
        _say(f"--as-split leaves out {unnamed} images of unlabelled/, which a split cannot name")
    if not classes:
        raise SemcoError(
            f"--as-split {path}: no answer is confident enough, and no split was written: lower --min-confidence"
        )
    write_content(path, encode_split("train", classes))  # type: ignore[arg-type]
    _say(f"{path}: {len(classes)} images of train/ with the classes predicted for them")
    wrong = sum(session.photos[place].truth not in (None, label) for place, label in session.accepted)
    if wrong:
        _say(
            f"  {wrong} of them have another class in the labels feather: run_semco.py refuses this split for this dataset"
        )


def _copy(target: Path, session: _Session) -> None:
    from utils.answers.class_folders import class_folders, copy_into_folders

    folders = class_folders(session.layout.class_names)
    copied = copy_into_folders(
        target, ((session.photos[place].path, label) for place, label in session.accepted), folders
    )
    there = f", {copied.there} were there" if copied.there else ""
    _say(f"{target}: {copied.new} images copied into class folders{there}")


def _say(text: str) -> None:
    """Talk beside the rows, which may go to stdout."""
    print(one_line(text), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
