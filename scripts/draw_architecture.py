"""Draws docs/architecture.svg: the folders of the house, and which is built on which, as the imports say.

python scripts/draw_architecture.py
"""

import ast
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
PICTURE = _ROOT / "docs" / "architecture.svg"
_SHARED = ("checksums", "data_sets", "errors", "files", "limits", "locks", "random_streams")  # that all folders use
_COLUMN, _LINE, _BOX = 128, 74, (104, 34)


def folders() -> list[str]:
    """Folders of the package, and callbacks beside it."""
    return sorted([*(p.parent.name for p in (_ROOT / "pdtrain").glob("*/__init__.py")), "callbacks"])


def imports() -> dict[str, set[str]]:
    """The folders that each folder imports."""
    found: dict[str, set[str]] = {}
    for folder in folders():
        files = (_ROOT / folder if folder == "callbacks" else _ROOT / "pdtrain" / folder).glob("*.py")
        found[folder] = {other for file in files for other in _imported(file)} - {folder, *_SHARED}
    return found


def levels(edges: dict[str, set[str]]) -> dict[str, int]:
    """How many folders, at most, a folder is built on, one on the other.

    Raises
    ------
    ValueError
        If folders import each other in a circle.
    """

    def level(folder: str, above: tuple[str, ...]) -> int:
        if folder in above:
            raise ValueError(f"imports run in a circle: {' <- '.join((*above, folder))}")
        return max((level(other, (*above, folder)) + 1 for other in edges[folder]), default=0)

    return {folder: level(folder, ()) for folder in edges}


def needed(edges: dict[str, set[str]]) -> list[tuple[str, str]]:
    """Edges (from, to) that no longer way between two folders implies."""

    def below(folder: str) -> set[str]:
        return {other for direct in edges[folder] for other in (direct, *below(direct))}

    return sorted(
        (other, folder)
        for folder, others in edges.items()
        for other in others
        if not any(other in below(between) for between in others)
    )


def drawing() -> str:
    """The picture as SVG: what stands on the right is built on what its arrows come from."""
    edges = imports()
    level_of = levels(edges)
    columns = [sorted(f for f in edges if level_of[f] == n) for n in range(max(level_of.values()) + 1)]
    tallest = max(map(len, columns))
    place = {
        folder: (12 + _COLUMN * column, 12 + _LINE * line + _LINE * (tallest - len(names)) // 2)
        for column, names in enumerate(columns)
        for line, names_at in enumerate(names)
        for folder in [names_at]
    }
    width, height = _COLUMN * len(columns), _LINE * tallest
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
        '<defs><marker id="tip" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="#0072B2"/></marker></defs>',
    ]
    for start, end in needed(edges):
        (x1, y1), (x2, y2) = place[start], place[end]
        ends = f"M{x1 + _BOX[0]} {y1 + _BOX[1] // 2} C{x1 + _BOX[0] + 30} {y1 + _BOX[1] // 2}"
        lines.append(
            f'<path d="{ends} {x2 - 30} {y2 + _BOX[1] // 2} {x2} {y2 + _BOX[1] // 2}" fill="none" stroke="#0072B2" '
            f'marker-end="url(#tip)"><title>{end} imports {start}</title></path>'
        )
    for folder, (x, y) in place.items():
        lines.append(
            f'<rect x="{x}" y="{y}" width="{_BOX[0]}" height="{_BOX[1]}" rx="6" fill="white" stroke="black"/>'
            f'<text x="{x + _BOX[0] // 2}" y="{y + 22}" font-size="14" text-anchor="middle">{folder}</text>'
        )
    return "\n".join([*lines, "</svg>", ""])


def _imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            if name.startswith("pdtrain."):
                yield name.split(".")[1]


if __name__ == "__main__":
    PICTURE.write_text(drawing())
    print(PICTURE)
