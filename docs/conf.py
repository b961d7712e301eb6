"""How Sphinx builds the documentation: `tox -e docs`. Nothing is downloaded: no CDN, no foreign inventories."""

from __future__ import annotations

from taskq import __version__

project = "taskq"
author = "taskq contributors"
project_copyright = "2026, taskq contributors"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_generate", "_static"]
# Docstrings write code in single backticks; quotes stay as they are typed.
default_role = "code"
smartquotes_action = "D"

myst_enable_extensions = ["attrs_block", "colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3
copybutton_exclude = ".linenos, .gp, .go"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True}

html_theme = "furo"
html_title = f"taskq {__version__}"
html_static_path = ["_static"]
html_theme_options = {"navigation_with_keys": True}
