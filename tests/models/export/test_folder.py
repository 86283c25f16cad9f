import pytest

from models.export.folder import atomic_folder, check_absent
from utils.errors import SemcoError


def test_a_folder_appears_when_it_is_complete(tmp_path):
    with atomic_folder(tmp_path / "deep" / "out") as folder:
        (folder / "a").write_text("1")
        assert not (tmp_path / "deep" / "out").exists()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]
    assert (tmp_path / "deep" / "out" / "a").read_text() == "1"
    assert (tmp_path / "deep" / "out").stat().st_mode & 0o700 == 0o700


def test_an_empty_folder_is_filled_and_another_one_refused(tmp_path):
    (tmp_path / "out").mkdir()
    check_absent(tmp_path / "out")
    with atomic_folder(tmp_path / "out") as folder:
        (folder / "a").touch()
    with pytest.raises(SemcoError, match="exists"):
        check_absent(tmp_path / "out")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(SemcoError, match="exists"):
        check_absent(tmp_path / "link")


def test_what_appears_meanwhile_is_kept(tmp_path):
    with pytest.raises(SemcoError, match="cannot write"), atomic_folder(tmp_path / "out") as folder:
        (folder / "a").touch()
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "mine").touch()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_leftovers_of_the_dead_go_and_those_at_work_stay(tmp_path):
    dead = tmp_path / ".out.dead.part"
    dead.mkdir()
    with atomic_folder(tmp_path / "out") as alive:
        (alive / "a").touch()
        assert not dead.exists()
        with pytest.raises(ZeroDivisionError), atomic_folder(tmp_path / "out"):
            assert alive.exists()
            raise ZeroDivisionError
        assert alive.exists()
    assert (tmp_path / "out" / "a").exists()
