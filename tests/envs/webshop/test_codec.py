"""WebShop's texts as a small policy reads and writes them."""

from proxmo.envs import registry
from proxmo.envs.webshop.codec import ArticleNumbers

PAGE = "Back to Search [SEP] B0N1C5U30D [SEP] red mug [SEP] B0N1C5U31E [SEP] B0N1C5U30D"


def test_articles_are_numbered_in_the_order_of_the_page():
    told = "Back to Search [SEP] #1 [SEP] red mug [SEP] #2 [SEP] #1"
    assert ArticleNumbers().shown(PAGE, PAGE) == told


def test_what_is_said_is_what_is_meant():
    codec = ArticleNumbers()
    said = {
        "click[B0N1C5U31E]": "click[ #2]",
        "click[b0n1c5u31e]": "click[ b0n1c5u31e]",  # lower case is no article number
        "search[red mug [large]]": "search[ red mug [large]]",
        "click[B0AAAAAAA1]": "click[ B0AAAAAAA1]",  # not on the page
        "buy": "buy",
    }
    for action, response in said.items():
        assert codec.said(action, PAGE) == response
        assert codec.meant(response, PAGE) == action


def test_a_number_that_no_article_has_stays_as_it_was_written():
    codec = ArticleNumbers()
    huge = "9" * 5000  # more digits than Python reads as a number
    assert codec.meant("click[ #3]", PAGE) == "click[#3]"
    assert codec.meant("click[ #0]", PAGE) == "click[#0]"
    assert codec.meant(f"click[ #{huge}]", PAGE) == f"click[#{huge}]"
    assert codec.meant("click[ #002]", PAGE) == "click[B0N1C5U31E]"
    assert codec.meant("search[ #1 mug]", PAGE) == "search[#1 mug]"


def test_the_environment_names_its_codec():
    assert isinstance(registry.get("webshop").make_codec(), ArticleNumbers)
