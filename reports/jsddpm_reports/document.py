"""Pages as one file each: style, script and drawings inside, every name escaped, nothing to be loaded."""

from __future__ import annotations

import base64
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from jsddpm.wording import counted


def rendered(template: str, script: str = "", /, **values: object) -> str:
    """A page from a template, under a policy that lets it load nothing and run nothing but what it is made with.

    Args:
        template: Name of the template, which extends ``base.html``.
        script: Its script.
        values: What it shows.
    """
    style = template_text("page.css")
    digests = {what: base64.b64encode(sha256(text.encode()).digest()).decode() for what, text in
               (("style", style), ("script", script))}  # fmt: skip
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digests['style']}'"
    policy += f"; script-src 'sha256-{digests['script']}'" if script else ""
    policy += "; base-uri 'none'; form-action 'none'"
    return (
        environment().get_template(template).render(policy=policy, style=Markup(style), script=Markup(script), **values)
    )


def environment(*, keep_trailing_newline: bool = False) -> Environment:
    """The templates: every value escaped, a value that is missing an error, lines of tags alone left out."""
    made = Environment(
        loader=PackageLoader("jsddpm_reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=keep_trailing_newline,
    )
    made.globals["counted"] = counted
    return made


def inlined(drawing: str) -> Markup:
    """A drawing of ours, which is markup already."""
    return Markup(drawing)


def template_text(name: str) -> str:
    """A style or script that belongs to the templates."""
    return files("jsddpm_reports").joinpath("templates", name).read_text(encoding="utf-8")
