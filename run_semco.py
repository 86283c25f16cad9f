"""Train SemCo from the command line: `python run_semco.py --help`.

`main` and `attempt` are the program's frame: arguments, exit code, one process or several. `train` is the whole run, top to
bottom: arguments -> Config -> data chain and label chain -> epochs -> run folder -> report.
"""

import dataclasses
import functools
import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from utils.errors import SemcoError, as_mistake
from utils.flags.config import Config
from utils.flags.parse import parse_config
from utils.processes.launch import EndedError, Outcome, launch
from utils.processes.signals import StopRequest
from utils.processes.start import met_siblings
from utils.stopping import Stopped
from utils.streams import lasting_streams

if TYPE_CHECKING:
    from utils.processes.siblings import Siblings

LOGGER = logging.getLogger("semco")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code: 0, 2 after a user's mistake, 128 + its number after a signal."""
    with lasting_streams():
        outcome = attempt(sys.argv[1:] if argv is None else list(argv))
        if outcome.message:
            print(outcome.message, file=sys.stderr)
    return outcome.exit_code


def attempt(arguments: Sequence[str]) -> Outcome:
    """Do what the arguments say, alone, as one of several processes, or by starting several."""
    try:
        with StopRequest() as request, met_siblings() as siblings:
            config = parse_config(arguments)
            from utils.processes.world import processes_to_launch

            if siblings is None and (count := processes_to_launch(config.device, parallel=config.parallel)):
                return launch(functools.partial(attempt, arguments), count, request)
            train(config, request, siblings)
    except EndedError as ended:
        return ended.outcome
    except Stopped as stopped:
        return Outcome(stopped.exit_code, f"stopped by {stopped}")
    except Exception as error:
        if (mistake := as_mistake(error)) is None:
            raise
        return Outcome(2, f"error: {mistake}")
    return Outcome(0)


def train(config: Config, request: StopRequest, siblings: "Siblings | None") -> None:
    """Train as the flags say, alone or with `siblings`, until done or until a signal asks to stop."""
    # Imported once the arguments are known to be right: --help and mistakes answer at once, and so do the processes that
    # decode images, which import this module again.
    from loaders.feed import Feed, check_plan_fits
    from loaders.pixels.statistics import PixelStatistics
    from loaders.training_data import describe_data, file_names, open_training_data, select_images
    from models.assemble import build_network, build_trainer, check_machine
    from models.inference import inference_facts
    from models.settings import decided, settle, warn_of_length
    from models.step.tally import NotFiniteError
    from utils.labels.semantics import describe_labels
    from utils.labels.table import format_label_table
    from utils.metrics import format_summary
    from utils.processes.memory import explain_out_of_memory
    from utils.processes.world import join_world
    from utils.progress import Progress
    from utils.results.pseudo_labels import measure_guesses
    from utils.run.folder import RunFolder, check_output_folder
    from utils.run.log import logging_for
    from utils.run.resume import Resume
    from utils.run.saving import Saving
    from utils.short_runs import NEVER_TOOK_UNLABELLED

    with (
        join_world(config.device, parallel=config.parallel, siblings=siblings) as world,
        logging_for(talks=world.is_main),
        explain_out_of_memory(config, world.device),
    ):
        # What can be refused before an image is read. Until the run folder is made, a mistake leaves nothing behind.
        check_machine(config, world)
        check_output_folder(config.output_dir / config.dataset_name)
        check_plan_fits(config)
        resume = Resume(config)
        config = dataclasses.replace(config, seed=world.agree(resume.seed()))
        progress = Progress(enabled=config.progress_bar and world.is_main)

        # The data chain and the label chain.
        selection = select_images(config)
        semantics = describe_labels(config, selection.class_names, progress=progress)
        LOGGER.info("%s", format_label_table(semantics))
        for text in semantics.warnings:
            LOGGER.warning("%s", text)
        if text := warn_of_length(config, len(selection.labelled), sys.argv[1:]):
            LOGGER.warning("%s", text)
        settings = settle(config, semantics)
        network = build_network(settings, semantics)
        expected = network.normalisation and PixelStatistics(*network.normalisation)
        with world.first_on_each_machine(config.dataset_path / config.dataset_name):
            data = open_training_data(config, selection, statistics=expected, progress=progress, machine=world.machine)
        feed = Feed(config, data, world=world)
        if config.preview:
            trainer = build_trainer(settings, network, semantics, world=world)
            preview(config, selection, semantics, data, feed, trainer)
            return

        # A new run, or the one that was interrupted.
        facts = describe_data(selection, data)
        identity = resume.identity(
            seed=config.seed, facts=facts, class_names=selection.class_names, label_vectors=semantics.fingerprint()
        )
        identity["inference"] = inference_facts(settings, semantics, data.statistics)
        validated_files = file_names(selection.validation.index, data.validation_rows)
        del data  # where the feed has moved the pixels to a GPU, the host need not keep them
        interrupted = resume.choose(identity, world=world)
        number_format = interrupted.content["number_format"] if interrupted else None
        trainer = build_trainer(settings, network, semantics, world=world, number_format=number_format)
        if interrupted:
            trainer.load_state_dict(interrupted.content)
        history = trainer.history
        folder = RunFolder(
            config,
            identity=identity,
            num_labelled=len(selection.labelled),
            writes=world.is_main,
            interrupted=interrupted,
        )
        with folder:
            folder.write_config(
                config, resolved={**facts, **trainer.describe(), **decided(config, settings), "processes": world.size}
            )
            folder.write_labels(semantics)

            # Epochs.
            saving = Saving(
                folder=folder, trainer=trainer, minutes=config.checkpoint_minutes, request=request, world=world
            )
            try:
                with request.deferred():
                    while not trainer.is_done:
                        what = f"epoch {history.epoch + 1}/{config.last_epoch}"
                        with progress.bar(
                            total=config.steps_per_epoch, initial=history.steps, what=what, unit="steps"
                        ) as bar:
                            planned = feed.epoch(history.epoch, history.steps, with_unlabelled=trainer.takes_unlabelled)
                            steps = saving.between_steps(planned)
                            trained = trainer.train_epoch(steps, bar=bar)
                        validation = feed.validation()
                        batches = saving.between_batches(validation)
                        shown = progress.chunks(batches, total=len(validation), what="evaluating", unit="images")
                        validated, diagnosed = trainer.evaluate(shown), {}
                        if config.diagnose_images and len(selection.unlabelled):
                            last = config.steps_per_epoch - 1
                            (batch,) = feed.epoch(history.epoch, last, with_unlabelled=trainer.takes_unlabelled)
                            diagnosed = trainer.gradient_share(batch.images, batch.labels)
                        if world.is_main and config.diagnose_images and len(selection.unlabelled):
                            guesses = trainer.guess_pool(feed.pool_sample(config.diagnose_images))
                            diagnosed |= measure_guesses(guesses, groups=semantics.grouping.ids)
                            folder.write_guesses(guesses, selection.class_names)
                        trainer.finish_epoch(trained, validated, diagnosed)
                        saving.finish_epoch(is_best=history.is_best)
            except NotFiniteError as error:
                raise SemcoError(f"{error}; {folder.last_checkpoint()}") from error

            # What the run came to, and why.
            if not trainer.takes_unlabelled:
                LOGGER.warning("%s", NEVER_TOOK_UNLABELLED)
            LOGGER.info("\n%s", format_summary(history.records, history.best_epoch))
            folder.write_summary(history.records, history.best_epoch)
            if world.is_main:
                answers = trainer.predict(feed.validation(shared=False), ids=validated_files)
                folder.write_evaluation(answers, semantics)
                if config.diagnose_images and len(selection.unlabelled):
                    sample = feed.pool_sample(config.diagnose_images)
                    folder.write_pool(trainer.predict(sample, ids=file_names(selection.train, sample.rows)), semantics)
            folder.draw_pictures(semantics)
            folder.write_report()


def preview(config, selection, semantics, data, feed, trainer) -> None:
    """Show what a run would see and cost, and draw example views and label groups."""
    from loaders.examples import example_sheets
    from loaders.report import format_data
    from models.cost import format_cost, measure_cost
    from utils.pictures.contact_sheet import contact_sheet
    from utils.pictures.label_map import plot_label_groups

    LOGGER.info("%s", format_data(config, selection, data))
    cost = measure_cost(trainer, feed.endless(), feed.validation())
    LOGGER.info("%s", format_cost(cost, epochs=config.last_epoch, starts_supervised=config.supervised_start > 0))
    if trainer.world.is_main:
        folder = config.output_dir / config.dataset_name / f"x{len(selection.labelled)}" / "preview"
        sheets = example_sheets(config, selection, data)
        pictures = [contact_sheet(folder / f"{sheet.name}.png", sheet.rows, titles=sheet.titles) for sheet in sheets]
        pictures.append(plot_label_groups(folder, semantics))
        LOGGER.info("nothing was trained; pictures: %s", ", ".join(map(str, pictures)))


if __name__ == "__main__":
    sys.exit(main())
