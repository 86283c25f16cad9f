"""What `python -m utils.labels` does: convert files of word vectors, match class names with them."""

import argparse
import sys
from collections.abc import Sequence

from utils.errors import SemcoError, one_line
from utils.files.tables import read_class_names, read_text
from utils.flags.arguments import OneLineParser, environment_path, path_argument, positive_number
from utils.flags.config import Config
from utils.labels.matching import LabelMatch, MatchResult, match_labels
from utils.labels.overrides import read_label_terms
from utils.labels.preview import describe_preview
from utils.labels.semantics import LabelSemantics, describe_labels, describe_matches
from utils.labels.table import format_label_table
from utils.progress import Progress
from utils.words.convert import convert
from utils.words.layouts import LAYOUTS
from utils.words.word_vectors import open_word_vectors

_SHOWN = 10


def run(arguments: Sequence[str]) -> None:
    """Do what the arguments say."""
    values = _parser().parse(list(arguments))
    values.run(values)


def _convert(values: argparse.Namespace) -> None:
    progress = Progress(enabled=values.progress_bar)
    terms = None
    if values.terms is not None:
        terms = list(dict.fromkeys(line.strip() for line in read_text(values.terms).splitlines() if line.strip()))
    source = open_word_vectors(values.source, progress)
    done = convert(source, values.target, layout=values.format, dim=values.dim, terms=terms, progress=progress)
    if done.missing:
        more = f" and {len(done.missing) - _SHOWN} more" if len(done.missing) > _SHOWN else ""
        names = ", ".join(map(repr, done.missing[:_SHOWN]))
        print(f"warning: {len(done.missing)} of {len(terms)} terms have no vector: {names}{more}", file=sys.stderr)
    if done.components is not None:
        shares = done.components.shares
        print(
            f"{len(shares)} of {source.dim} principal components explain {shares.sum():.2%} of the variance "
            f"(the first {shares[0]:.2%}, the last {shares[-1]:.2%})"
        )
    print(f"{values.target}: {done.count:,} terms of {done.dim} dimensions")


def _match(values: argparse.Namespace) -> None:
    config = Config(
        word_vec_path=values.word_vec_path, label_embedder=values.label_embedder, label_terms=values.label_terms,
        eps=values.eps, shared_terms=values.shared_terms, unmatched_labels="random",
    )  # fmt: skip
    if values.eps is not None and not 0 <= values.eps <= 2:
        raise SemcoError(f"--eps is {values.eps:g}: expected a cosine distance from 0 to 2")
    if config.word_vec_path is None and config.label_embedder is None:
        raise SemcoError("--word-vec-path is missing: name a file of word vectors, or set SEMCO_WV_PATH")
    names = read_class_names(values.classes)
    progress = Progress(enabled=values.progress_bar)
    if config.label_embedder is not None:
        _show(describe_labels(config, names, progress=progress))
        return
    overrides = read_label_terms(config.label_terms) if config.label_terms else {}
    word_vectors = open_word_vectors(config.word_vec_path, progress)
    result = match_labels(names, word_vectors.terms, overrides)
    matched = MatchResult(tuple(entry for entry in result.entries if isinstance(entry, LabelMatch)))
    if matched.entries:
        _show(describe_matches(config, matched, word_vectors))
    for entry in result.unmatched:
        print(f"no term: {entry.label}; nearest: {', '.join(one_line(term[:50]) for term in entry.nearest)}")
    if result.unmatched:
        raise SemcoError(
            f"{len(result.unmatched)} of {len(names)} class names match no word vector: "
            "give them terms with --label-terms FILE (CSV class,term)"
        )


def _show(semantics: LabelSemantics) -> None:
    print(format_label_table(semantics))
    print(describe_preview(semantics))
    for text in semantics.warnings:
        print(f"warning: {text}", file=sys.stderr)


def _parser() -> OneLineParser:
    parser = OneLineParser(
        prog="python -m utils.labels", description="Convert files of word vectors, match class names with them."
    )
    parsers = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=OneLineParser)
    _add_convert(parsers.add_parser("convert", help=_CONVERT, description=_CONVERT))
    _add_match(parsers.add_parser("match", help=_MATCH, description=_MATCH))
    return parser


_CONVERT = "write word vectors in another format, with fewer dimensions, or some of the terms only"
_MATCH = (
    "show which term, rule and group each class name gets, groups at several radii, similar classes and doubtful matches; "
    "exit code 2 when a name gets none"
)


def _add_convert(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", type=path_argument, metavar="IN", help="word vectors in any format that --word-vec-path takes"
    )
    parser.add_argument(
        "target", type=path_argument, metavar="OUT", help="file to be written: .pkl, .csv, .txt, .txt.gz"
    )
    parser.add_argument(
        "--dim", type=positive_number, metavar="D",
        help="keep D principal components, fitted on all terms; vectors are then counted from their mean (default: all)",
    )  # fmt: skip
    parser.add_argument("--terms", type=path_argument, metavar="FILE", help="write these terms only, one a line")
    parser.add_argument(
        "--format", choices=("auto", *LAYOUTS), default="auto",
        help="pickle: dict; numberbatch: text with a header, as word2vec's; conceptnet: the same with /c/en/; glove: text "
        "without a header; csv: class attributes, whose names are normalised when read (default: by the suffix of OUT)",
    )  # fmt: skip
    parser.add_argument("--no-progress-bar", dest="progress_bar", action="store_false", help="draw no progress bar")
    parser.set_defaults(run=_convert)


def _add_match(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--classes",
        type=path_argument,
        required=True,
        metavar="FILE",
        help="class names: .txt (one a line), .csv, .json or .pkl",
    )
    parser.add_argument(
        "--word-vec-path", type=path_argument, default=environment_path("SEMCO_WV_PATH"), metavar="FILE",
        help="word vectors (default: $SEMCO_WV_PATH)",
    )  # fmt: skip
    parser.add_argument(
        "--label-embedder", metavar="SPEC", help="text encoder instead of word vectors: sentence-transformers:MODEL"
    )
    parser.add_argument(
        "--label-terms", type=path_argument, metavar="FILE", help="CSV `class,term` that overrides the rules"
    )
    parser.add_argument(
        "--shared-terms", choices=("compose", "keep"), default="compose", help="as in run_semco.py (default: compose)"
    )
    parser.add_argument(
        "--eps", type=float, metavar="EPS", help="radius of label groups (default: that of run_semco.py)"
    )
    parser.add_argument("--no-progress-bar", dest="progress_bar", action="store_false", help="draw no progress bar")
    parser.set_defaults(run=_match)
