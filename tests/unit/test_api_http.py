import gzip
import re
import tracemalloc
from email.utils import parsedate_to_datetime

import pytest

from equipment.fakes import FakeAgent, FakeClock, FakeReader, make_settings
from equipment.web import Client
from pathwarden.api.app import make_app
from pathwarden.api.listen import join_listen, split_listen
from pathwarden.errors import ConfigError

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)


def client(listen=("127.0.0.1:8866",), root="/nonexistent"):
    return Client(make_app(FakeAgent(), FakeReader(), make_settings(listen=listen, root=str(root)), FakeClock()))


@pytest.fixture
def web():
    return client()


@pytest.fixture
def page(tmp_path):
    root = tmp_path / "web"
    (root / "views").mkdir(parents=True)
    (root / "index.html").write_text("<!doctype html>")
    (root / "main.js").write_text("let x = 1;\n" * 500)
    (root / "views" / "a.css").write_text("a{}")
    (root / "icon.png").write_bytes(bytes(range(256)) * 16)
    (root / "secret.pem").write_text("key")
    (root / ".hidden.js").write_text("h")
    (root / ".git").mkdir()
    (root / ".git" / "a.js").write_text("h")
    (tmp_path / "outside.js").write_text("o")
    (tmp_path / "web-other").mkdir()
    (tmp_path / "web-other" / "b.js").write_text("o")
    (root / "link.js").symlink_to(tmp_path / "outside.js")
    return client(root=root)


@pytest.mark.parametrize("path", ["/", "/static/main.js", "/api/v1/status", "/metrics", "/healthz", "/nothing", "/api/v1/traces/1"])
@pytest.mark.parametrize("host", ["127.0.0.1", "evil.example"])
def test_every_answer_has_the_shared_headers(page, path, host):
    headers = page.get(path, HOST=host).headers
    assert headers["content-security-policy"] == CSP
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["vary"] == "Accept-Encoding"
    own_file = path in ("/", "/static/main.js") and host == "127.0.0.1"
    assert headers["cache-control"] == ("no-cache" if own_file else "no-store")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/api/v1/", 404, "not_found"),
        ("GET", "/api/v1/status/", 404, "not_found"),
        ("GET", "//", 404, "not_found"),
        ("PUT", "/api/v1/status", 405, "method_not_allowed"),
        ("DELETE", "/api/v1/targets", 405, "method_not_allowed"),
        ("GET", "/api/v1/targets/cloudflare/trace", 405, "method_not_allowed"),
        ("OPTIONS", "/api/v1/targets/cloudflare/trace", 405, "method_not_allowed"),
    ],
)
def test_what_is_not_there_says_so_in_json(web, method, path, status, code):
    got = web.get(path, method=method)
    assert (got.status, got.json["status"], got.json["code"]) == (status, status, code)
    assert got.headers["content-type"] == "application/problem+json"
    assert ("allow" in got.headers) == (status == 405)
    assert not [name for name in got.headers if name.startswith("access-control")]


def test_bytes_that_are_no_utf8_in_a_path(web):
    got = web.get("/api/v1/targets/\udcff".encode("utf-8", "surrogateescape").decode("latin-1"))
    assert got.status in (400, 404)
    assert got.json["code"] in ("bad_request", "unknown_target")


@pytest.mark.parametrize("path", ["/", "/api/v1/summary", "/metrics", "/healthz", "/nothing", "/api/v1/targets/cloudflare/trace"])
@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_head_is_get_without_the_body(page, path, encoding):
    get, head = page.get(path, ACCEPT_ENCODING=encoding), page.get(path, method="HEAD", ACCEPT_ENCODING=encoding)
    assert (head.status, head.headers, head.raw) == (get.status, get.headers, b"")
    assert int(head.headers["content-length"]) == len(get.raw)


def test_an_unchanged_answer_is_not_sent_again(web):
    first = web.get("/api/v1/status")
    tag = first.headers["etag"]
    again = web.get("/api/v1/status", IF_NONE_MATCH=tag)
    assert (again.status, again.raw, again.headers["etag"]) == (304, b"", tag)
    assert "content-length" not in again.headers
    assert "content-type" not in again.headers
    for given in (f'"x", {tag}', tag.removeprefix("W/"), "*"):
        assert web.get("/api/v1/status", IF_NONE_MATCH=given).status == 304
    for given in ("", '"x"', tag[:-2], "W/"):
        assert web.get("/api/v1/status", IF_NONE_MATCH=given).status == 200


def test_the_tag_follows_the_content_and_not_its_coding(page):
    plain, packed = page.get("/static/main.js"), page.get("/static/main.js", ACCEPT_ENCODING="gzip")
    assert plain.headers["etag"] == packed.headers["etag"] != page.get("/static/views/a.css").headers["etag"]
    assert page.get("/static/main.js", IF_NONE_MATCH=plain.headers["etag"]).headers["cache-control"] == "no-cache"


def test_errors_have_no_tag(web):
    assert "etag" not in web.get("/nothing").headers


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip", True), ("br, GZIP;q=0.5", True), ("deflate, gzip; q=1.0", True),
        ("gzip;q=0", False), ("gzip;q=0.000", False), ("br", False), ("", False), ("xgzip", False),
    ],
)  # fmt: skip
def test_long_answers_are_packed_for_who_can_unpack_them(page, accepted, packed):
    got = page.get("/static/main.js", ACCEPT_ENCODING=accepted)
    assert ("content-encoding" in got.headers) is packed
    assert got.body == b"let x = 1;\n" * 500
    assert (len(got.raw) < len(got.body)) is packed
    if packed:
        assert gzip.decompress(got.raw) == got.body


def test_short_answers_and_pictures_are_not_packed(page):
    assert "content-encoding" not in page.get("/static/views/a.css", ACCEPT_ENCODING="gzip").headers
    assert "content-encoding" not in page.get("/static/icon.png", ACCEPT_ENCODING="gzip").headers


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8866",
        "127.9.9.9:1",
        "localhost",
        "LOCALHOST:9999",
        "[::1]",
        "[::1]:8866",
        "192.168.1.1:8866",
        "[FD00::1]:80",
    ],
)
def test_our_own_names_are_answered(host):
    assert client(listen=("192.168.1.1:8866", "[fd00::1]:8866")).get("/healthz", HOST=host).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:8866", "localhost.evil.example", "127.0.0.1.evil.example", "192.168.1.2", "[fd00::2]", "::1", "",
        "127.0.0.1, evil.example", "127.0.0.1:8866@evil.example", "127.0.0.1/x", "localhost:8866:1", " localhost", "[localhost", "127.1",
        "0x7f.0.0.1", "2130706433", "lo\u0131calhost".encode().decode("latin-1"), "localhost\n",
    ],
)  # fmt: skip
def test_foreign_names_are_not_answered(host):
    got = client(listen=("192.168.1.1:8866", "[fd00::1]:8866")).get("/api/v1/status", HOST=host)
    assert (got.status, got.json["code"]) == (421, "wrong_host")


@pytest.mark.parametrize("listen", ["0.0.0.0:8866", "[::]:8866"])
def test_on_all_addresses_any_address_will_do_but_no_name(listen):
    web = client(listen=(listen,))
    assert web.get("/healthz", HOST="192.0.2.77:8866").status == 200
    assert web.get("/healthz", HOST="router.example").status == 421


def post(web, body=b"{}", content_type="application/json", **headers):
    got = web.post("/api/v1/targets/cloudflare/trace", body, content_type, **headers)
    return got.status, got.json.get("code")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"ORIGIN": "http://127.0.0.1:8866"},
        {"ORIGIN": "http://127.0.0.1:8866", "SEC_FETCH_SITE": "same-origin"},
        {"SEC_FETCH_SITE": "none"},
        {"ORIGIN": "http://localhost:9999", "HOST": "localhost:9999"},
    ],
)
def test_our_own_page_and_programs_may_write(web, headers):
    assert post(web, **headers) == (202, None)


@pytest.mark.parametrize(
    "headers",
    [
        {"ORIGIN": "http://evil.example"},
        {"ORIGIN": "null"},
        {"ORIGIN": ""},
        {"ORIGIN": "http://127.0.0.1:80"},
        {"ORIGIN": "http://127.0.0.1"},
        {"ORIGIN": "https://127.0.0.1:8866"},
        {"ORIGIN": "http://localhost:8866"},
        {"ORIGIN": "http://127.0.0.1:8866.evil.example"},
        {"SEC_FETCH_SITE": "cross-site"},
        {"SEC_FETCH_SITE": "same-site"},
        {"ORIGIN": "http://127.0.0.1:8866", "SEC_FETCH_SITE": "cross-site"},
    ],
)
def test_a_strangers_page_may_not_write(web, headers):
    assert post(web, **headers) == (403, "foreign_origin")


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx"]
)
def test_writes_are_json(web, content_type):
    assert post(web, content_type=content_type) == (415, "not_json")


def test_json_may_name_its_charset(web):
    assert post(web, content_type="application/json; charset=utf-8") == (202, None)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe\x00", b"[" * 60_000, b"1" * 6_000])
def test_a_body_that_is_no_object(web, body):
    assert post(web, body) == (400, "bad_body")


def test_a_body_has_a_limit(web):
    assert post(web, b'{"x":"' + b"a" * 70_000 + b'"}') == (413, "body_too_large")
    assert post(web, b"{}", CONTENT_LENGTH="9" * 30) == (413, "body_too_large")


def test_the_page_and_its_files(page):
    index = page.get("/")
    assert (index.status, index.body, index.headers["content-type"]) == (200, b"<!doctype html>", "text/html; charset=utf-8")
    assert page.get("/static/main.js").headers["content-type"] == "text/javascript; charset=utf-8"
    assert page.get("/static/views/a.css").headers["content-type"] == "text/css; charset=utf-8"
    assert page.get("/static/icon.png").headers["content-type"] == "image/png"


def test_a_browser_asks_for_each_file_once_until_one_changes(page, tmp_path):
    root = tmp_path / "web"
    (root / "index.html").write_text('<script type="module" src="static/main.js"></script><link href="static/views/a.css">')
    index = page.get("/")
    kept = {match[1] for match in re.finditer(rb'"(static/@\w+)/', index.body)}
    assert index.body.count(b"@") == 2
    assert index.headers["cache-control"] == "no-cache"
    (folder,) = (f"/{one.decode()}" for one in kept)
    for name in ("main.js", "views/a.css"):
        got, plain = page.get(f"{folder}/{name}"), page.get(f"/static/{name}")
        assert (got.status, got.body, got.headers["etag"]) == (200, plain.body, plain.headers["etag"])
        assert got.headers["cache-control"] == "max-age=31536000, immutable"
        assert page.get(f"/static/@0123456789ab/{name}").headers["cache-control"] == "no-cache", "of another version, for a page of that"
    again = page.get("/", IF_NONE_MATCH=index.headers["etag"])
    assert again.status == 304
    (root / "views" / "a.css").write_text("a { color: green }")
    other = page.get("/", IF_NONE_MATCH=index.headers["etag"])
    assert other.status == 200
    assert folder.encode() not in other.body
    assert page.get(f"{folder}/main.js").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "name",
    [
        "@", "@/", "@0123456789ab", "@0123456789ab/", "@0123456789ab//main.js", "@0123456789ab/../main.js", "@/../../outside.js",
        "@0123456789ab/@0123456789ab/main.js",
        "secret.pem", "missing.js", "views", "", ".hidden.js", ".git/a.js", "link.js", "../outside.js", "views/../../outside.js",
        "../web-other/b.js", "/etc/passwd", "//etc/hosts.js", "..\\outside.js", "main.js/", "main.js\x00", "main.js\x00.css",
        "a" * 5000 + ".js", "%2e%2e/outside.js", "views/./../.hidden.js",
    ],
)  # fmt: skip
def test_nothing_else_leaves_the_folder(page, name):
    got = page.get(f"/static/{name}")
    assert (got.status, got.json["code"]) == (404, "not_found")


def test_without_its_files_the_page_is_absent_and_the_rest_works(web):
    assert web.get("/").status == 404
    assert web.get("/healthz").status == 200


@pytest.mark.parametrize(
    ("text", "pair"), [("127.0.0.1:8866", ("127.0.0.1", 8866)), ("[::1]:0", ("::1", 0)), ("0.0.0.0:65535", ("0.0.0.0", 65535))]
)
def test_listen_addresses(text, pair):
    assert split_listen(text) == pair
    assert join_listen(*pair) == text


@pytest.mark.parametrize(
    "text",
    [
        "", "8866", ":8866", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:x", "::1:80", "[127.0.0.1]:80", "[::1]", "host:1",
        "1.2.3.4:\u0663", "1.2.3.4:-1",
    ],
)  # fmt: skip
def test_wrong_listen_addresses(text):
    with pytest.raises(ConfigError) as caught:
        split_listen(text)
    assert str(caught.value) == f"web.listen: {text!r} is not address:port; write it like 127.0.0.1:8866 or [::1]:8866"


def test_a_huge_content_length_costs_no_memory(web):
    tracemalloc.start()
    post(web, b"{}", CONTENT_LENGTH=str(2**40))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


@pytest.mark.parametrize("path", ["/api/v1/status", "/nothing"])
def test_the_date_is_the_agents_clock(web, path):
    assert parsedate_to_datetime(web.get(path).headers["date"]).timestamp() == FakeClock().wall_ns() // 1_000_000_000


def test_answers_that_were_told_at_another_time_alone_are_the_same():
    agent = FakeAgent()
    web = Client(make_app(agent, FakeReader(), make_settings(), FakeClock()))
    tag = web.get("/api/v1/summary").headers["etag"]
    agent.about["ts"] = agent.states[0]["ts"] = "2026-11-21T09:00:00.000Z"
    assert web.get("/api/v1/summary", IF_NONE_MATCH=tag).status == 304
    agent.states[0]["rtt_ms"] = 12.0
    assert web.get("/api/v1/summary", IF_NONE_MATCH=tag).status == 200
