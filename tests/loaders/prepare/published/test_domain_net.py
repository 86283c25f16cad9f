"""DomainNet from replicas of its lists."""

import pytest

from loaders.dataset.index import load_index
from loaders.prepare.__main__ import main
from tests.support.short_runs import prepare_and_train, save_photo

pytestmark = pytest.mark.usefixtures("no_pictures")
CLASSES = ("aircraft_carrier", "t-shirt", "The_Eiffel_Tower")


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    for domain, suffix in (("real", "jpg"), ("sketch", "png")):
        lists = {"train": [], "test": []}
        for label, name in enumerate(CLASSES):
            for number in range(7):
                file = f"{domain}/{name}/{domain}_{label + 1:03d}_{number:06d}.{suffix}"
                save_photo(folder / file, seed=10 * label + number)
                lists["train" if number < 5 else "test"].append(f"{file} {label}\n")
        for part, lines in lists.items():
            (folder / f"{domain}_{part}.txt").write_text("".join(lines))
    return folder


def _prepare(source, *flags):
    return main(["domain_net", "--source", str(source), "--output", str(source.parent / "data"), *flags])


@pytest.mark.parametrize("domain", ["real", "sketch"])
def test_domain_net(source, tmp_path, domain):
    name = f"domain_net-{domain}"
    facts = prepare_and_train(tmp_path, ["domain_net", "--source", str(source), "--domain", domain], name)
    assert (facts["classes"], facts["labelled_images"], facts["unlabelled_images"]) == (3, 6, 9)
    assert facts["validation_images"] == 6
    assert facts["statistics"] == (name if domain == "real" else "computed from the training images")
    index = load_index(tmp_path / "data" / name, "train")
    assert index.class_names == ("The_Eiffel_Tower", "aircraft_carrier", "t-shirt")
    assert index.ids[0].startswith(f"The_Eiffel_Tower__{domain}_003_000000.")


def test_mistakes(source, capsys):
    train, test = source / "real_train.txt", source / "real_test.txt"
    whole = train.read_text()
    train.write_text(whole + test.read_text().splitlines()[0])
    assert _prepare(source) == 2
    assert "both lists of real in" in capsys.readouterr().err
    train.write_text(whole + "real/zebra/real_009_000001.jpg 2\n")
    assert _prepare(source) == 2
    assert "class 2 is 'The_Eiffel_Tower' and 'zebra'" in capsys.readouterr().err
    train.write_text("real/zebra.jpg\n")
    assert _prepare(source) == 2
    assert "is not `domain/class/file number`" in capsys.readouterr().err
    train.write_text(whole)
    (source / "real" / "t-shirt" / "real_002_000006.jpg").unlink()
    assert _prepare(source) == 2
    assert "real_002_000006.jpg does not exist" in capsys.readouterr().err
    assert _prepare(source, "--domain", "clipart") == 2
    assert "clipart_train.txt" in capsys.readouterr().err
    assert _prepare(source, "--domain", "photos") == 2
    assert "invalid choice: 'photos'" in capsys.readouterr().err
    assert not (source.parent / "data").exists()
