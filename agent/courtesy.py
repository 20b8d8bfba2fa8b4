"""What needs no skill: greetings, thanks, goodbyes, and the question what can be asked. English and Chinese."""

from __future__ import annotations

import re
from typing import Literal

Courtesy = Literal["greeting", "thanks", "farewell", "agreement", "help"]

_FEW = r"(?:\W+\w+){0,2}\W*$"
"""A few words after it: more are a question."""
_AGREES = (
    r"lol|haha+|wow|ok(?:ay)?|great|good|cool|nice|yes|yeah|yep|yup|no|nope|nah|sure|fine|perfect|alright|all right"
    r"|brilliant|awesome|excellent|got it|i see|makes sense|understood|interesting|whatever|never ?mind"
)
_WITH_IT = (
    r"thanks?|thank you|thx|cheers|please|then|now|for now|mate|man|really|very|so|oh|and|right|will do|sounds|to know"
    r"|point|idea|news|stuff|job|answer|advice|problem|worries|way|more questions|(?:that|this|it)(?:['’]?s| is)?"
    r"|all|i(?:['’]?m| am)|helps?|helpful|not|to me|i will|i['’]?ll|check|try"
)
"""What agreement is said with: "no worries", "yes, that helps". Anything else tells something: "no will"."""
_ASKS_ON = (
    r"(?:\b(?:also|but|what|how|why|when|where|who|which|can|could|does|should)\b"
    r"|[,.;!]\s*(?:and |now |ok(?:ay)?,? )?(?:my|our|he|she|they|is|are|do|if)\b)"
)
"""What follows thanks that are not all: "thanks! also what's a healthy weight"."""
_KINDS: tuple[tuple[Courtesy, re.Pattern[str]], ...] = (
    (
        "help",
        re.compile(
            r"^\W*(?:what (?:else )?can (?:you|i)(?: do| ask(?: you)?)?(?: for me)?|what do you (?:do|know)|who are you"
            r"|how do(?:es)? (?:you|this) work|help)\W*$"
            r"|^\W*(?:你(?:会|能|可以)(?:做)?(?:什么|干什么|干嘛)|你是谁|怎么用|帮助|我(?:能|可以)问(?:你)?什么)[呢啊吗\W]*$",
            re.IGNORECASE,
        ),
    ),
    (
        "thanks",
        re.compile(
            r"^\W*(?:(?:ok(?:ay)?|great|good|cool)\W+)?(?:thanks?|thank you|thx|cheers|many thanks)\b"
            rf"(?![^?？]*{_ASKS_ON})[^?？]{{0,40}}$"
            r"|^\W*(?:you(?:['’]?re| are) (?:a |an |the |so |very )*"
            r"(?:star|best|legend|lifesaver|great|amazing|awesome|helpful|kind)\b"
            r"|(?:that['’]?s|that is|this is|that was) (?:all|it|great|perfect|enough|(?:very |so )?helpful)\b"
            r"|i appreciate\b)(?:\W+\w+){0,5}[^\w?？]*$"
            r"|^\W*(?:非常)?(?:谢谢|多谢|感谢|辛苦了)[^?？吗呢怎什哪多几]{0,20}$|^[^?？吗呢]*(?:懂得真多|太棒了|真厉害|帮大忙了|没别的(?:问题|事)?了)",
            re.IGNORECASE,
        ),
    ),
    (
        "farewell",
        re.compile(rf"^\W*(?:(?:good)?bye|see you|good night){_FEW}|^\W*(?:再见|拜拜|晚安)", re.IGNORECASE),
    ),
    (
        "greeting",
        re.compile(
            rf"^\W*(?:hello|hi|hey|good (?:morning|afternoon|evening)){_FEW}"
            r"|^\W*(?:你好|您好|早上好|下午好|晚上好)\W*$",
            re.I,
        ),
    ),
    (
        "agreement",
        re.compile(
            rf"^\W*(?:{_AGREES})\b(?:\W+(?:{_AGREES}|{_WITH_IT})\b){{0,6}}\W*$"
            r"|^\W*(?:好的|明白了|知道了|嗯|哈哈|厉害|不用了|没事了)"
            r"(?:[好的嗯哦啊了呀啦哈太谢你您行吧先]|收到|感谢|您忙|先这样|知道|明白|可以|这样|没问题|没事|不用|\W)*$",
            re.IGNORECASE,
        ),
    ),
)


def courtesy_of(text: str) -> Courtesy | None:
    """What kind of courtesy a message is; None if it says anything else."""
    return next((kind for kind, pattern in _KINDS if pattern.search(text)), None)
