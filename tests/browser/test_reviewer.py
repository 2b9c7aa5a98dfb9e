"""A reviewer's day in the page: claim, read, edit, approve, reject; by mouse and by keyboard."""

import json

from selenium.webdriver.common.keys import Keys

from tests.browser.chromium import Chromium
from tests.browser.desk import Desk
from tests.ledger.reviews.opened import answer_text, opening, request_text

EVIL = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


def test_a_held_answer_is_claimed_edited_and_sent(there: Desk, browser: Chromium) -> None:
    """What the waiting router is told is what the reviewer wrote."""
    there.hold(opening(1))
    browser.open(there.at("ada") + "/console/reviews")
    browser.find("a.row").click()
    browser.shows("Nobody has claimed it")
    browser.press("Claim")
    browser.shows("You hold it")
    area = browser.find("#text")
    assert area.get_attribute("value") == "Yes."
    area.clear()
    area.send_keys("Yes, within 30 days.\nKeep the receipt.")
    browser.press("Send this text")
    browser.shows("Edited: the caller gets what you wrote.")

    told = there.outcome("d-1")
    assert (told["state"], told["by"]) == ("Edited", "ada")
    content = json.loads(told["answer"])["choices"][0]["message"]["content"]
    assert content == "Yes, within 30 days.\nKeep the receipt."


def test_an_answer_is_approved_as_it_is(there: Desk, browser: Chromium) -> None:
    """The next one that waits, by one button."""
    there.hold(opening(1))
    there.hold(opening(2, priority="High"))
    browser.open(there.at("ada") + "/console/reviews")
    browser.press("Claim the next one")
    browser.press("Approve the answer")
    browser.shows("Approved.")

    assert there.outcome("d-2")["state"] == "Approved"
    assert there.outcome("d-1") == {}


def test_a_request_is_rejected_with_a_message(there: Desk, browser: Chromium) -> None:
    """Before any model saw it."""
    there.hold(opening(1, stage="Request"))
    browser.open(there.at("ada") + "/console/reviews/d-1")
    browser.shows("No model has seen this request yet")
    browser.press("Claim")
    browser.find("#message").send_keys("Ask legal first.")
    browser.press("Reject")
    browser.shows("Rejected")

    told = there.outcome("d-1")
    assert (told["state"], told["message"]) == ("Rejected", "Ask legal first.")


def test_an_edit_that_is_no_json_is_kept_and_explained(there: Desk, browser: Chromium) -> None:
    """Nothing is decided, nothing that was typed is lost; the right text is then taken."""
    wanted = {"type": "json_object"}
    there.hold(opening(1, request=request_text(response_format=wanted), answer=answer_text("{}")))
    browser.open(there.at("ada") + "/console/reviews/d-1")
    browser.press("Claim")
    area = browser.find("#text")
    area.clear()
    area.send_keys("not json")
    browser.press("Send this text")
    browser.shows("the caller asked for JSON")
    assert there.outcome("d-1") == {}

    area = browser.find("#text")
    assert area.get_attribute("value") == "not json"
    area.clear()
    area.send_keys('{"refund": true}')
    browser.press("Send this text")
    browser.shows("Edited")
    assert there.outcome("d-1")["state"] == "Edited"
    assert browser.complaints_but(422) == []


def test_json_is_judged_while_it_is_typed(there: Desk, browser: Chromium) -> None:
    """Before it is sent."""
    there.hold(opening(1))
    browser.open(there.at("ada") + "/console/reviews/d-1")
    browser.press("Claim")
    browser.find("#edit summary").click()
    browser.find("#edited").send_keys("}")
    browser.shows("Not JSON yet")


def test_two_reviewers_never_hold_the_same(there: Desk, browser: Chromium) -> None:
    """The second sees who has it, and gets it when it is released."""
    there.hold(opening(1))
    browser.open(there.at("ada") + "/console/reviews/d-1")
    browser.press("Claim")
    browser.shows("You hold it")
    with Chromium() as other:
        other.open(there.at("ben") + "/console/reviews/d-1")
        other.shows("ada holds it")
        browser.press("Release")
        browser.shows("Released")
        other.press("Claim")  # the page follows by itself
        other.shows("You hold it")


def test_the_whole_way_by_the_keyboard(there: Desk, browser: Chromium) -> None:
    """Skip link, list, claim, text, send; the focus is seen at each step."""
    there.hold(opening(1))
    browser.open(there.at("ada") + "/console/reviews")
    browser.tab_to("Skip to content", 1)
    browser.keys(Keys.ENTER)
    browser.tab_to("support")
    browser.keys(Keys.ENTER)
    browser.shows("Nobody has claimed it")
    browser.tab_to("Claim")
    browser.keys(Keys.ENTER)
    browser.shows("You hold it")
    browser.tab_to("Text of the answer")
    browser.keys(Keys.CONTROL + "a" + Keys.NULL, "By hand.")
    browser.tab_to("Send this text")
    browser.keys(Keys.ENTER)
    browser.shows("Edited")

    assert "By hand." in there.outcome("d-1")["answer"]


def test_html_in_a_prompt_is_text(there: Desk, browser: Chromium) -> None:
    """In the request, the answer and the edit's form; and what turns a line round is seen."""
    turned = "pay \u202e100\u202c now"
    there.hold(
        opening(
            1, request=request_text(EVIL + "</pre></textarea>" + turned), answer=answer_text(EVIL)
        )
    )
    browser.open(there.at("ada") + "/console/reviews/d-1")
    browser.press("Claim")
    browser.shows("You hold it")

    assert browser.driver.title.startswith("Review of support")
    assert (
        browser.driver.execute_script(
            "return document.querySelectorAll('main img, main script').length"
        )
        == 0
    )
    assert EVIL in browser.text()
    assert "⟨U+202E⟩" in browser.text()
    assert browser.find("#text").get_attribute("value") == EVIL


def test_a_viewer_sees_that_it_waits_and_no_text(there: Desk, browser: Chromium) -> None:
    """The list is for all, callers' texts are for reviewers."""
    there.hold(opening(1))
    browser.open(there.at("vera") + "/console/reviews")
    browser.shows("support")
    assert browser.driver.find_elements("css selector", "a.row") == []

    browser.open(there.at("vera") + "/console/reviews/d-1")
    browser.shows("this is for the role reviewer; yours is viewer")
    assert browser.complaints_but(403) == []


def test_the_list_follows_what_happens(there: Desk, browser: Chromium) -> None:
    """Without anybody's reloading it; deadlines count down."""
    browser.open(there.at("ada") + "/console/reviews")
    browser.shows("Nothing waits for you")
    there.hold(opening(1))
    browser.shows("9 min")
    assert browser.find(".count").text.startswith("1")


def test_a_deadline_that_passed_is_told(there: Desk, browser: Chromium) -> None:
    """Who decides too late changes nothing, and reads why."""
    there.hold(opening(1, within_ms=4000))
    browser.open(there.at("ada") + "/console/reviews/d-1")
    browser.press("Claim")
    browser.shows("over")
    browser.press("Approve the answer")
    browser.shows("TimedOut")
    assert there.outcome("d-1")["state"] == "TimedOut"
    assert browser.complaints_but(409) == []
