"""The site as built: it needs no network, links lead somewhere, names that pages use are explained, search finds."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from mkdocs.config import load_config

import site_pages
from shown_experiments import GROUPS, shown

_ROOT = Path(__file__).parents[2]
_ELSEWHERE: set[str] = set()  # addresses that pages link to: none is needed to read them, and none is fetched here


@dataclass
class _Page(HTMLParser):
    """What a page holds: its anchors, what it links to, and what it loads."""

    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors.update(given[name] for name in ("id", "name") if name in given)
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "link" and given.get("rel") not in ("canonical", "next", "prev"):
            self.loads.append(given["href"])
        if tag in ("script", "img", "iframe", "source") and "src" in given:
            self.loads.append(given["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the site; to build it, no link and no name may be in doubt."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=_ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@cache
def _read(page: Path) -> _Page:
    read = _Page()
    read.feed(page.read_text())
    return read


def _pages(site: Path) -> Iterator[tuple[Path, _Page]]:
    yield from ((path, _read(path)) for path in sorted(site.rglob("*.html")) if path.name != "404.html")


def test_every_link_and_picture_is_there(site: Path) -> None:
    missing = []
    for path, page in _pages(site):
        for link in [*page.links, *page.loads]:
            parts = urlsplit(link)
            if not parts.scheme:
                target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
                there = target.is_file() and (not parts.fragment or unquote(parts.fragment) in _anchors(target))
                missing += [] if there else [f"{path.relative_to(site)}: {link}"]

    assert missing == []


def _anchors(target: Path) -> set[str]:
    return _read(target).anchors | {"__tabbed"} if target.suffix == ".html" else set()


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    loaded = {link for _, page in _pages(site) for link in page.loads if urlsplit(link).scheme not in ("", "data")}
    styles = {path.name: re.findall(r"(?:@import|url\()\s*['\"]?(https?:[^)'\"]+)", path.read_text()) for path in
              site.rglob("*.css")}  # fmt: skip

    assert loaded == set()
    assert {name for name, found in styles.items() if found} == set()


def test_pages_link_to_no_other_sites_than_these(site: Path) -> None:
    linked = {link for _, page in _pages(site) for link in page.links if urlsplit(link).scheme}

    assert linked == _ELSEWHERE


def test_every_page_is_in_the_navigation(site: Path) -> None:
    config = site_pages.on_config(load_config(str(_ROOT / "mkdocs.yml")))
    documents = {path.relative_to(_ROOT / "docs").as_posix() for path in (_ROOT / "docs").rglob("*.md")}

    assert set(_named(config.nav)) == documents | set(site_pages.pages())


def _named(entry: Any) -> Iterator[str]:
    """Pages below an entry of the navigation."""
    if isinstance(entry, str):
        yield entry
    else:
        for below in entry.values() if isinstance(entry, dict) else entry:
            yield from _named(below)


@pytest.mark.parametrize("group", GROUPS)
def test_every_experiment_has_a_page_that_says_what_for_how_and_what_is_seen(group: str, site: Path) -> None:
    for of in shown(group):
        text = (site / of.address).with_suffix(".html").read_text()
        assert of.commands and of.is_for, f"conf/{group}/{of.name}.yaml begins with its command and what it is for"
        assert of.commands[0][0].split()[1].startswith((f"{group}=", "sweep=")), of.commands
        assert {"Seen", "Told"} & set(of.parts), f"conf/{group}/{of.name}.yaml: say what is seen"
        assert "What it costs" in text and "What is seen" in text and "What it sets" in text


_NAME = re.compile(r"\bpdtrain(?:\.\w+)+")


def test_the_reference_has_every_name_that_pages_use(site: Path) -> None:
    documented = {name for path, page in _pages(site / "reference") for name in page.anchors}
    texts = [(_ROOT / "README.md").read_text(), *(path.read_text() for path in (_ROOT / "docs").rglob("*.md"))]
    used = {name for text in texts for name in _NAME.findall(text)}
    public = {name: defined for name in used if (defined := _defined(name))}

    assert len(public) > 20
    assert {name for name, defined in public.items() if defined not in documented} == set()


def _defined(name: str) -> str | None:
    """Where a class, function or method is defined; nothing for a module, or a name of something else."""
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        try:
            found: Any = import_module(".".join(parts[:cut]))
        except ImportError:
            continue
        for part in parts[cut:]:
            found = getattr(found, part, None)
        if not hasattr(found, "__qualname__"):
            return None
        return f"{found.__module__}.{found.__qualname__}".replace("pdtrain.callbacks", "callbacks")
    return None


def test_the_search_finds_without_a_server(site: Path, tmp_path: Path) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs chromium")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}", "--window-size=1400,900"]
    address = f"{(site / 'index.html').as_uri()}?q=information_about"

    done = subprocess.run(
        [chromium, *options, "--virtual-time-budget=20000", "--dump-dom", address],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip

    results = re.findall(r'<a href="([^"]+)" class="md-search-result__link"', done.stdout)
    assert any("reference/information.html" in link for link in results), results


def test_the_index_of_the_search_has_every_page(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text())
    found = {entry["location"].partition("#")[0] for entry in index["docs"]}

    assert {path.relative_to(site).as_posix() for path, _ in _pages(site)} <= found | {"index.html"}
