"""Matching questions to tools, completing them from a reply, and running them."""

from __future__ import annotations

from pathlib import Path

import pytest

from skills.errors import DataError, ModelError, ToolInputError
from skills.pack import Pack, load_pack
from skills.tool_calls import LONGEST_RESULT, ToolCaller, pack_tools

TOOLS = '''
from typing import Annotated, Any, Literal

from pydantic import Field

from skills.errors import ToolInputError

Weight = Annotated[float, Field(description="Body weight, in kg", gt=0, lt=500)]


def bmi(
    weight: Weight,
    height: Annotated[float, Field(description="Height, in cm", gt=50, lt=260)],
    sex: Literal["female", "male"] = "male",
) -> tuple[str, dict[str, Any]]:
    """Body mass index.

    Example: 80 kg and 180 cm give 24.7.

    Source: WHO Technical Report
        Series 894.
    """
    value = weight / (height / 100) ** 2
    return f"BMI is {value:.1f} ({sex}).", {"bmi": value}


def ratio(top: float, bottom: float) -> tuple[str, dict[str, Any]]:
    """Current ratio. Source: none."""
    if bottom == 0:
        raise ToolInputError("the bottom must not be zero")
    return "x" * int(top / bottom), {}


def total(flows: list[float], years: int = 1) -> tuple[str, dict[str, Any]]:
    """Sum of cash flows."""
    if years == 13:
        raise RuntimeError("boom")
    return f"{sum(flows) * years:g}", {"total": sum(flows) * years}


TOOLS = (bmi, ratio, total)
'''

PATTERNS = r"""
[bmi]
triggers = ['\bBMI\b', '体重指数']
unless = ['guideline']
[bmi.arguments.weight]
patterns = [
    { regex = '(?P<value>\d[\d,]*(?:\.\d+)?)\s*(?:kg|公斤)' },
    { regex = '(?P<value>\d[\d,]*(?:\.\d+)?)\s*lbs?', scale = 0.45359237 },
]
ask = "What is the body weight, in kg?"
ask_zh = "体重是多少公斤？"
[bmi.arguments.height]
patterns = [
    { regex = '(?P<value>\d[\d,]*(?:\.\d+)?)\s*(?:cm|厘米)' },
    { regex = '(?P<value>\d(?:\.\d+)?)\s*m\b', scale = 100 },
]
ask = "What is the height, in cm?"
ask_zh = "身高是多少厘米？"
[bmi.arguments.sex]
patterns = [{ regex = '\bwoman\b', value = "female" }]
ask = "Which sex?"

[ratio]
triggers = ['ratio']
[ratio.arguments.top]
patterns = [{ regex = 'assets\D*(?P<value>[\d,]+)' }, { regex = '(?P<value>[\d,]+)' }]
ask = "What are the assets?"
[ratio.arguments.bottom]
patterns = [{ regex = 'liabilities\D*(?P<value>[\d,]+)' }, { regex = '(?P<value>[\d,]+)' }]
ask = "What are the liabilities?"

[total]
triggers = ['cash flows', 'BMI.*assets']
[total.arguments.flows]
patterns = [{ regex = 'flows of (?P<value>[-\d,. and]+)' }]
ask = "Which cash flows?"
[total.arguments.years]
patterns = [{ regex = '(?P<value>\d+) years' }]
ask = "How many years?"
"""


BOTH = "What is the body weight, in kg? What is the height, in cm?"


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return write_pack(tmp_path_factory.mktemp("packs") / "sums", TOOLS, PATTERNS)


def write_pack(folder: Path, tools: str, patterns: str, *, trusted: bool = True) -> Pack:
    folder.mkdir(parents=True)
    (folder / "pack.toml").write_text(
        'name = "sums"\ntitle = "Sums"\nversion = "1"\ndescription = "d"\ndisclaimer = "none"\n'
    )
    (folder / "tools.py").write_text(tools)
    (folder / "tools.toml").write_text(patterns)
    return load_pack(folder, origin="test", trusted=trusted)


@pytest.fixture(scope="module")
def caller(pack: Pack) -> ToolCaller:
    return ToolCaller.for_pack(pack)


def test_pack_tools_have_schema_and_source(pack: Pack) -> None:
    tool = pack_tools(pack)[0]
    assert tool.name == "bmi"
    assert tool.description == "Body mass index."
    assert tool.metadata == {"source": "WHO Technical Report Series 894."}
    assert tool.args["weight"]["exclusiveMaximum"] == 500
    assert tool.invoke({"weight": 80, "height": 180}) == "BMI is 24.7 (male)."


SHORT = """\
[age]
triggers = ['rule of 72|翻倍']
[age.arguments.rate]
patterns = [{ regex = '(?P<value>\\d+)\\s*%' }]
ask = "Which rate?"
"""
AGE = '''
def age(rate: float):
    """Years to double.

    Source: rule of 72.
    """
    return "x.", {}
TOOLS = (age,)
'''


@pytest.mark.parametrize(
    ("question", "called"),
    [
        ("Does the rule of 72 work for 30%?", False),
        ("72法则对30%也适用吗，翻倍", False),
        ("I get 6% by the rule of 72, does it double this decade?", True),
        ("Can you use the rule of 72 for 6%?", True),
        ("Rule of 72 at 6%?", True),
        ("The rule of 72 says 12 years at 6%, why is my bank slower?", False),
        ("Rule of 72, 6%. Where can I get that?", False),
        ("我的存款6%没有翻倍，怎么办", False),
    ],
)
def test_a_number_in_another_question_starts_no_calculation(
    tmp_path: Path, question: str, called: bool
) -> None:
    caller = ToolCaller.for_pack(write_pack(tmp_path / "age", AGE, SHORT))
    assert (caller.match(question) is not None) == called


@pytest.mark.parametrize(
    ("question", "tool", "arguments"),
    [
        ("What is the BMI at 80 kg and 180 cm?", "bmi", {"weight": 80, "height": 180}),
        ("BMI of a woman, 80.5kg, 1.8 m", "bmi", {"weight": 80.5, "height": 180, "sex": "female"}),
        ("我体重８０公斤，身高180厘米，体重指数是多少？", "bmi", {"weight": 80, "height": 180}),
        ("current ratio with assets of 1,200 and liabilities 600", "ratio", {"top": 1200, "bottom": 600}),
        ("cash flows of 5 over Ten years", "total", {"flows": [5], "years": 10}),
        ("what ratio do 1,200 and 600 give", "ratio", {"top": 1200, "bottom": 600}),
        (
            "sum cash flows of 1,000, -200 and 30.5 over 2 years",
            "total",
            {"flows": [1000, -200, 30.5], "years": 2},
        ),
    ],
)
def test_complete_questions(
    caller: ToolCaller, question: str, tool: str, arguments: dict[str, object]
) -> None:
    match = caller.match(question)
    assert match is not None
    assert (match.tool, match.arguments, match.missing, match.ask) == (tool, arguments, (), "")


def test_units_are_scaled(caller: ToolCaller) -> None:
    match = caller.match("BMI for 200 lbs and 180 cm")
    assert match is not None
    assert match.arguments["weight"] == pytest.approx(90.718474)


@pytest.mark.parametrize(
    "question",
    [
        "What does BMI mean?",
        "Which BMI guideline holds at 80 kg and 180 cm?",
        "I weigh 80 kg.",
        "BMI for a woman",
        "How is the BMI calculated?",
        "How much is a normal BMI?",
        "正常的体重指数是多少？",
        "How do doctors work out a BMI?",
        "体重指数怎么算？",
        "打算测体重指数",
    ],
)
def test_questions_that_need_no_tool(caller: ToolCaller, question: str) -> None:
    assert caller.match(question) is None


@pytest.mark.parametrize(
    ("question", "missing", "ask"),
    [
        (
            "Calculate my BMI",
            ("weight", "height"),
            BOTH,
        ),
        ("How do I calculate my BMI?", ("weight", "height"), BOTH),
        ("How high is my BMI?", ("weight", "height"), BOTH),
        ("My BMI, I am 180 cm", ("weight",), "What is the body weight, in kg?"),
        ("帮我算一下体重指数，80公斤", ("height",), "身高是多少厘米？"),
    ],
)
def test_missing_arguments_are_asked_for(
    caller: ToolCaller, question: str, missing: tuple[str, ...], ask: str
) -> None:
    match = caller.match(question)
    assert match is not None
    assert (match.missing, match.ask) == (missing, ask)
    with pytest.raises(ToolInputError, match=r"What is|身高"):
        caller.call(match)


def test_the_tool_with_all_its_arguments_wins(caller: ToolCaller) -> None:
    match = caller.match("BMI assets ratio: 80 kg; assets 100, liabilities 50")
    assert match is not None
    assert match.tool == "ratio"


@pytest.mark.parametrize(
    ("reply", "arguments", "missing"),
    [
        ("80 kg", {"weight": 80, "height": 180}, ()),
        ("80", {"weight": 80, "height": 180}, ()),
        ("it's about 80.", {"weight": 80, "height": 180}, ()),
        ("I weigh 80 kg and am 190 cm tall", {"weight": 80, "height": 190}, ()),
    ],
)
def test_a_reply_completes_a_question(
    caller: ToolCaller, reply: str, arguments: dict[str, object], missing: tuple[str, ...]
) -> None:
    match = caller.complete("My BMI, I am 180 cm", reply)
    assert match is not None
    assert (match.arguments, match.missing) == (arguments, missing)


def test_a_reply_may_leave_something_to_ask(caller: ToolCaller) -> None:
    match = caller.complete("Calculate my BMI", "180 cm")
    assert match is not None
    assert match.missing == ("weight",)
    assert caller.complete("Calculate my BMI", "80") is None  # one number, two arguments


@pytest.mark.parametrize(
    "reply",
    [
        "What is aspirin?",
        "BMI for 90 kg and 170 cm",
        "never mind",
        "is 80 kg too much",
        "什么是高血压",
        "180 cm",
    ],
)
def test_other_replies_are_new_questions(caller: ToolCaller, reply: str) -> None:
    assert caller.complete("My BMI, I am 180 cm", reply) is None


def test_a_value_out_of_range_is_put_right_by_the_reply(caller: ToolCaller) -> None:
    question = "My BMI at 80 kg and 18 cm"
    match = caller.match(question)
    assert match is not None
    with pytest.raises(ToolInputError, match=r"Height, in cm: got 18\. Input should be greater than 50"):
        caller.call(match)
    better = caller.complete(question, "180 cm")
    assert better is not None
    assert caller.call(better).values["bmi"] == pytest.approx(24.69, abs=0.01)


@pytest.mark.parametrize(
    ("written", "weight"),
    [
        ("-80 kg", -80),
        ("weight: −80 kg", -80),
        ("of minus 80 kg", -80),
        ("- 80 kg", 80),
        ("70-80 kg", 80),
        ("70 -80 kg", 80),
        ("type-80 kg", 80),
        ("1000 minus 80 kg", 80),
    ],
)
def test_a_sign_before_a_value_is_read(caller: ToolCaller, written: str, weight: float) -> None:
    match = caller.match(f"BMI at {written} and 180 cm")
    assert match is not None
    assert match.arguments["weight"] == weight
    if weight < 0:
        with pytest.raises(
            ToolInputError, match=r"Body weight, in kg: got -80\. Input should be greater than 0"
        ):
            caller.call(match)


def test_call_reports_text_values_and_source(caller: ToolCaller) -> None:
    match = caller.match("BMI at 80 kg and 180 cm")
    assert match is not None
    call = caller.call(match)
    assert call.name == "bmi"
    assert call.text == "BMI is 24.7 (male)."
    assert call.values == {"bmi": pytest.approx(24.691, abs=0.001)}
    assert call.source == "WHO Technical Report Series 894."


def test_long_results_are_clipped(caller: ToolCaller) -> None:
    match = caller.match("ratio of assets 9,000 to liabilities 1")
    assert match is not None
    text = caller.call(match).text
    assert len(text) == LONGEST_RESULT
    assert text.endswith("…")


def test_failures_inside_a_tool_name_it(caller: ToolCaller) -> None:
    zero = caller.match("ratio of assets 9 to liabilities 0")
    boom = caller.match("cash flows of 3 over 13 years")
    assert zero is not None
    assert boom is not None
    with pytest.raises(ToolInputError, match="must not be zero"):
        caller.call(zero)
    with pytest.raises(ModelError, match=r"tool 'total' failed: RuntimeError\('boom'\)"):
        caller.call(boom)


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        ("[bim]\ntriggers = ['x']\n", "no tool 'bim'"),
        (PATTERNS.replace("[bmi.arguments.sex]", "[bmi.arguments.age]"), "no argument 'age'"),
        ("[bmi]\ntriggers = ['x']\n", "needs patterns for its argument 'height'"),
    ],
)
def test_patterns_that_do_not_fit_the_functions(tmp_path: Path, patterns: str, message: str) -> None:
    pack = write_pack(tmp_path / "sums", TOOLS, patterns)
    with pytest.raises(DataError, match=message):
        ToolCaller.for_pack(pack)


def test_functions_need_docstring_and_types(tmp_path: Path) -> None:
    bare = write_pack(tmp_path / "a", "def f(x: int):\n    return '', {}\nTOOLS = (f,)\n", "")
    untyped = write_pack(tmp_path / "b", "def f(x):\n    'Doc.'\n    return '', {}\nTOOLS = (f,)\n", "")
    with pytest.raises(DataError, match="tool 'f' needs a docstring"):
        pack_tools(bare)
    with pytest.raises(DataError, match="tool 'f': its parameters need valid type hints"):
        pack_tools(untyped)


def test_an_untrusted_pack_has_no_tools(tmp_path: Path) -> None:
    caller = ToolCaller.for_pack(write_pack(tmp_path / "sums", TOOLS, PATTERNS, trusted=False))
    assert caller.match("BMI at 80 kg and 180 cm") is None


GROUPS = r"""
[define]
n = '\d+(?:\.\d+)?'
pounds = '(?P<value>{n})\s*(?:pounds|lb)'

[bmi]
triggers = ['\bBMI\b']
[bmi.arguments.weight]
patterns = [{ regex = '{pounds}(?:\s*(?P<add>{n})\s*oz)?', scale = 0.5, add_scale = 0.03125 }]
ask = "What is the weight?"
[bmi.arguments.height]
patterns = [
    { regex = '(?P<value>\d)\s*米(?P<add>[\d一二三四五六七八九]{2})', scale = 100 },
    { regex = 'from (?P<minus>\d+) to (?P<value>\d+)' },
    { regex = '(?P<value>\d)\s*年(?P<add>半)', scale = 12, add_scale = 12 },
]
ask = "What is the height?"

[ratio]
triggers = ['ratio']
[ratio.arguments.top]
patterns = [{ regex = '(?P<value>{n})\s*(?P<times>万|亿|bn|m)? assets' }]
ask = "What are the assets?"
[ratio.arguments.bottom]
patterns = [{ regex = '(?P<value>{n})\s*(?P<times>万|亿|bn|m)? liabilities' }]
ask = "What are the liabilities?"

[total]
triggers = ['flows']
[total.arguments.flows]
patterns = [
    { regex = '(?P<value>{n})(?P<times>万)? a year for (?P<count>\d+) years' },
    { regex = 'flows (?P<value>.+)' },
]
ask = "Which cash flows?"
"""


@pytest.fixture(scope="module")
def grouped(tmp_path_factory: pytest.TempPathFactory) -> ToolCaller:
    return ToolCaller.for_pack(write_pack(tmp_path_factory.mktemp("groups") / "sums", TOOLS, GROUPS))


@pytest.mark.parametrize(
    ("question", "arguments"),
    [
        ("BMI 17 lb 8 oz, from 2018 to 2025", {"weight": 8.75, "height": 7}),
        ("BMI 17 pounds 一米七五", {"weight": 8.5, "height": 175}),
        ("BMI 10 lb 1年半", {"weight": 5, "height": 18}),
        ("ratio of 2.5bn assets\nto 40 m liabilities", {"top": 2.5e9, "bottom": 4e7}),
        ("ratio of 3亿 assets to 20 liabilities", {"top": 3e8, "bottom": 20}),
        ("flows of 500 a year for 3 years", {"flows": [500, 500, 500]}),
        ("flows of 2万 a year for 2 years", {"flows": [20_000, 20_000]}),
        ("flows 20、25.5、28万", {"flows": [200_000, 255_000, 280_000]}),
        ("flows 第1年3万，第2年4万", {"flows": [30_000, 40_000]}),
        ("flows 7 in year 1, 8 in year 2", {"flows": [7, 8]}),
    ],
)
def test_groups_add_subtract_multiply_and_repeat(
    grouped: ToolCaller, question: str, arguments: dict[str, object]
) -> None:
    match = grouped.match(question)
    assert match is not None
    assert match.arguments == arguments


def test_an_unknown_part_of_a_pattern_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"tools\.toml.*'kilos' is not in \[define\]"):
        write_pack(tmp_path / "sums", TOOLS, PATTERNS.replace(r"\s*lbs?", "{kilos}"))


@pytest.mark.parametrize(
    "question",
    [
        "Is a BMI above 25 at 80 kg bad?",
        "Can people of 180 cm have a high BMI?",
        "Explain the BMI to a man of 80 kg",
        "80公斤的人体重指数高吗",
        "BMI at 80 kg and 180 cm " + "and so on " * 200,
    ],
)
def test_partial_questions_for_something_else_and_documents_need_no_tool(
    caller: ToolCaller, question: str
) -> None:
    assert caller.match(question) is None


def test_a_chinese_question_may_leave_out_its_subject(caller: ToolCaller) -> None:
    assert caller.match("干了80天，体重指数多少") is not None
    assert caller.match("80岁的体重指数正常值多少") is None
