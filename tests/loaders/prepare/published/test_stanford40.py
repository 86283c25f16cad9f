"""Stanford 40 from a replica of its ImageSplits."""

import pytest

from loaders.dataset.index import load_index
from loaders.prepare.__main__ import main
from tests.support.short_runs import prepare_and_train, save_photo

pytestmark = pytest.mark.usefixtures("no_pictures")
ACTIONS = ("applauding", "writing_on_a_board", "riding_a_bike")


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    (folder / "ImageSplits").mkdir(parents=True)
    heading = "action_name\tnumber_of_images\n"
    (folder / "ImageSplits" / "actions.txt").write_text(heading + "".join(f"{name} \t 7\n" for name in ACTIONS))
    for label, action in enumerate(ACTIONS):
        names = [f"{action}_{number:03d}.jpg" for number in range(1, 8)]
        for number, name in enumerate(names):
            save_photo(folder / "JPEGImages" / name, seed=10 * label + number)
        for part, chosen in (("train", names[:5]), ("test", names[5:])):
            (folder / "ImageSplits" / f"{action}_{part}.txt").write_text("\n".join(chosen) + "\n")
    return folder


def _prepare(source, *flags):
    return main(["stanford40", "--source", str(source), "--output", str(source.parent / "data"), *flags])


def test_stanford40(source, tmp_path, capsys):
    facts = prepare_and_train(tmp_path, ["stanford40", "--source", str(source), "--link"], "stanford40")
    assert (facts["classes"], facts["labelled_images"], facts["unlabelled_images"]) == (3, 6, 9)
    assert facts["validation_images"] == 6
    index = load_index(tmp_path / "data" / "stanford40", "test")
    assert index.class_names[index.labels[index.ids.index("riding_a_bike_007.jpg")]] == "riding_a_bike"
    capsys.readouterr()
    assert _prepare(source) == 0
    assert "15 train images, 6 test images, 3 classes; is up to date" in capsys.readouterr().out


def test_mistakes(source, capsys):
    lists = source / "ImageSplits"
    whole = (lists / "applauding_test.txt").read_text()
    (lists / "applauding_test.txt").write_text(whole.splitlines()[0])
    assert _prepare(source) == 2
    assert "the lists of applauding in" in capsys.readouterr().err
    (lists / "applauding_test.txt").write_text(whole.splitlines()[0] + "\n../ImageSplits/actions.txt\n")
    assert _prepare(source) == 2
    assert "which is not inside" in capsys.readouterr().err
    (lists / "applauding_test.txt").write_text(whole)
    (source / "JPEGImages" / "applauding_003.jpg").unlink()
    assert _prepare(source) == 2
    assert "applauding_003.jpg does not exist: the source is incomplete" in capsys.readouterr().err
    (lists / "actions.txt").write_text("action_name number_of_images\napplauding seven\n")
    assert _prepare(source) == 2
    assert "no action with its number of images" in capsys.readouterr().err
    (lists / "actions.txt").unlink()
    assert _prepare(source) == 2
    assert "actions.txt: No such file" in capsys.readouterr().err
    assert not (source.parent / "data").exists()
