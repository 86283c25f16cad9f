"""Train SemCo from the command line: `python run_semco.py --help`.

arguments -> Config -> data chain and label chain -> Trainer.fit -> run folder -> pictures.
"""

import dataclasses
import functools
import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from utils.errors import SemcoError
from utils.flags.config import Config
from utils.flags.parse import parse_config
from utils.processes.launch import Outcome, launch
from utils.processes.signals import Stopped, StopRequest

# Everything heavier is imported once the arguments are known to be right: --help and mistakes answer at once, and the
# processes that decode images, which import this module again, start at once.
if TYPE_CHECKING:
    from loaders.feed import Views
    from loaders.training_data import Selection, TrainingData
    from models.trainer import Trainer
    from utils.labels.semantics import LabelSemantics
    from utils.processes.world import World
    from utils.progress import Progress
    from utils.run.folder import RunDir
    from utils.run.resume import Resume

LOGGER = logging.getLogger("semco")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code: 0, 2 after a user's mistake, 128 + its number after a signal."""
    outcome = attempt(sys.argv[1:] if argv is None else list(argv))
    if outcome.message:
        print(outcome.message, file=sys.stderr)
    return outcome.exit_code


def attempt(arguments: Sequence[str]) -> Outcome:
    """Do what the arguments say, alone, as one of several processes, or by starting several."""
    try:
        with StopRequest() as request:
            config = parse_config(arguments)
            from utils.processes.world import processes_to_launch

            if count := processes_to_launch(config.device, parallel=config.parallel):
                return launch(functools.partial(attempt, arguments), count, request)
            train(config, request)
    except SemcoError as error:
        return Outcome(2, f"error: {error}")
    except Stopped as stopped:
        return Outcome(stopped.exit_code, f"stopped by {stopped}")
    return Outcome(0)


def train(config: Config, request: StopRequest) -> None:
    """Train as the configuration says, alone or as one of several processes, until done or until a signal asks to stop."""
    import torch

    from utils.processes.memory import out_of_memory
    from utils.processes.world import join_world
    from utils.progress import Progress
    from utils.run.log import logging_for
    from utils.run.resume import Resume

    world = join_world(config.device, parallel=config.parallel)
    try:
        with logging_for(talks=world.is_main):
            resume = Resume(config)
            seeded = dataclasses.replace(config, seed=world.agree(resume.seed()))
            progress = Progress(enabled=config.progress_bar and world.is_main)
            _train_in(_Run(seeded, world, progress, request), resume)
    except torch.OutOfMemoryError as error:
        raise out_of_memory(config, world.device) from error
    except Stopped:
        world.leave()
        raise
    # After a mistake the connection stays: the other processes would fail over its end before the mistake is told.
    world.leave()


@dataclasses.dataclass(frozen=True)
class _Run:
    """What lasts as long as a process: the flags (its seed decided), its place among others, bars, signals."""

    config: Config
    world: "World"
    progress: "Progress"
    request: StopRequest


def _train_in(run: _Run, resume: "Resume") -> None:
    """One process's part of a run. Everything is prepared before the run folder is made: a mistake leaves none behind."""
    from loaders.feed import Views, check_plan_fits
    from loaders.training_data import describe_data, open_training_data, select_images
    from models.assemble import build_network, build_trainer, starts_pretrained
    from models.state import restore_state
    from utils.labels.semantics import describe_labels, format_label_table
    from utils.run.folder import RunDir, check_output_folder

    config, world, progress = run.config, run.world, run.progress
    check_output_folder(config.output_dir / config.dataset_name)
    check_plan_fits(config)
    selection = select_images(config)
    semantics = describe_labels(config, selection.class_names, progress=progress)
    LOGGER.info("%s", format_label_table(semantics))
    for text in semantics.warnings:
        LOGGER.warning("%s", text)
    network = build_network(config, semantics, world=world)
    with world.main_first():
        data = open_training_data(config, selection, pretrained=starts_pretrained(config), progress=progress)
    views = Views(config, data, world=world)
    if config.preview:
        trainer = build_trainer(config, network, semantics, world=world, sample=views.sample())
        _preview(run, selection, semantics, data, views, trainer)
        return
    facts = describe_data(selection, data)
    identity = resume.identity(
        seed=config.seed, facts=facts, class_names=selection.class_names, label_vectors=semantics.fingerprint()
    )
    point = resume.choose(identity, world=world)
    chosen = point.keep_number_format(config, world.device) if point else config
    trainer = build_trainer(chosen, network, semantics, world=world, sample=views.sample())
    if point:
        restore_state(trainer, point.content)
    facts = {**facts, **trainer.describe(), "processes": world.size}
    with RunDir(config, num_labelled=len(selection.labelled), writes=world.is_main, resumed=point) as folder:
        folder.write_config(config, resolved=facts)
        folder.write_labels(semantics)
        _fit(run, trainer, views, folder, identity)
        folder.write_summary(trainer.progressed.history, trainer.progressed.best_epoch)
        folder.draw_pictures(semantics)


def _preview(
    run: _Run,
    selection: "Selection",
    semantics: "LabelSemantics",
    data: "TrainingData",
    views: "Views",
    trainer: "Trainer",
) -> None:
    """Show what a run would see and cost."""
    from loaders.examples import example_sheets
    from loaders.report import format_data
    from models.cost import format_cost, measure_cost
    from utils.pictures.__main__ import contact_sheet, plot_label_groups

    config = run.config
    LOGGER.info("%s", format_data(config, selection, data))
    LOGGER.info("%s", format_cost(measure_cost(trainer, views.epoch, views.validation()), epochs=config.last_epoch))
    if run.world.is_main:
        folder = config.output_dir / config.dataset_name / f"x{len(selection.labelled)}" / "preview"
        sheets = example_sheets(config, selection, data)
        pictures = [contact_sheet(folder / f"{sheet.name}.png", sheet.rows, titles=sheet.titles) for sheet in sheets]
        pictures.append(plot_label_groups(folder, semantics))
        LOGGER.info("nothing was trained; pictures: %s", ", ".join(map(str, pictures)))


def _fit(run: _Run, trainer: "Trainer", views: "Views", folder: "RunDir", identity: dict[str, Any]) -> None:
    from models.evaluate import evaluate
    from models.state import capture_state
    from models.step.tally import NotFiniteError
    from utils.metrics import format_summary
    from utils.run.saving import SafePoints

    config, world, progress, state = run.config, run.world, run.progress, trainer.progressed

    def capture() -> dict[str, Any]:
        return {**identity, **capture_state(trainer)}

    def evaluate_average() -> dict[str, float]:
        batches = views.validation()
        shown = progress.chunks(points.watch(batches), total=len(batches), what="evaluating", unit="images")
        return evaluate(trainer.ema.module, trainer.guessor, shown, forward=trainer.precision.forward, reduce=world.sum)

    def end_epoch(is_best: bool) -> None:
        folder.write_epoch(capture(), is_best=is_best)
        points.saved()

    points = SafePoints(
        place=lambda: (state.epoch, state.steps),
        save=lambda: folder.save(capture()),
        minutes=config.checkpoint_minutes,
        request=run.request,
        world=world,
    )
    try:
        with run.request.deferred():
            trainer.fit(
                epoch_batches=views.epoch,
                evaluate=evaluate_average,
                on_epoch=end_epoch,
                bar=lambda epoch, steps: progress.bar(
                    total=config.steps_per_epoch,
                    initial=steps,
                    what=f"epoch {epoch + 1}/{config.last_epoch}",
                    unit="steps",
                ),
                safe_point=points,
            )
    except NotFiniteError as error:
        raise SemcoError(f"{error}; {folder.last_checkpoint()}") from error
    LOGGER.info("\n%s", format_summary(state.history, state.best_epoch))


if __name__ == "__main__":
    sys.exit(main())
