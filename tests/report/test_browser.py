"""The report in a real browser: headless Chromium opens it from disk and uses it.

Setup on Debian: ``apt-get install -y chromium chromium-driver``; skipped where they are absent.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from support.hostile import HOSTILE, hostile
from support.synthetic import synthetic_run

from lox_bench.harmless import visible
from lox_bench.report.merge import read_boards
from lox_bench.report.page import build_page
from lox_bench.report.publish import publish, write_page
from lox_bench.report.transcripts import count_disagreements, transcripts
from lox_bench.results.row import to_csv
from lox_bench.results.run import Run
from lox_bench.utility.scores import ACCURACY_METRICS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER),
    reason="no Chromium: apt-get install -y chromium chromium-driver",
)
DESKTOP, PHONE = (1360, 900), (390, 844)
LOOKS = [  # axe takes a quarter of a minute a look
    pytest.param(DESKTOP, "light", marks=pytest.mark.slow),
    (DESKTOP, "dark"),
    pytest.param(PHONE, "light", marks=pytest.mark.slow),
    pytest.param(PHONE, "dark", marks=pytest.mark.slow),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("browser") / "pico-run"
    return synthetic_run(folder, models="base,aligned,lox", limit=20, say=hostile)


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.set_script_timeout(300)  # of axe, on a busy machine
    yield driver
    driver.quit()


class Page:
    """The opened report, in the words of the tests."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, file: Path, size: tuple[int, int] = DESKTOP, theme: str = "light") -> None:
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": theme}
        still = {"name": "prefers-reduced-motion", "value": "reduce"}  # else clicks miss
        media = {"features": [scheme, still]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        self.visit(file.as_uri())

    def visit(self, address: str) -> None:
        """Load the address anew, also where only what follows its # is another."""
        self.driver.get("about:blank")
        self.driver.get(address)
        self.wait(lambda: self.js("return 'ready' in document.documentElement.dataset"))

    def reload(self) -> None:
        self.js("delete document.documentElement.dataset.ready")  # the driver may return early
        self.driver.refresh()
        self.wait(lambda: self.js("return 'ready' in document.documentElement.dataset"))

    def js(self, code: str, *arguments: Any) -> Any:
        return self.driver.execute_script(code, *arguments)

    def wait(self, done: Callable[[], Any], seconds: float = 60.0) -> None:
        """Until it holds; what the page has not built yet, or just replaced, counts as not yet."""
        from selenium.common.exceptions import StaleElementReferenceException
        from selenium.webdriver.support.ui import WebDriverWait

        patient = WebDriverWait(
            self.driver, seconds, 0.02, ignored_exceptions=[StaleElementReferenceException]
        )
        patient.until(lambda _: done(), "the page did not get there in time")

    def all(self, selector: str) -> list[Any]:
        return self.driver.find_elements("css selector", selector)

    def one(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def choose(self, table: str, label: str, value: str) -> None:
        for holder in self.all(f"#{table}-filters label"):
            if holder.text.split("\n")[0] == label:
                select = holder.find_element("css selector", "select")
                select.find_element("xpath", f"./option[.='{value}']").click()
                return
        raise AssertionError(f"no filter {label}")

    def tick(self, label: str) -> None:
        self.driver.find_element("xpath", f"//label[contains(., '{label}')]/input").click()

    def place(self, table: str, heading: str) -> int:
        """Where the first column of that heading stands, from 1."""
        heads = [head.text.split("\n")[0] for head in self.all(f"#{table}-table thead th")]
        return heads.index(heading) + 1

    def column(self, table: str, position: int) -> list[str]:
        return [cell.text for cell in self.all(f"#{table}-table tbody tr > :nth-child({position})")]

    def measures(self) -> list[list[str]]:
        """Headings of the leaderboard's shown columns of numbers."""
        return [head.text.split("\n") for head in self.all("#leaderboard-table thead th.measure")]

    def count(self, table: str) -> int:
        """Rows that pass the filter, over all of the table's pages."""
        info = self.one(f"#{table}-table_info").text
        return int(info.split(" of ")[1].split()[0].replace(",", "")) if " of " in info else 0

    def press(self, *keys: str) -> None:
        self.driver.switch_to.active_element.send_keys(*keys)


@pytest.fixture(scope="module")
def file(run: Run) -> Path:
    write_page(run.path / "report.html", build_page(read_boards([run.path]), title="pico"))
    return run.path / "report.html"


@pytest.fixture
def page(driver: Any, file: Path) -> Iterator[Page]:
    """An open report; whatever the test does, nothing may be requested or go wrong."""
    page = Page(driver)
    page.open(file)
    yield page
    assert driver.get_log("browser") == []
    assert foreign_requests(driver) == []


def foreign_requests(driver: Any) -> list[str]:
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    urls = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert urls, "not even the page itself was seen to load"
    return [url for url in urls if not url.startswith(("file:", "data:", "blob:"))]


def test_a_click_on_a_heading_sorts_by_number(page: Page) -> None:
    asr = page.place("leaderboard", "refusal_lost")
    wanted = sorted(_values(page, asr))
    assert len(wanted) == 6
    assert wanted != wanted[::-1]
    for order in (wanted, wanted[::-1]):
        page.all("#leaderboard-table thead th")[asr - 1].click()
        # the table is drawn anew after the click has returned
        page.wait(lambda order=order: _values(page, asr) == order)


def _values(page: Page, column: int) -> list[float]:
    return [float(text.split()[0]) for text in page.column("leaderboard", column)]


def test_the_leaderboard_filters_rows_and_columns(page: Page) -> None:
    page.choose("leaderboard", "attack", "gsm8k")
    page.choose("leaderboard", "model", "lox")
    assert len(page.column("leaderboard", 1)) == 1
    page.choose("leaderboard", "metric", "refusal_lost")
    page.choose("leaderboard", "judge", "keyword-prefix")
    assert page.measures() == [["refusal_lost", "harmful", "keyword-prefix"]]
    page.choose("leaderboard", "metric", "all")
    shown = page.measures()
    assert {head[0] for head in shown} == {
        "refusal_lost",
        "over_refusal",
        "degenerate",
        *ACCURACY_METRICS,
    }
    assert "keyword-anywhere" not in {part for head in shown for part in head}


def test_answers_filter_to_the_judges_disagreements(page: Page, run: Run) -> None:
    held = transcripts({"run": run})["answers"]
    assert page.count("transcripts") == len(held)
    page.tick("judges disagree")
    assert page.count("transcripts") == count_disagreements(held) > 0
    for chips in page.column("transcripts", 5):
        assert {"complied", "refused", "keyword-prefix"} <= set(chips.split())


def test_what_the_judges_disagree_on_comes_first_until_the_reader_wants_it_otherwise(
    page: Page, run: Run
) -> None:
    held = transcripts({"run": run})["answers"]
    disputed = count_disagreements(held)
    assert f"judges disagree ({disputed} of {len(held)})" in page.one("#transcripts-filters").text

    def first() -> list[bool]:
        return [{"complied", "refused"} <= set(c.split()) for c in page.column("transcripts", 5)]

    assert all(first()[:disputed])
    page.tick("disagreements first")
    assert not all(first())
    page.tick("disagreements first")
    assert all(first()[:disputed])


def test_an_answer_has_an_address_that_opens_it(page: Page, file: Path) -> None:
    page.choose("transcripts", "model", "lox")
    page.choose("transcripts", "attack", "gsm8k")
    page.choose("transcripts", "task", "harmful")
    page.choose("transcripts", "seed", "0")
    page.choose("transcripts", "label", "complied")
    page.one("#transcripts-table button.open").click()
    where, prompt = page.js("return location.hash"), page.one("#compare-prompt").text
    assert where.startswith("#t=lox,gsm8k,0,harmful,")
    page.press("\ue00c")  # Escape
    assert page.js("return location.hash") == "#transcripts"
    page.visit(file.as_uri() + where)
    assert page.one("#compare-prompt").text == prompt
    assert page.one("#compare-right option:checked").text == "lox+gsm8k · seed 0"
    assert not page.one("#compare-right .answer").is_displayed()  # harm stays veiled
    page.press("\ue014")  # arrow right
    assert page.js("return location.hash") != where
    page.press("\ue00c")
    page.wait(lambda: page.js("return document.activeElement.id") == "transcripts-title", 10)
    page.js("location.hash = arguments[0]", where)  # as a reader types it
    page.wait(lambda: page.js("return document.getElementById('compare').open"))
    assert page.one("#compare-prompt").text == prompt


def test_the_link_to_an_answer_is_copied_or_shown(page: Page) -> None:
    page.one("#transcripts-table button.open").click()
    page.js("navigator.clipboard.writeText = (text) => { window.copied = text; }")
    page.one("#compare-right button.copy").click()
    page.wait(lambda: page.one("#compare-said").text == "Link copied.")
    assert page.js("return window.copied === location.href")
    page.js("navigator.clipboard.writeText = () => Promise.reject(new Error('no'))")
    page.one("#compare-right button.copy").click()
    page.wait(lambda: page.one("#compare-link").is_displayed())
    assert page.js("return document.activeElement.value === location.href")


@pytest.mark.parametrize("where", ["#t=lox,gsm8k,0,harmful,nope", "#t=%", "#t=lox"])
def test_an_address_that_names_nothing_is_told(page: Page, file: Path, where: str) -> None:
    page.visit(file.as_uri() + where)
    page.wait(lambda: page.one("#transcripts-notice").is_displayed())
    assert "This page holds no such answer" in page.one("#transcripts-notice").text
    assert not page.js("return document.getElementById('compare').open")


def test_answers_filter_by_judge_and_label_together(page: Page, run: Run) -> None:
    expected = sum(
        verdict.label == "refused"
        for cell in run.names
        for task in run.tasks
        for verdict in run.verdicts(cell, task, "keyword-anywhere")
    )
    page.choose("transcripts", "judge", "keyword-anywhere")
    page.choose("transcripts", "label", "refused")
    assert page.count("transcripts") == expected > 0


def test_answers_filter_by_hazard_and_text(page: Page, run: Run) -> None:
    held = transcripts({"run": run})
    hate = sum(held["prompts"][answer[0]][3] == "hate" for answer in held["answers"])
    page.choose("transcripts", "hazard", "hate")
    assert page.count("transcripts") == hate > 0
    page.choose("transcripts", "hazard", "all")
    page.one("#transcripts input[type=search]").send_keys("window.broken")
    page.wait(lambda: page.count("transcripts") == len(run.names))


def test_two_answers_stand_side_by_side_and_harm_is_veiled(page: Page) -> None:
    page.choose("transcripts", "task", "harmful")
    page.choose("transcripts", "model", "lox")
    page.choose("transcripts", "label", "complied")
    assert set(page.column("transcripts", 6)) == {"hidden"}
    page.one("#transcripts-table button.open").click()
    panes = page.all("#compare article")
    titles = [pane.find_element("css selector", "option:checked").text for pane in panes]
    assert titles[0].startswith("aligned")
    assert titles[0].replace("aligned", "lox") == titles[1]
    veil = panes[1].find_element("css selector", "details")
    answer = veil.find_element("css selector", ".answer")
    assert not answer.is_displayed()
    veil.find_element("css selector", "summary").click()
    assert answer.is_displayed()
    assert answer.text
    before = page.one("#compare-prompt").text
    page.one("#compare-next").click()
    assert page.one("#compare-prompt").text != before


def test_the_explorer_works_by_keyboard_alone(page: Page) -> None:
    page.js("document.querySelector('#transcripts-table button.open').focus()")
    page.press("\ue007")  # Enter
    assert page.js("return document.getElementById('compare').open")
    first = page.one("#compare-prompt").text
    page.press("\ue014")  # arrow right
    assert page.one("#compare-prompt").text != first
    page.press("\ue012")  # arrow left
    assert page.one("#compare-prompt").text == first
    page.press("\ue004")  # Tab
    style = page.js("return getComputedStyle(document.activeElement).outlineStyle")
    assert style == "solid"
    page.press("\ue00c")  # Escape
    assert not page.js("return document.getElementById('compare').open")
    assert page.js("return document.activeElement.className") == "open model-text"


def test_markup_in_an_answer_stays_text(page: Page) -> None:
    page.one("#transcripts input[type=search]").send_keys("window.broken")
    page.wait(lambda: "window.broken" in page.column("transcripts", 6)[0])
    page.one("#transcripts-table button.open").click()
    shown = page.js("return document.querySelector('#compare-right .answer').textContent")
    assert shown == visible(HOSTILE)
    assert page.js("return window.broken") is None
    assert page.all("main img[src=x], dialog img, dialog script, dialog template") == []


def test_dark_and_light_follow_the_system_until_the_reader_chooses(page: Page, file: Path) -> None:
    def background() -> str:
        return str(page.js("return getComputedStyle(document.body).backgroundColor"))

    assert background() == "rgb(255, 255, 255)"
    page.one("#theme").click()
    assert background() == "rgb(20, 23, 28)"
    page.reload()
    assert background() == "rgb(20, 23, 28)"
    page.js("localStorage.clear()")
    page.open(file, theme="dark")
    assert background() == "rgb(20, 23, 28)"
    page.one("#theme").click()
    assert background() == "rgb(255, 255, 255)"
    page.js("localStorage.clear()")


def test_a_phone_never_scrolls_sideways(page: Page, file: Path) -> None:
    page.open(file, size=PHONE)
    assert page.js("return document.documentElement.scrollWidth") <= PHONE[0]
    page.one("#transcripts-table button.open").click()
    assert page.js("return document.getElementById('compare').getBoundingClientRect().right") <= 390


@pytest.fixture(scope="module")
def merged(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A leaderboard of a run and of rows from a file."""
    folder = tmp_path_factory.mktemp("merged")
    rows = [replace(row, seed=5) for row in run.rows if row.model == "lox"]
    (folder / "reference.csv").write_text(to_csv(rows))
    publish(read_boards([run.path, folder / "reference.csv"]), folder / "site", title="both")
    return folder / "site" / "leaderboard.html"


def test_what_lies_to_the_right_is_told_while_it_does(page: Page, file: Path) -> None:
    hint = "return !document.getElementById('leaderboard-wide').hidden"
    page.open(file, size=(900, 800))
    page.wait(lambda: page.js(hint))
    page.choose("leaderboard", "metric", "degenerate")
    page.wait(lambda: not page.js(hint))


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=str)
def test_axe_finds_nothing_in_a_merged_leaderboard(
    driver: Any, merged: Path, size: tuple[int, int], theme: str
) -> None:
    page = Page(driver)
    page.open(merged, size=size, theme=theme)
    page.js(resources.files("axe_core_python").joinpath("axe.min.js").read_text())
    assert violations(page) == []


@pytest.mark.parametrize(("size", "theme"), LOOKS)
def test_axe_finds_nothing_to_object_to(
    driver: Any, file: Path, size: tuple[int, int], theme: str
) -> None:
    """axe-core checks WCAG 2.1 A and AA and good practice, contrast of what is drawn included."""
    page = Page(driver)
    page.open(file, size=size, theme=theme)
    page.js(resources.files("axe_core_python").joinpath("axe.min.js").read_text())
    assert violations(page) == []
    page.one("#transcripts-table button.open").click()
    assert violations(page) == []


def violations(page: Page) -> list[str]:
    code = """
      const done = arguments[0];
      const shown = (rule) => `${rule.id}: ${rule.nodes.map((node) => node.html).join(' ')}`;
      axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'best-practice'] })
        .then((result) => done(result.violations.map(shown)), (error) => done([String(error)]));
    """
    found: list[str] = page.driver.execute_async_script(code)
    return found


def test_a_merged_leaderboard_opens_without_transcripts(driver: Any, merged: Path) -> None:
    page = Page(driver)
    page.open(merged)
    page.choose("leaderboard", "run", "reference.csv")
    assert len(page.column("leaderboard", 1)) == 2
    assert page.all("#transcripts") == []
    assert driver.get_log("browser") == []
    assert foreign_requests(driver) == []
