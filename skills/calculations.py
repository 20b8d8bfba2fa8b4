"""Whether a message asks for what a calculator gives, or for something that only words answer.

"Paying 1,120 a month on 190k at 5 %. Where on the statement do I see the interest?" brings all that a loan calculator
needs, and wants none. What is asked stands in the last question. Knows texts only; English and Chinese.
"""

from __future__ import annotations

import re

_CALCULATION = re.compile(
    r"\b(?:calculate|calculation|calculator|compute|work\s+out|figure\s+out|estimate)\b"
    r"|计算|(?<![打预])算(?![了法盘是])",
    re.IGNORECASE,
)
_QUANTITY = re.compile(
    r"\bhow\s+(?:much|many|long|high|large)\b|\bwhat(?:'s|\s+is|\s+are|\s+was|\s+would|\s+will|\s+am\s+i)\b"
    r"|\bwhat\s+(?:\w+\s+){0,2}?(?:notice|payment|dose|tax|fine|amount|interest|score|date|day|return|severance"
    r"|compensation)\b"
    r"|\bwhen\b(?! (?:do|should|must) (?:i|we) (?:go|see|call|ring|worry|visit|ask|bring)\b)"
    r"|多少|几个[月年]|多大|多久|多长|什么时候|何时|哪一?[天年]|几号",
    re.IGNORECASE,
)
_OWN_CASE = re.compile(
    r"\b(?:I|I'm|my|me|we|our|his|her|the patient's|of mine)\b|我|咱"
    # Chinese leaves out the subject: 借了朋友30万, 年薪25万要交多少
    r"|(?:借|欠|存|投|买|贷|干|做|工作|入职|签)了(?=.*\d)|(?=.*\d).*(?:要|得|该|能|可以)(?:交|缴|拿|付|还|赔|领)(?:到)?多少",
    re.IGNORECASE,
)
_METHOD = re.compile(
    r"\bhow\s+(?:is|are|was|were|do|does|can|should|would)\b(?!.*\b(?:my|his|her|our)\b).*"
    r"\b(?:calculated?|computed?|work(?:ed)?\s+out|estimated?|determined?)\b"
    r"|怎么?样?(?:计算|算)|如何(?:计算|算)|计算(?:公式|方法)",
    re.IGNORECASE,
)
"""Asks how something is calculated: words, unless it brings numbers."""
_OTHER_QUESTION = re.compile(
    r"(?:^|[.?!;:,]\s)\s*(?:(?:is|are|am|(?:was|were)(?! \d)|does|do|did|has|have|should|can|could|may|must|will"
    r"|would)\b(?!\s+you\b)|(?:why|who|whose|which|where|explain|describe|define|tell"
    r"|how (?:is|are|was|were|does|did|come)|what (?:happens|happened))\b)"
    r"|\bhow (?:reliable|good|bad|safe|accurate|common|important|risky|useful|likely|often) (?:is|are|was|were)\b"
    r"|\bwhat(?:'s| is| are| counts as)?(?: considered)?(?: an?| the)?"
    r" (?:good|normal|typical|usual|healthy|ideal|safe|dangerous|reasonable)\b"
    r"|吗|是否|能否|能不能|要不要|为什么|为何|谁|哪些|哪个|区别|还是|什么是|解释|介绍|什么意思|代表什么|说明什么|意味",
    re.IGNORECASE,
)
"""Asks for a yes, a reason or a choice."""
_YES_OR_NO = re.compile(
    r"^\s*(?:is|are|am|was|were|does|do|did|has|have|should|can|could|may|must|will|would)\b(?!\s+you\b)"
    r"|^[^，,。；;]*(?:吗|是否|能否|能不能|要不要|算不算|合不合)",
    re.IGNORECASE,
)
"""Asks for a yes from its first words on. One number in it is no reason to calculate ("Does the rule of 72 work for
30 %?"); a case told before the question is ("He died in 1950, is the music free?")."""
_SENTENCE_END = re.compile(r"(?<=[.?!;])\s+|(?<=[。？！；])")
_CLAUSE_END = re.compile(
    r",\s+(?=(?:and |but |so |or )?(?:is|are|am|was|were|does|do|did|has|have|should|can|could|may|must|will|would|why"
    r"|who|whose|which|where|when|what|how)\b)|，",
    re.IGNORECASE,
)
"""What parts a case from the question that ends its sentence."""
_QUESTION = re.compile(
    r"^\W*(?:(?:and|but|so|or|ok|please|then|now)\W+)*(?:(?:is|are|am|was|were|does|do|did|should|can|could|may|must|will"
    r"|would|why|who|whose|which|where|how|what|what's|when|explain|describe|tell|any)\b"
    r"|ha(?:s|ve) (?:i|he|she|it|we|they|you|my|the|that|this)\b)"
    r"|吗|呢[？?]?$|是否|能否|能不能|可不可以|要不要|会不会|有没有|是不是|该不该|算不算|够不够|为什么|为何|谁|哪|怎么|如何|什么|还是|区别|意味",
    re.IGNORECASE,
)
"""Begins or ends like a question, in a single clause."""
_WORDS = re.compile(
    r"^\W*(?:(?:and|but|so|or|ok)\W+)*(?:why|who|whom|where|what happens|what questions"
    r"|what(?:'s| is) the (?:\w+est|best) (?:way|thing)|what (?:does|do) (?:that|this|the|such an?) \w+ mean"
    r"|how (?:do|can|could|should|would) (?:i|we|he|she|they) (?:prove|fight|contest|check|know|tell|report"
    r"|complain|show|stop)"
    r"|(?:can|could|may|should) (?:i|we|he|she|they) (?:sue|refuse|complain|ask))\b",
    re.IGNORECASE,
)
"""No figure answers it, whatever words of measure it has."""
_DECIDED = re.compile(
    r"\b(?:above|below|over|under|beyond|exceed\w*|more than|less than|higher|lower|longer|shorter|bigger|smaller"
    r"|enough|within|reach\w*|beat|at least|at most|too (?:much|late|low|high|little)|in time|late|in force|expired?"
    r"|lapsed|public domain|free(?:ly)? (?:to|use)|freely|right amount|right|correct|short-?changed|positive|negative"
    r"|zero|pass|clear (?:it|that|the)|qualify|get in|get to \d+|doubled?|obese|overweight|underweight|cover(?:s|ed)?"
    r"|still (?:file|protected|valid|in copyright|copyright)|maximum|limit|before|by \d+|by \w+ \d+|afford|be due|up to"
    r"|(?:can|could|may) (?:(?!you\b)\w+ ){1,3}(?:give|have|borrow|know|expect)"
    r"|where does that put|which (?:day|date|year)|how (?:big|heavy|high|old|late|soon|fast)"
    r"|what \w+ (?:rate|growth|cost|percentage|yield)"
    r"|what (?:\w+ ){0,5}(?:is|does|do|did|has|have|goes?|make|should|would|will)"
    r" (?:that|it|this|these|i|me|you|we|my|our|the|his|her|a|an|with)|what \w+ is|what (?:percentage|[A-Z]{3,})"
    r"|(?:can|could|will|would) you (?:do|use|apply|give|tell|add|turn|make|get|show|put|convert|find|check))\b"
    r"|超过|超出|超了|超标|超没超|够|没到|到\d|到没到|达到|低于|高于|多于|少于|不足|期内|有效|过期|失效|到期|少给|给少|少算|算少|算对|偏瘦"
    r"|偏胖|超重|肥胖|合法|正的|负的|之前|来得及|哪一?[年天日]|几|在不在|翻倍|翻一番",
    re.IGNORECASE,
)
"""What makes a result answer a question that does not ask for a number: "is that above the limit?"."""


def wants_number(text: str) -> bool:
    """Whether a question without numbers asks for a result: a calculation, or a quantity of one's own case.

    "How much notice must an employer give?" asks for the rule, "How much notice must I give?" for a number.
    """
    if _METHOD.search(text):
        return False
    own = _QUANTITY.search(text) is not None and _OWN_CASE.search(text) is not None
    return own or _CALCULATION.search(text) is not None


def wants_words(text: str) -> bool:
    """Whether the last question asks for a reason, advice, a person, or a yes that no figure decides."""
    asked = _last_question(text)
    if _WORDS.search(asked):
        return True
    for_a_figure = any(pattern.search(asked) for pattern in (_QUANTITY, _CALCULATION, _DECIDED))
    return _QUESTION.search(asked) is not None and not for_a_figure


def asks_for_a_yes(text: str) -> bool:
    """Whether a text asks for a yes from its first words on, and for no quantity."""
    return _YES_OR_NO.search(text) is not None and not wants_number(text) and not _QUANTITY.search(text)


def asks_other(text: str) -> bool:
    """Whether anything in the text asks for a yes, a reason or a choice."""
    return _OTHER_QUESTION.search(text) is not None


def _last_question(text: str) -> str:
    """The last sentence, of it what follows the case that it tells."""
    sentence = _parts(_SENTENCE_END, text)[-1]
    return _parts(_CLAUSE_END, sentence)[-1]


def _parts(end: re.Pattern[str], text: str) -> list[str]:
    return [part for part in end.split(text) if part.strip()] or [text]
