"""Paths in commands that a user is told to run next."""

import shlex

import pytest

from napari_acll.cli._quoted import quoted


@pytest.mark.parametrize("path", ["worm.acll", "a b/wörm 1.acll", "it's.acll", "a(1)&b.acll"])
def test_a_shell_reads_back_the_path(path: str) -> None:
    assert shlex.split(quoted(path)) == [path]


def test_a_plain_path_stays_as_it_is() -> None:
    assert quoted("D:\\data\\worm-1.acll") == "D:\\data\\worm-1.acll"
