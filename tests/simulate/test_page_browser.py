"""The page in a real browser: are the charts drawn, and do they share their cursor? Skipped without Chromium."""

import html
import re
import shutil
import subprocess

import pytest

from sluicegate.simulate.page import Chart, Series, chart, document

CHROMIUM = shutil.which("chromium")
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--allow-file-access-from-files",
    "--enable-logging=stderr",
    "--virtual-time-budget=3000",
    "--window-size=900,1200",
    "--dump-dom",
]
VISITOR = """\
<iframe src="page.html" style="width:360px;height:1000px"></iframe><pre>nothing</pre><script>
addEventListener("load", () => setTimeout(() => {
  const page = document.querySelector("iframe").contentDocument;
  const plots = page.querySelectorAll(".plot");
  plots[0].dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
  plots[0].dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
  const told = [...page.querySelectorAll("output")].map((output) => output.textContent);
  const wide = [...plots].map((plot) => plot.querySelector("canvas").getBoundingClientRect().width <= 360);
  document.querySelector("pre").textContent = JSON.stringify({ told, wide, scroll: page.body.scrollWidth });
}, 300));
</script>
"""


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_charts_are_drawn_at_360_px_and_the_keyboard_moves_the_cursor_of_all(tmp_path):
    series = [Series("low", [1, 2, 3], "calm", fill=True), Series("all", [11, 22, None], "warm", fill=True, above=0)]
    charts = [chart(Chart("A", "", [0, 1, 2], series, top=30)), chart(Chart("B", "", [0, 1, 2], series[:1], top=3))]
    (tmp_path / "page.html").write_text(document("Test", *charts), encoding="utf-8")
    (tmp_path / "visitor.html").write_text(VISITOR, encoding="utf-8")
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    address = (tmp_path / "visitor.html").as_uri()
    visit = subprocess.run([CHROMIUM, *QUIET, profile, address], capture_output=True, text=True, timeout=60)
    told = html.unescape(re.search("<pre>(.*?)</pre>", visit.stdout, re.S)[1])
    assert told == '{"told":["2","20","2"],"wide":[true,true],"scroll":360}'
    assert ":CONSOLE" not in visit.stderr
