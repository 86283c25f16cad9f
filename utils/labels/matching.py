"""Class names -> terms of a vocabulary. Pure strings; every name is matched by a rule that can be read, or not at all."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from utils.errors import SemcoError
from utils.labels.overrides import by_class
from utils.labels.vocabulary import Vocabulary
from utils.words.terms import alternatives, fold, normalise, split_words

# Words that carry no meaning of their own: never a head noun, never a half of a bigram.
FUNCTION_WORDS = frozenset(
    (
        "a", "an", "and", "as", "at", "but", "by", "for", "from", "in", "into", "is", "it", "its", "no", "nor", "not", "of",
        "off", "on", "onto", "or", "out", "over", "per", "so", "than", "that", "the", "then", "these", "this", "those", "to",
        "under", "up", "upon", "via", "with", "without",
    )
)  # fmt: skip


@dataclass(frozen=True)
class LabelMatch:
    """A class name, the vocabulary's term for it, and the rule that found it.

    `parts`: terms for all words of the name that have a vector, the one that was found last; none for a name that is the
    term as a whole. `composed` classes get their vector from them.
    """

    label: str
    term: str
    rule: str
    parts: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Unmatched:
    """A class name that no rule matched, and the vocabulary's nearest terms."""

    label: str
    nearest: tuple[str, ...]


@dataclass(frozen=True)
class MatchResult:
    """One entry per class, in the order of the class names."""

    entries: tuple[LabelMatch | Unmatched, ...]

    @property
    def unmatched(self) -> list[Unmatched]:
        """The classes without a term."""
        return [entry for entry in self.entries if isinstance(entry, Unmatched)]

    @property
    def shared(self) -> dict[str, list[str]]:
        """Terms that more than one class landed on, with those classes."""
        labels: dict[str, list[str]] = {}
        for entry in self.entries:
            if isinstance(entry, LabelMatch):
                labels.setdefault(entry.term, []).append(entry.label)
        return {term: names for term, names in labels.items() if len(names) > 1}


def match_labels(
    class_names: Sequence[str], vocabulary: Sequence[str], overrides: Mapping[str, str] | None = None
) -> MatchResult:
    """Match every class name to a term of the vocabulary, by the first rule that hits.

    Args:
        vocabulary: terms as the file spells them; their order decides between equally near terms.
        overrides: class name -> term, which no rule questions.

    Raises:
        SemcoError: an override names an unknown class or an unknown term.
    """
    known = Vocabulary(vocabulary)
    given = _given_terms(overrides or {}, class_names, known)
    found: dict[str, LabelMatch] = {}
    for label in class_names:
        match = LabelMatch(label, given[label], "given") if label in given else _match(label, known)
        if match is not None:
            found[label] = match
    missing = [label for label in class_names if label not in found]
    near = dict(zip(missing, known.nearest(missing), strict=True))
    return MatchResult(tuple(found.get(label) or Unmatched(label, near[label]) for label in class_names))


def compose_shared(result: MatchResult) -> MatchResult:
    """Give the classes that share a term one of their own, rule `composed`, where their names say more than the term.

    Names that are the term, and terms from --label-terms, stay as they are.
    """
    count = Counter(entry.term for entry in result.entries if isinstance(entry, LabelMatch))

    def own(entry: LabelMatch | Unmatched) -> LabelMatch | Unmatched:
        if isinstance(entry, Unmatched) or count[entry.term] == 1 or not entry.parts:
            return entry
        return dataclasses.replace(entry, term=" + ".join(entry.parts), rule="composed")

    return MatchResult(tuple(map(own, result.entries)))


def _match(label: str, vocabulary: Vocabulary) -> LabelMatch | None:
    for text, rule, covered in _candidates(label):
        if (term := vocabulary.find(text)) is not None:
            modifiers = _modifiers(label, term, covered, vocabulary)
            return LabelMatch(label, term, rule, (*modifiers, term) if modifiers else ())
    term = vocabulary.one_edit_away(normalise(label))
    return None if term is None else LabelMatch(label, term, "edit1")


def _candidates(label: str) -> Iterator[tuple[str, str, Sequence[str]]]:
    """Yield what to look up, in order of preference, with the rule's name and the words that it stands for."""
    parts = alternatives(label)
    for part in dict.fromkeys([label, *parts]):
        yield from _close_candidates(part)
    found = [_words(part) for part in parts]
    for words in found:
        folded = list(map(fold, words))
        if "of" in folded[1:]:
            before = words[folded.index("of", 1) - 1]
            yield before, "of", [before]
    for words in found:
        for word in reversed(words):
            if fold(word) not in FUNCTION_WORDS:
                yield word, "head", [word]


def _close_candidates(part: str) -> Iterator[tuple[str, str, Sequence[str]]]:
    """Yield the spellings of a name, or of one alternative, that keep its meaning: rules 1 to 5."""
    words = _words(part)
    yield part.strip(), "exact", words
    yield "_".join(words), "exact", words
    pair = words[-2:]
    if not FUNCTION_WORDS.intersection(map(fold, pair)):
        for joined, rule in (("_".join(pair), "bigram"), ("".join(pair), "collapsed")):
            yield joined, rule, pair
            if len(joined) > 1 and joined[-1] in "sS":
                yield joined[:-1], "singular" if rule == "bigram" else "collapsed_singular", pair


def _words(part: str) -> list[str]:
    """The words of a name as they are written, without `the`."""
    return [word for word in split_words(part) if fold(word) != "the"]


def _modifiers(label: str, term: str, covered: Sequence[str], vocabulary: Vocabulary) -> tuple[str, ...]:
    """Terms for the words of a name that its match leaves out, in their order."""
    others = [word for word in _words(label) if word not in covered and fold(word) not in FUNCTION_WORDS]
    terms = (vocabulary.find(word) for word in others)
    return tuple(dict.fromkeys(found for found in terms if found is not None and found != term))


def _given_terms(overrides: Mapping[str, str], class_names: Sequence[str], vocabulary: Vocabulary) -> dict[str, str]:
    given = {}
    for label, term in by_class(overrides, class_names).items():
        found = vocabulary.find(term) or vocabulary.find(normalise(term))
        if found is None:
            near = ", ".join(vocabulary.nearest([term])[0])
            raise SemcoError(
                f"--label-terms gives {label!r} the term {term!r}, which has no vector; nearest terms: {near}"
            )
        given[label] = found
    return given
