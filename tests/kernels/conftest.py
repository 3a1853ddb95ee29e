"""Kernels of these tests are kept in a folder of their own."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def kernel_folder(tmp_path_factory):
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = before


@pytest.fixture
def at_once(monkeypatch):
    """Every function is worth compiling."""
    from rectifier import dispatch

    monkeypatch.setattr(dispatch, "_WORTH_COMPILING", 0)
