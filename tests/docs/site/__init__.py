"""The site of the documentation: mkdocs-material over the pages as they stand in the tree.

It makes a searchable site of plain Markdown and fails on dead links and anchors; Sphinx wants its
own directives in the pages, Docusaurus a Node project. Its environment is its own: who uses
Pointsman installs none of it.
"""
