import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_WATCH = '<script>window.failures = []; window.addEventListener("error", e => failures.push(e.message));</script>'
_REPORT = """<script>
window.addEventListener("load", () => {
const found = {errors: window.failures};
%s
found.broken = [...document.images].filter(image => !image.complete || !image.naturalWidth).length;
found.fetched = performance.getEntriesByType("resource").map(entry => entry.name)
  .filter(name => !name.startsWith("data:"));
found.wider = document.documentElement.scrollWidth > document.documentElement.clientWidth;
const note = document.createElement("script"); note.type = "application/json"; note.id = "found";
note.textContent = JSON.stringify(found).replaceAll("<", "\\\\u003c"); document.body.append(note);
});
</script>"""


@pytest.fixture
def open_page(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Open a page in headless Chromium, run a script that fills `found`, and return it; nothing may go wrong."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs chromium")

    def open_(page: Path, script: str, *, width: int = 1200) -> dict[str, Any]:
        copy = tmp_path / "copy.html"
        html = page.read_text().replace("<head>", f"<head>{_WATCH}")
        copy.write_text(html.replace("</body>", f"{_REPORT % script}</body>"))
        options = ["--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},900", "--dump-dom"]
        options += ["--enable-logging=stderr"]  # what the console is told
        command = [chromium, *options, copy.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        text = re.search(r'id="found">(.*?)</script>', done.stdout, re.S)
        assert text is not None and "CONSOLE" not in done.stderr
        found = json.loads(text[1])
        assert found["errors"] == [] and found["broken"] == 0 and found["fetched"] == []
        assert not found["wider"], "the page itself never scrolls sideways"
        return found

    return open_
