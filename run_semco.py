"""Train SemCo from the command line: `python run_semco.py --help`.

arguments -> Config -> data chain and label chain -> Trainer.fit -> run folder -> pictures.
"""

import dataclasses
import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from utils.command_line import parse_config
from utils.config import Config
from utils.errors import SemcoError

# Everything heavier is imported once the arguments are known to be right: --help and mistakes answer at once, and the
# processes that decode images, which import this module again, start at once.
if TYPE_CHECKING:
    from loaders.training_data import Selection, TrainingData
    from loaders.views import Views
    from models.trainer import Trainer
    from utils.distributed import World
    from utils.label_semantics import LabelSemantics
    from utils.progress import Progress
    from utils.run_dir import RunDir

LOGGER = logging.getLogger("semco")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code: 0, 2 after a user's mistake, 130 after Ctrl-C."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        train(parse_config(arguments), arguments)
    except SemcoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0


def train(config: Config, arguments: Sequence[str]) -> None:
    """Train as the configuration says, alone or as one of several processes."""
    from utils.distributed import join_world, relaunch_on_all_gpus
    from utils.run_dir import logging_for
    from utils.seeding import resolve_seed

    if config.parallel and config.device != "cpu":
        relaunch_on_all_gpus(__file__, arguments)
    world = join_world(config.device, parallel=config.parallel)
    try:
        with logging_for(talks=world.is_main):
            _train_in(world, dataclasses.replace(config, seed=world.agree(resolve_seed(config.seed))))
    finally:
        world.leave()


def _train_in(world: "World", config: Config) -> None:
    """One process's part of a run. Everything is prepared before the run folder is made: a mistake leaves none behind."""
    from loaders.training_data import describe_data, open_training_data, select_images
    from loaders.views import Views, check_plan_fits
    from models.assemble import build_network, build_trainer, starts_pretrained
    from utils.label_semantics import describe_labels, format_label_table
    from utils.progress import Progress
    from utils.run_dir import RunDir, check_output_folder

    check_output_folder(config.output_dir / config.dataset_name)
    check_plan_fits(config)
    progress = Progress(enabled=config.progress_bar and world.is_main)
    selection = select_images(config)
    semantics = describe_labels(config, selection.class_names, progress=progress)
    LOGGER.info("%s", format_label_table(semantics))
    for text in semantics.warnings:
        LOGGER.warning("%s", text)
    network = build_network(config, semantics, world=world)
    with world.main_first():
        data = open_training_data(config, selection, pretrained=starts_pretrained(config), progress=progress)
    views = Views(config, data, world=world)
    trainer = build_trainer(config, network, semantics, world=world, sample=views.sample())
    if config.preview:
        _preview(config, selection, semantics, data, views, trainer, world)
        return
    facts = {**describe_data(config, selection, data), **trainer.describe(), "processes": world.size}
    with RunDir(config, num_labelled=len(selection.labelled), writes=world.is_main) as folder:
        folder.write_config(config, resolved=facts)
        folder.write_labels(semantics)
        _fit(config, trainer, views, folder, world, progress)
        folder.draw_pictures(semantics)


def _preview(
    config: Config,
    selection: "Selection",
    semantics: "LabelSemantics",
    data: "TrainingData",
    views: "Views",
    trainer: "Trainer",
    world: "World",
) -> None:
    """Show what a run would see and cost."""
    from loaders.data_report import format_data
    from loaders.example_views import example_sheets
    from models.run_cost import format_cost, measure_cost
    from utils.plots import contact_sheet, plot_label_groups

    LOGGER.info("%s", format_data(config, selection, data))
    LOGGER.info("%s", format_cost(measure_cost(trainer, views.epoch, views.validation()), epochs=config.last_epoch))
    if world.is_main:
        folder = config.output_dir / config.dataset_name / f"x{len(selection.labelled)}" / "preview"
        sheets = example_sheets(config, selection, data)
        pictures = [contact_sheet(folder / f"{sheet.name}.png", sheet.rows, titles=sheet.titles) for sheet in sheets]
        pictures.append(plot_label_groups(folder, semantics))
        LOGGER.info("nothing was trained; pictures: %s", ", ".join(map(str, pictures)))


def _fit(
    config: Config, trainer: "Trainer", views: "Views", folder: "RunDir", world: "World", progress: "Progress"
) -> None:
    from models.evaluate import evaluate
    from utils.metrics import format_summary

    def evaluate_average() -> dict[str, float]:
        batches = views.validation()
        shown = progress.chunks(batches, total=len(batches), what="evaluating", unit="images")
        return evaluate(trainer.ema.module, trainer.guessor, shown, forward=trainer.precision.forward, reduce=world.sum)

    trainer.fit(
        epoch_batches=views.epoch,
        evaluate=evaluate_average,
        on_epoch=lambda is_best: folder.write_epoch(trainer.state_dict(), is_best=is_best),
        bar=lambda epoch: progress.bar(
            total=config.steps_per_epoch, what=f"epoch {epoch + 1}/{config.last_epoch}", unit="steps"
        ),
    )
    LOGGER.info("\n%s", format_summary(trainer.progressed.history, trainer.progressed.best_epoch))
    folder.write_summary(trainer.progressed.history, trainer.progressed.best_epoch)


if __name__ == "__main__":
    sys.exit(main())
