"""What of a page of the tree is otherwise on the site: folders have pages, blocks have no words.

A page keeps its path, so that every link that leads somewhere in the tree does so on the site.
The navigation is docs/README.md: its headings are sections, the first link of a row is a page.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Final, TypeAlias

from tests.docs.snippets import FENCE, ROOT, pages

INDEX: Final = "docs/README.md"
HOME: Final = "README.md"
STYLE: Final = "docs/site.css"
# Each of these folders has a page that shows its files.
SHOWN: Final = ("crds/examples", "deploy", "tests/perf/go")
_LINK: Final = re.compile(
    r"(?<=\]\()(?!https?:|#|mailto:)(?P<path>[^)#\s]+)(?P<anchor>#[^)]*)?(?=\))"
)
_LANGUAGES: Final = {".yaml": "yaml", ".go": "go", ".py": "python", ".json": "json"}

Nav: TypeAlias = list[dict[str, str | list[dict[str, str]]]]


def slug(text: str, separator: str = "-") -> str:
    """The anchor of a heading, as GitHub names it."""
    return re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", separator)


def navigation(index: str) -> Nav:
    """Of the index's text: `[{"Home": ...}, {section: [{title: path}, ...]}, ...]`."""
    found: Nav = [{"Home": HOME}]
    for part in re.split(r"^## ", index, flags=re.MULTILINE)[1:]:
        title = part.partition("\n")[0].strip()
        rows = re.findall(r"^\| \[([^\]]+)\]\(([^)]+)\) \|", part, re.MULTILINE)
        if rows:
            found.append({title: [{name: page_of(INDEX, link)} for name, link in rows]})
    return found


def page_of(page: str, link: str) -> str:
    """The path on the site of what a link of `page` leads to; a folder's is its README."""
    there = normpath(PurePosixPath(page).parent / link)
    return f"{there}/README.md" if link.endswith("/") else there


def linked(nav: Nav) -> list[str]:
    """Every page of the navigation."""
    return [
        path
        for one in nav
        for entry in one.values()
        for path in ([entry] if isinstance(entry, str) else [p for x in entry for p in x.values()])
    ]


def markdown(text: str, page: str) -> str:
    """The page's text with links to files of shown folders as anchors, and blocks without words."""
    pieces, end = [], 0
    for found in FENCE.finditer(text):
        language = found["info"].strip().partition(" ")[0]
        pieces.append(_prose(text[end : found.start()], page))
        pieces.append(_block(found["body"], language, found["indent"]))
        end = found.end()
    return "".join([*pieces, _prose(text[end:], page)])


def _prose(text: str, page: str) -> str:
    """A `|` in code needs no backslash in a table here; on GitHub it does."""
    rows = re.compile(r"^\|.*$", re.MULTILINE)
    code = re.compile(r"`[^`\n]+`")
    plain = rows.sub(lambda row: code.sub(lambda one: one[0].replace("\\|", "|"), row[0]), text)
    return _with_links(plain, page)


def _block(body: str, language: str, indent: str) -> str:
    """In a list four spaces make it a part of the item; two do on GitHub."""
    deeper = " " * (4 - len(indent)) if indent else ""
    lines = f"{indent}```{language}\n{body}{indent}```".split("\n")
    return "\n".join(f"{deeper}{line}" if line else line for line in lines)


def _with_links(text: str, page: str) -> str:
    def of_the_site(found: re.Match[str]) -> str:
        path, anchor = found["path"], found["anchor"] or ""
        there = normpath(PurePosixPath(page).parent / path)
        name = PurePosixPath(there).name
        if path.endswith("/") or (there.startswith(SHOWN) and "." not in name):
            return f"{path.rstrip('/')}/README.md{anchor}"
        if there.startswith(SHOWN) and PurePosixPath(name).suffix in _LANGUAGES:
            return f"{path[: -len(name)]}README.md#{slug(name)}"
        return path + anchor

    return _LINK.sub(of_the_site, text)


def assets() -> Iterator[str]:
    """Files that are no pages and that pages show or link to, by their paths in the tree."""
    yield STYLE
    for page in pages():
        for found in _LINK.finditer(FENCE.sub("", page.read_text(encoding="utf-8"))):
            there = (page.parent / found["path"]).resolve()
            if there.is_file() and there.suffix != ".md" and there.is_relative_to(ROOT):
                yield there.relative_to(ROOT).as_posix()


def folder_pages() -> Mapping[str, str]:
    """Path and text of the page of each shown folder and of each folder in it."""
    found = {}
    for root in SHOWN:
        for folder in [ROOT / root, *sorted((ROOT / root).rglob("*"))]:
            if folder.is_dir() and not (folder / "README.md").exists():
                found[f"{folder.relative_to(ROOT).as_posix()}/README.md"] = _folder_page(folder)
    return found


def _folder_page(folder: Path) -> str:
    entries = sorted(folder.iterdir())
    files = [one for one in entries if one.suffix in _LANGUAGES]
    lines = [f"# {folder.name.capitalize() if not files else folder.name}\n"]
    lines += [f"- [{one.name}]({one.name}/README.md)" for one in entries if one.is_dir()]
    for file in files:
        text = file.read_text(encoding="utf-8").rstrip()
        lines.append(f"\n## {file.name}\n\n````{_LANGUAGES[file.suffix]}\n{text}\n````")
    return "\n".join(lines) + "\n"
