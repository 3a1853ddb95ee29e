"""How a page is put together: templates, the files inlined into it, what may run on it."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


@cache
def environment() -> Environment:
    """Templates of this package: everything is escaped, a missing name is an error."""
    return Environment(
        loader=PackageLoader("rectifier.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def asset(name: str) -> Markup:
    """A file of templates/ as it stands, for the inside of a style or script element."""
    text = resources.files("rectifier.report").joinpath("templates", name).read_text("utf-8")
    return Markup(text)


def policy(script: str) -> str:
    """Content security policy: this one script by its hash, inline styles, no address at all."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def embedded(data: Any) -> Markup:
    """``data`` as JSON for the inside of a script element: no text in it can end the element."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))
