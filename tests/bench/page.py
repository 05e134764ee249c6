"""`python -m bench.page`: what the page costs, on the agent's own machine: how soon the overview is there, what polling it takes.

The daemon runs as shipped on a history that the year's generator wrote up to now, in a network namespace with nothing but loopback, where
its 20 targets are. They are traced once when it starts and then no more, so that a steady page is asked for. Debian's Chromium looks at it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from shutil import which
from threading import Event

from selenium import webdriver

from bench import store, year
from bench.figures import Row, markdown, table
from bench.report import TOP, described, machine, write_table
from equipment.browser import chromium, poll_faster

PORT = 8866
TARGETS = store.TARGETS
SEED = 1
RUNS = 15  # navigations
POLLS = 1000
SETTLED = 1000  # polls before the first look at the page's memory: by then the browser has compiled all that it will
LOOK_S = 0.1  # between the looks at it: while a poll is drawn there is everything twice
FAST_MS = 10  # so that 1,000 polls take a minute
BLOCKS = 10  # of 100 steady polls
PAGES = 8
PAGE_CONNECTIONS = 6  # what a browser opens for one page at most
MOST_MS, MOST_POLL_BYTES, MOST_POLL_CPU_MS, MOST_PAGE_KB, MOST_SERVER_MB = 300.0, 2000.0, 3.0, 100.0, 4.0
DEADLINE_S = 120.0
WEB = TOP / "web"
SUMMARY = "/api/v1/summary"
INSIDE = "PATHWARDEN_BENCH_INSIDE"
MARKERS = ("<!-- figures: make bench-page WRITE=1 -->", "<!-- end of the page's figures -->")
# Told by the page itself: milliseconds from the navigation until every target has a row with a button, and nothing keeps a click waiting.
_WATCH = """
new MutationObserver((_, observer) => {
  if (document.querySelectorAll("tr[data-target] [data-action=trace]").length < %d) return;
  observer.disconnect();
  setTimeout(() => { window.there = performance.now(); });
}).observe(document, { childList: true, subtree: true });
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="make bench-page", description="The page's time, bytes, CPU and memory.")
    parser.add_argument("--days", type=float, default=30, help="of history (default: 30; what is asked for does not depend on it)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--write", action="store_true", help="put the figures into FIGURES.md")
    args = parser.parse_args()
    if not os.environ.get(INSIDE):
        # All of it sees nothing but a loopback of its own.
        script = 'ip link set lo up && exec "$@"'
        command = ["unshare", "-n", "sh", "-c", script, "sh", sys.executable, "-m", "bench.page", *sys.argv[1:]]
        os.execvpe(command[0], command, {**os.environ, INSIDE: "1"})
    on = machine()
    with tempfile.TemporaryDirectory(prefix="pw-page-") as folder:
        path = _history(Path(folder), args.days)
        with _daemon(Path(folder), path) as pid, chromium(_found, Path(folder) / "chromium") as browser:
            rows = [*_memory_of_server(pid), *_polls(pid), *_navigations(browser), *_memory_of_page(browser)]
    title = f"Page: {TARGETS} targets, {args.days:g} days of history"
    if args.json:
        print(json.dumps({"machine": on, "days": args.days, "rows": [row.json() for row in rows]}, indent=1))
    else:
        print(f"{described(on)}\n{table(title, rows)}")
    if args.write:
        write_table("FIGURES.md", f"{title}. {described(on)}.", markdown({title: rows}, all_rows=True), MARKERS)


def _history(folder: Path, days: float) -> Path:
    """A history that ends now."""
    year.START_AT = time.time_ns() - round(days * year.DAY_S) * year.SECOND
    (folder / "live").mkdir()
    return store.build(folder / "history.db", folder / "built", SEED, days, store.QUERIES, store.ROOMY_MB).path


@contextmanager
def _daemon(folder: Path, path: Path) -> Iterator[int]:
    """`pathwarden run` on this history; its process, when each target has been traced once."""
    targets = "".join(
        f"config target 't{number:02}'\n\toption host '127.0.1.{number + 1}'\n\toption interval_s '86400'\n" for number in range(TARGETS)
    )
    config = folder / "pathwarden.conf"
    options = {"name": "bench", "db": path, "live_dir": folder / "live", "watch_pps": 0, "max_pps": 1000}
    agent = "config agent 'agent'\n" + "".join(f"\toption {name} '{value}'\n" for name, value in options.items())
    web = f"config web 'web'\n\tlist listen '127.0.0.1:{PORT}'\n"
    config.write_text(agent + web + targets, encoding="utf-8")
    process = subprocess.Popen([sys.executable, "-m", "pathwarden", "--config", str(config), "--quiet", "run"], stdout=subprocess.PIPE)
    try:
        assert process.stdout
        if not process.stdout.readline().startswith(b"The page:"):
            raise RuntimeError("the agent did not start")
        Event().wait(15)  # the first traces are spread over 4 s, and nothing is asked of the page before it is measured
        yield process.pid
    finally:
        process.kill()
        process.wait(10)


def _found(program: str) -> str:
    return which(program) or sys.exit(f"{program} is missing: install it")


class _Client:
    """Asks as a browser does: one connection, and what it has is asked for with its tag."""

    def __init__(self) -> None:
        self._connection = HTTPConnection("127.0.0.1", PORT, timeout=DEADLINE_S)
        self._tags: dict[str, str] = {}

    def ask(self, path: str) -> tuple[int, int]:
        """Status, and the bytes of the whole answer."""
        tag = {"If-None-Match": self._tags[path]} if path in self._tags else {}
        self._connection.request("GET", path, headers={"Accept-Encoding": "gzip", **tag})
        answer = self._connection.getresponse()
        body = answer.read()
        self._tags[path] = answer.getheader("ETag") or ""
        head = sum(len(name) + len(value) + len(": \r\n") for name, value in answer.getheaders())
        return answer.status, len(f"HTTP/1.1 {answer.status} {answer.reason}\r\n\r\n") + head + len(body)


def _private_kib(pid: int) -> int:
    rows = (line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return sum(int(row[1]) for row in rows if row[0] in ("Private_Clean:", "Private_Dirty:"))


def _cpu_s(pid: int) -> float:
    # The process's own clock, in the kernel's numbering: threads that have ended count too.
    return time.clock_gettime_ns(~pid << 3 | 2) / 1e9


def _memory_of_server(pid: int) -> list[Row]:
    """What 8 pages take, each with all the connections of a browser, its files loaded, overview and a target looked at, then polling."""
    files = [f"/static/{file.relative_to(WEB)}" for file in sorted(WEB.rglob("*.*"))]
    before, held = _private_kib(pid), [[_Client() for _ in range(PAGE_CONNECTIONS)] for _ in range(PAGES)]

    def visit(clients: list[_Client]) -> None:
        for number, path in enumerate(("/", *files, SUMMARY, "/api/v1/status", "/api/v1/targets/t01", "/api/v1/targets/t01/paths")):
            clients[number % PAGE_CONNECTIONS].ask(path)
        for _ in range(50):
            clients[0].ask(SUMMARY)

    visit(held[0])
    one = _private_kib(pid)
    with ThreadPoolExecutor(PAGES) as pool:
        list(pool.map(visit, held))
    eight = _private_kib(pid)
    return [
        Row("server: memory of its own before the first page", "MB", (before / 1024,)),
        Row("server: more with one page", "MB", ((one - before) / 1024,)),
        Row(f"server: more with {PAGES} open pages", "MB", ((eight - before) / 1024,), most=MOST_SERVER_MB),
    ]


def _polls(pid: int) -> list[Row]:
    """A poll of the overview when nothing has changed."""
    client = _Client()
    client.ask(SUMMARY)
    spent, sizes = [], []
    deadline = time.monotonic() + DEADLINE_S
    while len(spent) < BLOCKS:
        if time.monotonic() > deadline:
            raise TimeoutError("the answers never were the same")
        begun, answers = _cpu_s(pid), [client.ask(SUMMARY) for _ in range(100)]
        if {status for status, _ in answers} == {304}:  # every five minutes the sparklines move on
            spent.append((_cpu_s(pid) - begun) * 1000 / 100)
            sizes += [size for _, size in answers]
    return [
        Row("steady poll: answer, bytes", "B", tuple(map(float, sizes)), most=MOST_POLL_BYTES),
        Row("steady poll: CPU of the server, ms", "ms", tuple(spent), most=MOST_POLL_CPU_MS),
    ]


def _navigations(browser: webdriver.Chrome) -> list[Row]:
    """From the navigation until the overview can be used: with nothing in the browser's cache, and with what a visit before left there."""
    browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _WATCH % TARGETS})
    found: dict[bool, list[float]] = {True: [], False: []}
    for cold in (True, False):
        for _ in range(RUNS + 1):
            browser.get("about:blank")
            if cold:
                browser.execute_cdp_cmd("Network.clearBrowserCache", {})
            browser.get(f"http://127.0.0.1:{PORT}/")
            deadline = time.monotonic() + DEADLINE_S
            while (there := browser.execute_script("return window.there")) is None:
                if time.monotonic() > deadline:
                    raise TimeoutError("the overview never came")
                Event().wait(0.02)
            found[cold].append(there)
    return [
        Row("overview: usable after the first navigation, ms", "ms", tuple(found[True][1:]), most=MOST_MS),
        Row("overview: usable after another navigation, ms", "ms", tuple(found[False][1:]), most=MOST_MS),
    ]


def _memory_of_page(browser: webdriver.Chrome) -> list[Row]:
    """How much more the page holds after 1,000 further polls, its rubbish gone."""
    browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _COUNTED})
    poll_faster(browser, FAST_MS)
    browser.get("about:blank")
    browser.get(f"http://127.0.0.1:{PORT}/")
    browser.execute_cdp_cmd("Performance.enable", {})
    first = _held(browser, SETTLED)
    last = _held(browser, SETTLED + POLLS)
    names = ("page: JavaScript's memory, more after 1,000 polls, kB", "page: nodes more", "page: listeners more")
    mosts = (MOST_PAGE_KB, 0.0, 0.0)
    return [Row(name, "", (b - a,), most=most) for name, a, b, most in zip(names, first, last, mosts, strict=True)]


_COUNTED = """
window.polls = 0;
const fetched = window.fetch;
window.fetch = (...given) => { if (String(given[0]).endsWith("summary")) window.polls += 1; return fetched(...given); };
"""


def _held(browser: webdriver.Chrome, polls: int) -> tuple[float, float, float]:
    """Kilobytes of JavaScript, nodes and listeners after so many polls; the least of some looks, since a poll may be under way."""
    deadline = time.monotonic() + 10 * DEADLINE_S
    while browser.execute_script("return window.polls") < polls:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{polls} polls never came")
        Event().wait(0.1)
    looks = []
    for _ in range(9):
        browser.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
        metrics = {each["name"]: each["value"] for each in browser.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]}
        looks.append((metrics["JSHeapUsedSize"] / 1000, metrics["Nodes"], metrics["JSEventListeners"]))
        Event().wait(LOOK_S)
    return min(look[0] for look in looks), min(look[1] for look in looks), min(look[2] for look in looks)


if __name__ == "__main__":
    main()
