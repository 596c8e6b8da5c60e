"""What the page of an application shows, read from an answer."""

import json
import re

URL = "/applications/ledger/"


def text_of(response):
    content = b"".join(response.streaming_content) if response.streaming else response.content
    return content.decode()


def chart(response):
    """The points that the page hands to its script."""
    found = re.search(
        r'<script id="chart-history" type="application/json">(.*?)</script>', text_of(response), re.DOTALL
    )
    [line] = json.loads(found[1])["lines"]
    return line["points"]


def cards(response):
    return {card.key: card for group in response.context["page"].cards for card in group}


def listed(response):
    return [instance.pk for instance in response.context["page"].rows]


def card_value(response, key):
    """What the card of a key shows, in the page's own text."""
    match = re.search(
        rf'title="{re.escape(key)}" [^>]*>[^<]*</a>\s*<span class="shm-kpi-value">(.*?)</span>', text_of(response)
    )
    return re.sub(r"<[^>]*>", "", match[1])


def drawn(response):
    return [line.label for line in response.context["page"].chart.lines]
