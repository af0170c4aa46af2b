"""The report in a real browser: is one page seen at a time, with its charts drawn? Skipped without Chromium."""

import html
import json
import re
import shutil
import subprocess

import pytest
import samples

from sluicegate.simulate.evidence import report

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
    "--virtual-time-budget=8000",
    "--window-size=900,1200",
    "--dump-dom",
]
VISITOR = """\
<iframe src="page.html" style="width:360px;height:1000px"></iframe><pre>nothing</pre><script>
addEventListener("load", async () => {
  const inside = document.querySelector("iframe").contentWindow;
  const page = inside.document;
  const wait = () => new Promise((resume) => setTimeout(resume, 300));
  const seen = () => {
    const shown = [...page.querySelectorAll(".page")].filter((one) => one.getBoundingClientRect().height > 0);
    const plots = shown.flatMap((one) => [...one.querySelectorAll(".plot")]);
    return {
      pages: shown.map((one) => one.id),
      title: page.title,
      marked: [...page.querySelectorAll("[aria-current]")].filter((a) => a.offsetParent).map((a) => a.textContent),
      plots: plots.length,
      drawn: plots.filter((plot) => plot.querySelector("canvas")?.getBoundingClientRect().width > 200).length,
      all: page.querySelectorAll("canvas").length,
      wide: page.documentElement.scrollWidth > page.documentElement.clientWidth,
      top: Math.round(inside.scrollY),
    };
  };
  const told = [];
  await wait();
  told.push(seen());
  for (const hash of ["policy-allocation", "user-user-2", "sweep", "nowhere"]) {
    inside.location.hash = hash;
    await wait();
    told.push(seen());
  }
  inside.location.hash = "users";
  const field = page.querySelector("input");
  field.value = "uSeR 3";
  field.dispatchEvent(new Event("input"));
  await wait();
  const rows = [...page.querySelectorAll("#list-of-users tbody tr")].filter((row) => row.offsetParent);
  const filtered = [rows.map((row) => row.cells[0].textContent), page.querySelector(".search output").textContent];
  inside.dispatchEvent(new Event("beforeprint"));
  await wait();
  const printed = seen();
  inside.dispatchEvent(new Event("afterprint"));
  await wait();
  const after = seen();
  document.querySelector("pre").textContent = JSON.stringify({ told, filtered, printed, after });
});
</script>
"""


@pytest.fixture(scope="module")
def visit(tmp_path_factory):
    if CHROMIUM is None:
        pytest.skip("needs chromium")
    folder = tmp_path_factory.mktemp("report")
    (folder / "page.html").write_text(report(samples.summary(users=5, policies=3, sweep=True)), encoding="utf-8")
    (folder / "visitor.html").write_text(VISITOR, encoding="utf-8")
    profile = f"--user-data-dir={folder / 'profile'}"
    address = (folder / "visitor.html").as_uri()
    ran = subprocess.run([CHROMIUM, *QUIET, profile, address], capture_output=True, text=True, timeout=60)
    assert ":CONSOLE" not in ran.stderr
    return json.loads(html.unescape(re.search("<pre>(.*?)</pre>", ran.stdout, re.S)[1]))


def test_one_page_is_seen_at_a_time_and_the_first_where_there_is_no_such_page(visit):
    pages = [one["pages"] for one in visit["told"]]
    assert pages == [["overview"], ["policy-allocation"], ["user-user-2"], ["sweep"], ["overview"]]


def test_charts_are_drawn_when_their_page_is_seen_and_not_before(visit):
    plots = [one["plots"] for one in visit["told"]]
    assert plots == [one["drawn"] for one in visit["told"]]
    assert min(plots) >= 2
    assert visit["told"][0]["all"] == plots[0]
    assert visit["told"][1]["all"] == plots[0] + plots[1]


def test_the_window_and_the_links_say_where_one_is(visit):
    marked = [one["marked"] for one in visit["told"]]
    assert marked == [["Overview"], ["Policies", "Traffic management"], ["Users"], ["Sweep"], ["Overview"]]
    assert [one["title"] for one in visit["told"]][1:3] == [
        "Traffic management \N{EN DASH} Sluicegate: A cold evening",
        "User 2 \N{EN DASH} Sluicegate: A cold evening",
    ]


def test_no_page_is_wider_than_a_narrow_screen_and_each_begins_at_its_top(visit):
    assert {one["wide"] for one in visit["told"]} == {False}
    assert {one["top"] for one in visit["told"]} == {0}


def test_the_list_of_users_is_filtered(visit):
    assert visit["filtered"] == [["User 3"], "1 of 5"]


def test_paper_shows_all_pages_with_their_charts_and_the_screen_one_again(visit):
    printed, after = visit["printed"], visit["after"]
    assert len(printed["pages"]) == len(set(printed["pages"])) == 1 + 3 + 1 + 1 + 1 + 1 + 5
    assert printed["drawn"] == printed["plots"] > 20
    assert after["pages"] == ["users"]
    assert after["all"] == after["plots"] == 0
