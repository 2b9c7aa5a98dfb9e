"""What each detector says, fact by fact."""

import json
from pathlib import Path
from types import ModuleType

import pytest

from pointsman.analysis import ORDER, AnalysisSettings, Prompt, Task, analyze
from pointsman.analysis.detectors import (
    chat,
    coding,
    conversation,
    document,
    multilingual,
    reasoning,
)
from tests.analysis.own_prompts import OWN_PROMPTS
from tests.analysis.prompts import ask

PASSAGE = "The harbor was quiet that evening. Nobody had seen the boat come back, and few asked. "


def test_at_least_85_percent_of_our_own_prompts_are_right() -> None:
    """68 prompts over all six tasks, written for this test."""
    right = sum(ask(text).task is task for task, text in OWN_PROMPTS)
    assert right >= 0.85 * len(OWN_PROMPTS)


def _right(part: str) -> float:
    text = Path(__file__).with_name("task_texts.json").read_text(encoding="utf-8")
    prompts: dict[str, list[list[str]]] = json.loads(text)
    right = [str(ask(asked).task) == task for task, asked in prompts[part]]
    return sum(right) / len(right)


def test_short_requests_of_each_task_are_told() -> None:
    """152 of them, in five languages; they were looked at while the rules were written."""
    assert _right("written_while_looking") >= 0.9


def test_requests_in_words_of_their_own_are_told_less_often() -> None:
    """The honest figure: 69 % of 74 at the first look; reasoning without terms goes to chat."""
    assert _right("first_look") >= 0.69


def test_every_place_in_the_order_has_a_reason() -> None:
    """The order is data that a reader can question."""
    assert len({detector.name for detector in ORDER}) == len(ORDER)
    assert all(detector.reason for detector in ORDER)


def test_the_threshold_of_long_context_is_the_operators() -> None:
    """One token below it is not long; at it, it is."""
    text = "word " * 8_000
    tokens = ask(text).context_tokens
    prompt = Prompt(user=text, total_chars=len(text))
    at = analyze(prompt, AnalysisSettings(long_context_tokens=tokens))
    above = analyze(prompt, AnalysisSettings(long_context_tokens=tokens + 1))
    assert at.task is Task.LONG_CONTEXT
    assert at.evidence[0] == f"length: {tokens:,} tokens >= {tokens:,}"
    assert above.task is not Task.LONG_CONTEXT


def test_a_long_history_makes_a_short_question_long_context() -> None:
    """The model reads all messages, not only the last."""
    prompt = Prompt(user="And then?", history="so " * 900, total_chars=50_000, turns=40)
    assert analyze(prompt).task is Task.LONG_CONTEXT


@pytest.mark.parametrize(
    "message",
    [
        "```\nx\n```",
        "def area(r):\n    return 3.14 * r * r",
        "> import numpy as np\nis this right",
        "#include <stdio.h>",
        "$ kubectl get pods",
        "ValueError: invalid literal for int()",
        "Explain how async works in Python",
        "Create an API endpoint that returns all orders",
    ],
)
def test_code_or_words_that_ask_for_it_are_coding(message: str) -> None:
    """Fences, definitions, shells, stack traces, and verbs beside what programmers write."""
    assert ask(message).task is Task.CODING


@pytest.mark.parametrize(
    "message",
    [
        "Which class should my daughter choose at school?",
        "Write a poem about autumn",
        "What can I build with Lego?",
        "Please select a gift for my mother from the list",
    ],
)
def test_one_word_that_programmers_also_use_is_not_coding(message: str) -> None:
    """Class, build, select and list belong to everybody."""
    assert ask(message).task is not Task.CODING


@pytest.mark.parametrize(
    "message",
    [
        "How many people live in France?",
        "I paid $5 and then $3, can I have a receipt?",
        "Call me at 555-1234 after 5.",
        "What time does flight 417 land?",
        "How much does the premium plan cost?",
    ],
)
def test_a_number_or_how_many_alone_is_not_reasoning(message: str) -> None:
    """Facts to look up are chat."""
    assert ask(message).task is Task.CHAT


@pytest.mark.parametrize(
    "message",
    [
        r"Evaluate \frac{3}{4} of 48.",
        "If $x+y=4$ and $xy=3$, what is $x^2+y^2$?",
        "What is 17 * 23?",
        "What is the remainder when 1000 is divided by 7?",
        "Solve this step by step: who is the oldest of the three?",
        "Which planet is largest?\n(A) Mars\n(B) Venus\n(C) Jupiter\n(D) Earth",
    ],
)
def test_notation_terms_options_and_steps_are_reasoning(message: str) -> None:
    """Each of them is enough."""
    assert ask(message).task is Task.REASONING


def test_a_given_text_with_numbers_is_a_document_not_an_exercise() -> None:
    """Order matters: the text is given, so its numbers are not the question's."""
    report = "In 2020 the shop sold 300 lamps, in 2021 it sold 450, and in 2022 half of that. " * 3
    assert ask(f"Based on the following report, how many lamps?\n{report}").task is Task.DOCUMENT


def test_a_question_after_a_long_text_without_a_cue_is_a_document() -> None:
    """Nobody chats in 180 words of prose."""
    assert ask(PASSAGE * 20 + "Who asked?").task is Task.DOCUMENT


def test_a_question_to_a_system_message_full_of_sources_is_a_document() -> None:
    """Retrieval puts the text before the conversation."""
    system = "Answer from these sources only.\nContext:\n" + PASSAGE * 30
    assert ask("When did the boat leave?", system=system).task is Task.DOCUMENT
    assert ask("When did the boat leave?", system="Be polite.").task is Task.CHAT


def test_a_short_follow_up_to_code_stays_coding() -> None:
    """ "Now make it faster" means what went before."""
    history = "Write quicksort\n```python\ndef quicksort(a): ...\n```"
    assert ask("Now make it faster", history=history, turns=2).task is Task.CODING
    assert ask("Now make it faster").task is Task.CHAT
    alone = ask("What is the capital of Peru?", history=history, turns=2)
    assert alone.task is Task.CHAT


def test_a_long_text_without_words_we_know_is_undecided() -> None:
    """Then the task is the default, and says so."""
    analysis = ask("zzgh qwrt " * 60)
    assert (analysis.task, analysis.decided, analysis.confidence) == (Task.CHAT, False, 0.0)
    assert analysis.evidence[0] == "no detector was sure"


def test_tools_and_images_are_told_and_do_not_change_the_task() -> None:
    """An image costs tokens; neither says what is asked."""
    plain = ask("What is this?")
    both = ask("What is this?", tools=True, images=True)
    assert both.task is plain.task
    assert both.evidence[-1] == "with tools and images"
    assert both.context_tokens == plain.context_tokens + 765


@pytest.mark.parametrize(
    "detector", [chat, coding, conversation, document, multilingual, reasoning]
)
def test_every_list_of_a_detector_is_among_its_cues(detector: ModuleType) -> None:
    """A word that is missing there is never found, because only cues are kept of a message."""
    for name, listed in vars(detector).items():
        if isinstance(listed, frozenset):
            assert listed <= detector.CUES, name
