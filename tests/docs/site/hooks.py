"""What mkdocs calls: the pages of the whole tree in place of one folder's, and the navigation.

Runs where mkdocs is installed (tests/docs/site/install.py), not in the project's own environment.
"""

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from tests.docs.site.pages import INDEX, assets, folder_pages, markdown, navigation, slug
from tests.docs.snippets import ROOT, pages


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The index of the pages is the navigation; anchors are GitHub's."""
    config.nav = navigation((ROOT / INDEX).read_text(encoding="utf-8"))
    config.mdx_configs.setdefault("toc", {})["slugify"] = slug
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """What mkdocs found below docs/ goes; the tree's pages come, each with its own path."""
    for file in list(files):
        if file.src_dir == config.docs_dir:
            files.remove(file)
    named = [page.relative_to(ROOT).as_posix() for page in pages()]
    for name in [*named, *sorted(set(assets()))]:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    for name, text in folder_pages().items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(text: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links and blocks as the site wants them."""
    del config, files
    return markdown(text, page.file.src_uri)
