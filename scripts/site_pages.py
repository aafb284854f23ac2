"""MkDocs' hook: pages of the site that are made of what stands elsewhere in the repository."""

import re
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import make_gallery
from shown_experiments import GROUPS, ROOT, Shown, as_markdown, shown

_README = {  # a title, and sections
    "definitions.md": ("Definitions", ("Definitions", "Results")),
    "promises.md": ("What is promised", ("What is promised",)),
    "measured.md": ("Measured", ("Measured", "Limits")),
}
_WHOLE = {"changelog.md": "CHANGELOG.md", "contributing.md": "CONTRIBUTING.md"}
_EXPERIMENTS = """\
# Experiments

Each is one command; any key may be given beside, and wins over it. The pages are made of the files in `conf/`: what is
said there stands here. Those of papers are told at length, with what was run, in
[the experiments of the papers](../papers.md). An experiment of your own is a file too:
[how to keep one](../how-to.md#keep-an-experiment).
"""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Name every experiment in the navigation, below their overview."""
    entries: list[Any] = next(entry["Experiments"] for entry in config.nav or [] if "Experiments" in entry)
    for group in GROUPS:
        entries.append({f"{group}=": [{of.name: of.address} for of in shown(group)]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    for address, text in pages().items():
        files.append(File.generated(config, address, content=text))
    return files


def pages() -> dict[str, str]:
    """Address and Markdown of each."""
    readme = (ROOT / "README.md").read_text()
    made = {page: f"# {title}\n\n{_sections(readme, names)}" for page, (title, names) in _README.items()}
    made |= {address: (ROOT / name).read_text() for address, name in _WHOLE.items()}
    made["gallery.md"] = make_gallery.page()
    made["experiments/index.md"] = _EXPERIMENTS + "".join(_overview(group) for group in GROUPS)
    return made | {of.address: of.page() for group in GROUPS for of in shown(group)}


def _sections(text: str, names: tuple[str, ...]) -> str:
    """Sections of the README, their links as seen from the folder of documents; of one alone without its heading."""
    found = [re.search(rf"^## {re.escape(name)}\n(.*?)(?=^## |\Z)", text, re.M | re.S) for name in names]
    assert all(found), f"README.md has no section for one of {names}"
    parts = [f"## {name}\n{match[1]}" for name, match in zip(names, found, strict=True) if match]
    joined = "\n".join(parts).removeprefix(f"## {names[0]}\n")
    return joined.replace("](docs/", "](")


def _overview(group: str) -> str:
    lines = [f"| `{group}=` | command | what it is for |", "|---|---|---|"]
    return "\n" + "\n".join([*lines, *map(_line, shown(group))]) + "\n"


def _line(of: Shown) -> str:
    command = of.commands[0][0].split()[0]
    return f"| [{of.name}]({of.address.partition('/')[2]}) | `{command}` | {as_markdown(of.is_for)} |"
