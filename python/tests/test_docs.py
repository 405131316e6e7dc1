"""Runs the examples of docs/python.md: each block of Python is a module of tests, or a script."""

import re
from pathlib import Path

import pytest

PAGES = [Path(__file__).parents[2] / "docs/python.md", Path(__file__).parents[1] / "README.md"]
BLOCKS = [
    pytest.param(block, id=f"{page.name}:{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE))
]


@pytest.mark.parametrize("block", BLOCKS)
def test_example(block: str, pytester: pytest.Pytester) -> None:
    if "def test_" in block:
        pytester.makepyfile(block)
        result = pytester.runpytest("--strict-markers")
        result.assert_outcomes(passed=len(re.findall(r"^def test_", block, re.MULTILINE)))
    else:
        assert pytester.runpython(pytester.makepyfile(example=block)).ret == 0


def test_there_are_examples() -> None:
    assert len(BLOCKS) >= 6
