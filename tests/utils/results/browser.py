"""Open a page in headless Chromium and ask it what a reader would see."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--enable-logging=stderr", "--virtual-time-budget=4000", "--dump-dom",
)  # fmt: skip
_PROBE = """<script>
addEventListener("load", () => {
  const wide = [...document.querySelectorAll("body *")].filter(
    (one) => !one.closest(".scroll, pre, svg") && one.getBoundingClientRect().right > innerWidth + 1);
  parent.postMessage({
    scrollWidth: document.documentElement.scrollWidth,
    innerWidth,
    images: document.images.length,
    missing: [...document.images].filter((image) => !image.complete || !image.naturalWidth).length,
    charts: document.querySelectorAll("svg[role=img]").length,
    wide: wide.slice(0, 5).map((one) => one.tagName + "." + one.className),
    scripts: document.scripts.length - 1,
    handlers: document.querySelectorAll("[onerror], [onload], [onclick]").length,
    sections: [...document.querySelectorAll("section")].map((one) => one.id),
    background: getComputedStyle(document.body).backgroundColor,
  }, "*");
});
</script></head>"""


def console_lines(page: Path, profile: Path) -> list[str]:
    """What the page as it is writes on the console, errors of loading included."""
    return [line for line in _open(page, profile).stderr.splitlines() if "CONSOLE" in line]


def measure(page: Path, folder: Path, *, width: int, dark: bool = False) -> dict:
    """Show a page in a frame of that width and measure it, through a copy that is allowed to run one script."""
    folder.mkdir(parents=True, exist_ok=True)
    text = page.read_text(encoding="utf-8")
    text, removed = re.subn(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    assert removed == 1
    (folder / "copy.html").write_text(text.replace("</head>", _PROBE, 1), encoding="utf-8")
    frame = (
        "<script>addEventListener('message', (event) => {"
        "document.getElementById('found').textContent = JSON.stringify(event.data)})</script>"
        f"<pre id='found'></pre><iframe src='copy.html' style='width:{width}px;height:900px;border:0'></iframe>"
    )
    (folder / "frame.html").write_text(frame, encoding="utf-8")
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    found = re.search(r'<pre id="found">(.*?)</pre>', _open(folder / "frame.html", folder / "profile", scheme).stdout)
    return json.loads(html.unescape(found.group(1)))


def _open(page: Path, profile: Path, *more: str) -> subprocess.CompletedProcess:
    command = [CHROMIUM, *_FLAGS, *more, f"--user-data-dir={profile}", page.resolve().as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return done
