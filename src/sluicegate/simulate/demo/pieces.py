"""What the pages of demonstrations are made of, beside charts and tables."""

from collections.abc import Iterable, Sequence

from sluicegate.simulate.page import Chart, Html, chart, tag


def facts(*each: Html) -> Html:
    """A row of them."""
    return tag("dl", *each, class_="facts")


def fact(name: str, before: str, after: str, condition: str, *, plain: bool = False) -> Html:
    """A figure without and with a ``condition``, such as `traffic management`. ``plain``: neither is the better one."""
    colour = " plain" if plain else ""
    return tag(
        "div",
        tag("dt", name),
        tag(
            "dd",
            tag("span", before, class_=f"before{colour}", title=f"without {condition}"),
            tag("span", "→", class_="arrow", aria_label=f"without, then with {condition}:"),
            tag("span", after, class_=f"after{colour}", title=f"with {condition}"),
        ),
        class_="fact",
    )


def fact_in_words(name: str, words: str) -> Html:
    """One that has no two sides."""
    return tag("div", tag("dt", name), tag("dd", tag("span", words, class_="after words")), class_="fact")


def section(title: str, hint: str, charts: Sequence[Chart]) -> list[Html]:
    """A heading, what is to be seen, and charts beside each other."""
    return [
        tag("h2", title),
        tag("p", hint, class_="hint"),
        tag("div", *(chart(one) for one in charts), class_="pair"),
    ]


def assumptions(each: Iterable[tuple[str, str]]) -> Html:
    """Names and figures."""
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", figure)) for name, figure in each), class_="assumptions")


def middles(count: int, step: float) -> list[float]:
    """Where the figures of ``count`` stretches of ``step`` seconds stand."""
    return [round((number + 0.5) * step, 3) for number in range(count)]
