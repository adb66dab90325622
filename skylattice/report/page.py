"""A self-contained HTML page of figures, tables and text: it opens anywhere, without a server or a network."""

from __future__ import annotations

import html
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from skylattice.io.guard import explained

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 1150px; padding: 1rem 1.5rem 4rem; }
body { color: #1c2330; background: #fff; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #d8dde6; padding-bottom: .2rem; }
p.lead { color: #4a5568; margin-top: .3rem; }
pre { background: #f4f6fa; padding: .8rem 1rem; border-radius: 6px; overflow-x: auto; }
.scroll { max-height: 26rem; overflow: auto; border: 1px solid #d8dde6; border-radius: 6px; }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; width: 100%; }
th { position: sticky; top: 0; background: #f4f6fa; }
th, td { padding: .25rem .7rem; text-align: right; white-space: nowrap; }
tbody tr:nth-child(even) { background: #fafbfd; }
"""


@dataclass
class Page:
    """Blocks of HTML one below the other, under a title.

    Examples
    --------
    >>> page = Page("A page", "With one paragraph.")
    >>> _ = page.heading("First").text("Some text.")
    >>> "<h2>First</h2>" in page.to_html()
    True
    """

    title: str
    lead: str = ""
    blocks: list[str] = field(default_factory=list)
    _has_script: bool = False

    def heading(self, text: str) -> Page:
        """Start a section."""
        self.blocks.append(f"<h2>{html.escape(text)}</h2>")
        return self

    def text(self, text: str) -> Page:
        """Add a paragraph."""
        self.blocks.append(f"<p>{html.escape(text)}</p>")
        return self

    def link(self, address: str, text: str) -> Page:
        """Add a link as a paragraph of its own."""
        self.blocks.append(f'<p><a href="{html.escape(address)}">{html.escape(text)}</a></p>')
        return self

    def code(self, text: str) -> Page:
        """Add a block of code."""
        self.blocks.append(f"<pre>{html.escape(text)}</pre>")
        return self

    def figure(self, figure: go.Figure) -> Page:
        """Add a Plotly figure; the first one brings Plotly's script into the page."""
        self.blocks.append(figure.to_html(full_html=False, include_plotlyjs=not self._has_script))
        self._has_script = True
        return self

    def table(self, frame: pd.DataFrame, *, decimals: int = 4) -> Page:
        """Add a table that scrolls when it is long."""
        text = frame.to_html(index=False, float_format=lambda v: f"{v:.{decimals}f}", border=0, na_rep="")
        self.blocks.append(f'<div class="scroll">{text}</div>')
        return self

    def to_html(self) -> str:
        """The page's text."""
        title, lead = html.escape(self.title), html.escape(self.lead)
        return (
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
            f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>\n'
            f'<body><h1>{title}</h1><p class="lead">{lead}</p>\n' + "\n".join(self.blocks) + "\n</body></html>\n"
        )

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the page, creating its folder."""
        path = Path(path)
        with explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.to_html(), encoding="utf-8")
        return path
