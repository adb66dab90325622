"""A self-contained HTML page of figures, tables and text: it opens anywhere, without a server or a network."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from skylattice.errors import MissingExtraError
from skylattice.io.guard import explained, replacing
from skylattice.report import style
from skylattice.report.cells import column_text, is_text

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go


@dataclass(frozen=True)
class Block:
    """What stands between two others on a page.

    Attributes
    ----------
    kind
        How ``templates/page.html`` writes it.
    content
        Text, a figure's HTML, or a table's columns.
    address
        Of a link.
    rows
        Cells of a table.
    """

    kind: Literal["heading", "text", "link", "code", "figure", "table"]
    content: Any
    address: str = ""
    rows: list[tuple[str, ...]] = field(default_factory=list)


@dataclass
class Page:
    """Blocks one below the other, under a title; text is escaped.

    Examples
    --------
    >>> page = Page("A page", "With one paragraph.")
    >>> _ = page.heading("First").text("Some text.")
    >>> "<h2>First</h2>" in page.to_html()
    True
    """

    title: str
    lead: str = ""
    blocks: list[Block] = field(default_factory=list)

    def heading(self, text: str) -> Page:
        """Start a section."""
        return self._add(Block("heading", text))

    def text(self, text: str) -> Page:
        """Add a paragraph."""
        return self._add(Block("text", text))

    def link(self, address: str, text: str) -> Page:
        """Add a link as a paragraph of its own."""
        return self._add(Block("link", text, address=address))

    def code(self, text: str) -> Page:
        """Add a block of code."""
        return self._add(Block("code", text))

    def figure(self, figure: go.Figure) -> Page:
        """Add a Plotly figure; the first one brings Plotly's script into the page."""
        is_first = all(block.kind != "figure" for block in self.blocks)
        return self._add(Block("figure", figure.to_html(full_html=False, include_plotlyjs=is_first)))

    def table(self, frame: pd.DataFrame, *, decimals: int = 4) -> Page:
        """Add a table that scrolls when it is long.

        Parameters
        ----------
        frame
            Its columns, without the index.
        decimals
            As for :func:`skylattice.report.cells.column_text`.
        """
        columns = [{"name": str(name), "is_text": is_text(frame[name])} for name in frame]
        cells = [column_text(frame[name], decimals=decimals) for name in frame]
        return self._add(Block("table", columns, rows=list(zip(*cells, strict=True))))

    def to_html(self) -> str:
        """The page's text.

        Raises
        ------
        MissingExtraError
            Without Jinja.
        """
        try:
            from jinja2 import Environment, PackageLoader
        except ImportError:
            raise MissingExtraError("jinja2", "plot", "writing a page") from None
        templates = Environment(
            loader=PackageLoader("skylattice.report"), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )
        return templates.get_template("page.html").render(
            title=self.title, lead=self.lead, blocks=self.blocks, colours=style.PAGE_COLOURS, width=style.PAGE_WIDTH
        )

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the page, creating its folder.

        Parameters
        ----------
        path
            File to write.

        Returns
        -------
        The path.

        Raises
        ------
        StoreError
            If the operating system refuses.
        MissingExtraError
            Without Jinja.
        """
        path = Path(path)
        text = self.to_html()
        with explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as file:
                file.write(text.encode())
        return path

    def _add(self, block: Block) -> Page:
        self.blocks.append(block)
        return self
