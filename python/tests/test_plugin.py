"""The plugin of pytest, in tests that this test runs."""

import pytest

from ferric import Drive, Library


def test_fixtures(tape_library: Library, tape_drive: Drive) -> None:
    assert tape_drive.inquiry().product == "ULT3580-TD8"
    tape_drive.write(b"block")
    tape_drive.write_filemarks()
    tape_drive.rewind()
    assert tape_drive.read() == b"block"
    assert len(tape_library.status()["libraries"][0]["drives"]) == 2


@pytest.mark.tape_library(drives=1, drive_model="ULT3580-TD7", pattern="M####L7", slots=2, cartridges=1)
class TestMarker:
    def test_class(self, tape_library: Library, tape_drive: Drive) -> None:
        assert tape_drive.inquiry().product == "ULT3580-TD7"
        assert [cartridge["cartridge"] for cartridge in tape_library.cartridges()] == ["M0001L7"]

    @pytest.mark.tape_library(slots=5)
    def test_function_over_class(self, tape_library: Library) -> None:
        library = tape_library.status()["libraries"][0]
        assert (len(library["slots"]), len(library["drives"])) == (5, 1)


def test_wrong_use(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.tape_library(2)
        def test_position(tape_library): ...

        @pytest.mark.tape_library(cartridges=0)
        def test_no_cartridge(tape_drive): ...

        def test_fails(tape_library):
            assert tape_library.status() is None
        """
    )
    result = pytester.runpytest("--strict-markers")
    result.assert_outcomes(errors=2, failed=1)
    result.stdout.fnmatch_lines_random(
        [
            "*the marker tape_library takes only named arguments*",
            "*tape_drive: the library has no data cartridge*",
            "*Captured stderr teardown*",
            "*iscsiadm -m discovery*",
        ]
    )
