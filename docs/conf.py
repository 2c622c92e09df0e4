"""The documentation's build: Markdown pages, API pages from docstrings, nothing fetched from elsewhere."""

from __future__ import annotations

import re
from typing import Any

project = "jsddpm"
copyright = "the jsddpm contributors"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
nb_execution_mode = "off"  # tests/test_notebooks.py runs them
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_type_aliases = {name: name for name in ("ArrayLike", "Progress", "Slices", "Statistic", "Values")}
autodoc_default_options = {"members": True, "exclude-members": "model_config"}
smartquotes = False  # options begin with two hyphens
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_title = "jsddpm"
html_copy_source = False
html_show_search_summary = False  # a page opened from a file may not read others
html_show_sphinx = False
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0072b2", "color-brand-content": "#0072b2"},
    "dark_css_variables": {"color-brand-primary": "#56b4e9", "color-brand-content": "#56b4e9"},
}


def setup(app: Any) -> None:
    """Show an alias by its name also inside a union, where Sphinx shows its placeholder."""

    def named(*event: Any) -> tuple[str | None, str | None]:
        signature, returned = (part and re.sub(r"TypeAliasForwardRef\('(\w+)'\)", r"\1", part) for part in event[-2:])
        return signature, returned

    def inside(_app: Any, _name: str, source: list[str]) -> None:
        """Links to CONTRIBUTING.md, which GitHub shows, lead to the page that includes it."""
        source[0] = source[0].replace("](../../CONTRIBUTING.md", "](../contributing.md")

    app.connect("autodoc-process-signature", named)
    app.connect("source-read", inside)
