"""Coding: a program is shown, asked for, or has failed.

Guarantees that marks of code (fences, definitions, stack traces) come before words about code, and
that words count only where instructions stand. Refuses a single ambiguous word ("class", "go").
"""

import re

from pointsman.analysis import notation
from pointsman.analysis.facts import Facts, Verdict
from pointsman.analysis.text import Text, word_set
from pointsman.api.tasks import Task

# Lines only programs, queries, shells and stack traces have; each is matched at the start of a
# line and its repeats are bounded, so that no line costs more than its length.
_SYNTAX = re.compile(
    r"""(?:
      (?:async\s)?def\s+\w{1,80}\s*\( | class\s+\w{1,80}\s*[(:{] | from\s+[\w.]{1,80}\s+import\s | import\s+[\w.]{1,80}\s*(?:;|$|as\s)
    | (?:export\s+|async\s+){0,2}function\s*\w{0,80}\s*\( | (?:const|let|var)\s+[\w{}, ]{1,80}\s*=\s | fn\s+\w{1,80}\s*[(<] | func\s+[\w() *]{1,80}\(
    | \#\s?include\s*[<"] | (?:public|private|protected|static)\s+[\w<>\[\] ]{1,80}[({] | package\s+\w{1,80}; | using\s+[\w.]{1,80};
    | select\s[^\n]{1,200}\sfrom\s | insert\s+into\s | create\s+table\s | update\s+\w{1,80}\s+set\s | alter\s+table\s
    | traceback\s\(most\srecent | (?:\w{1,80}\.){0,10}\w{0,80}(?:error|exception):\s | exception\sin\sthread | at\s[\w.$]{3,200}\([\w.]{1,80}:\d
    | <(?:!doctype|html|div|script|body|span|table|head|svg)\b | (?:npm|pip|git|docker|kubectl|helm|curl|sudo|apt-get|cargo|yarn|brew)\s+[\w-]
    | for\s?\((?:int|let|var|auto|size_t|const)\s | \#!/ | apiversion:\s | (?:if|for|while|switch)\s?\([^\n]{1,200}\)\s?\{ | \w[\w.]{0,80}\([^\n]{0,200}\);?\s*$(?<=;)
    | (?:return|print|printf|console\.log|system\.out\.println?|assert)[\s(][^\n]{0,200}[;)]\s*$
    )""",  # noqa: E501 - one alternative a line would hide which belong together
    re.VERBOSE,
)
_CODE_MARKS = ("(", "{", ";", "#", "=", "$", "<", ":", "select ", "import ", "git ")
_VERBS = word_set(
    """write implement create build develop fix debug refactor optimize optimise generate code
    convert complete make design add test port rewrite document review improve explain program
    need simplify translate"""
)
# What a person asks a programmer to write; "class" and "test" need a second word (below).
_ARTIFACTS = word_set(
    """function functions script scripts program programs query queries regex regexp algorithm code
    api endpoint component parser decorator snippet subroutine dockerfile makefile codebase
    webpage website app cli macro crud microservice unittest unittests method methods bot
    crawler scraper compiler schema middleware struct interface cache queue stack loop trie
    hashmap iterator solution"""
)
_ASK_DISTANCE = 8
_END_CHARS = 12
# Two points: names and words of programming alone.
_STRONG = word_set(
    """python javascript typescript golang kotlin sql mysql postgres postgresql sqlite mongodb
    nodejs numpy pandas django pytorch tensorflow html css regex regexp traceback stacktrace
    segfault segfaults dockerfile kubectl kubernetes pytest npm webpack oauth graphql
    nullpointerexception keyerror typeerror valueerror indexerror attributeerror async
    asyncio mutex linq jquery bytecode leetcode unittest haskell matlab powershell codebase
    refactor refactoring linter mypy fastapi redis terraform ansible dataframe substring
    substrings subarray subarrays palindromic heapsort quicksort mergesort gitignore div
    flexbox localhost nginx rerender rerenders stdlib stdio hashtable memoization enum
    typedef goroutine goroutines sklearn tsconfig cmake gcc clang gdb rustc vscode gitlab
    cicd pyspark plpgsql nullptr foreach lru cors"""
)
# One point: words programming shares with other lives.
_WEAK = word_set(
    """dependency injection join joins generics java rust swift ruby perl scala react angular vue
    flask spring bug bugs debug stack trace exception exceptions compile compiles compiler
    compilation syntax runtime variable variables array arrays loop loops recursion
    recursive iterate thread threads pointer pointers null undefined json yaml xml csv api
    apis endpoint database query queries index commit commits branch merge rebase repo
    repository git github docker container containers deploy library framework import
    imports module modules function functions method methods class classes dictionaries
    dicts object inheritance string strings integer integers boolean tuple tuples dictionary
    dict hashmap list lists linux bash shell terminal script scripts program programming
    programmer code coding coder software backend frontend server http url parser parse
    algorithm algorithms crash crashes crashed callback closure lambda node cpu deadlock
    schema binary sorted sort implement stdin stdout pip venv vim ide cron config"""
)
CUES = _VERBS | _ARTIFACTS | _STRONG | _WEAK
# "... in Go?" at the end: names that are words or letters, too.
_LANGUAGE_AT_END = re.compile(r"\bin (?:go|c|r|lua|dart|julia|d|zig)\b[\s?.!]*\Z")
_FILE = re.compile(r"\.(?:py|js|ts|java|cpp|go|rs|sh|sql|json|yaml|yml)\b")


def detect(facts: Facts) -> Verdict | None:
    """Coding when code is shown, or the words that ask for it stand together."""
    text = facts.text
    mark = shown(text)
    if mark:
        return Verdict(Task.CODING, 0.95, (f"code: {mark}",))
    known = text.cues
    strong = sorted(known & _STRONG)
    if strong == ["div"] and "\\div" in text.sample:
        strong = []
    if not strong and notation.is_formula_source(text.sample):
        return None  # "the function", "an integer": mathematics
    asked = _asked(text)
    weak = known & _WEAK
    points = 2 * len(strong) + len(weak) + 2 * _named_by_marks(text.lower)
    if asked and points:
        return Verdict(Task.CODING, 0.9, (f"code: {asked}",))
    # A long message needs more: its 140 instruction words meet some of these by chance.
    needed = 2 if len(text.words) <= 60 else 4
    if points > needed or (points == needed and (strong or len(text.words) <= 40)):
        words = ", ".join((strong + sorted(weak))[:3])
        return Verdict(Task.CODING, min(0.5 + 0.1 * points, 0.9), (f"code: words {words}",))
    return None


def shown(text: Text) -> str:
    """Name the mark of code in the text, or return an empty string."""
    lower = text.lower
    if "```" in lower:
        return "fence"
    if not any(map(lower.__contains__, _CODE_MARKS)):
        return ""
    # A formula's source has lines that look like calls; reasoning.py reads those.
    if notation.is_formula_source(lower):
        return ""
    for number, line in enumerate(text.lines(), 1):
        if _SYNTAX.match(line):
            return f"syntax in line {number}"
    return ""


def _named_by_marks(lower: str) -> bool:
    """Whether a language or a file is named that has no letters of its own ("C++", "app.py")."""
    if ("+" in lower and "c++" in lower) or ("#" in lower and "c#" in lower):
        return True
    if "unit test" in lower or "==" in lower:
        return True
    if " in " in lower[-_END_CHARS:] and _LANGUAGE_AT_END.search(lower, max(len(lower) - 12, 0)):
        return True
    return "." in lower and ("node.js" in lower or _FILE.search(lower) is not None)


def _asked(text: Text) -> str:
    """Return "write ... function" where such a verb and such a noun stand close together."""
    edge = text.edge
    if text.cues.isdisjoint(_VERBS) or text.cues.isdisjoint(_ARTIFACTS):
        return ""
    for start, word in enumerate(edge):
        if word not in _VERBS:
            continue
        for noun in edge[start + 1 : start + 1 + _ASK_DISTANCE]:
            if noun in _ARTIFACTS:
                return f"{word} ... {noun}"
    return ""
