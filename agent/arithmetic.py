"""Sums that a message consists of: "what is 15% of 240", "23 乘以 17 等于多少". Computed here, never by a model.

Exact decimal arithmetic on numbers, + - * / and powers; anything else in the message, and it is no sum.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from decimal import Decimal, DivisionByZero, InvalidOperation, Overflow, localcontext

from skills.records import ToolCall

_LONGEST = 200
"""Characters of a message that may be a sum."""
_LARGEST_POWER = 100
_DIGITS = 12
"""Significant digits shown."""
_ASKED = re.compile(
    r"^\s*(?:please\s+)?"
    r"(?:what(?:'s| is| are)|how much is|calculate|compute|work out|请?计算(?:一下)?|算一下)?\s*[:：]?"
    r"|(?:\s*(?:=|equals?|是多少|等于多少|等于几|得多少))?\s*[?？=]*\s*$",
    re.IGNORECASE,
)
_WORDS = (
    (re.compile(r"(\d)\s*(?:%|per ?cent|percent)\s*of\s*", re.I), r"\1/100*"),
    (re.compile(r"([\d.]+)\s*的\s*([\d.]+)\s*[%％]"), r"\1*\2/100"),
    (re.compile(r"(\d)\s*[%％]"), r"\1/100"),
    (re.compile(r"(?<=\d),(?=\d{3}\b)"), ""),
    (re.compile(r"\bplus\b|加上?"), "+"),
    (re.compile(r"\bminus\b|减去?|−|–"), "-"),
    (re.compile(r"\btimes\b|\bmultiplied by\b|乘以?|×|(?<=[\d)])\s*x\s*(?=[\d(])", re.I), "*"),
    (re.compile(r"\bdivided by\b|\bover\b|除以|÷", re.I), "/"),
    (re.compile(r"\bto the power of\b|\^", re.I), "**"),
    (re.compile(r"\bsquared\b"), "**2"),
)
_NO_SUM = re.compile(
    r"\d{4}-\d{1,2}-\d{1,2}|\d{1,2}/\d{1,2}/\d{2,4}|\d{2,3}\s*(?:/|over)\s*\d{2,3}|24/7|[\d.]+\s*[%％]"
    r"|[+-]\d+\.\d\d\s*/\s*[+-]\d+\.\d\d\s*x\s*\d+",
    re.IGNORECASE,
)
"""Dates, blood pressures, single percentages, strengths of glasses and the like."""
_SUM = re.compile(r"[\d\s.()+*/-]+")
_OPERATORS: dict[type[ast.operator], Callable[[Decimal, Decimal], Decimal]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def calculate(message: str) -> ToolCall | None:
    """The result of the sum that a message is; None for any other message, and where there is no result."""
    asked = _ASKED.sub("", message).strip()
    if len(message) > _LONGEST or _NO_SUM.fullmatch(asked):
        return None
    expression = asked
    for pattern, sign in _WORDS:
        expression = pattern.sub(sign, expression)
    if not _SUM.fullmatch(expression):
        return None
    try:
        tree = ast.parse(expression.strip(), mode="eval")
        if not any(isinstance(node, ast.BinOp) for node in ast.walk(tree)):
            return None
        with localcontext(prec=50):
            value = _value(tree.body)
    except (SyntaxError, ValueError, InvalidOperation, DivisionByZero, Overflow, RecursionError, MemoryError):
        return None
    result = _shown(value)
    return ToolCall("arithmetic", {"expression": asked}, f"{asked} = {result}", {"value": float(value)})


def _value(node: ast.expr) -> Decimal:
    match node:
        case ast.Constant(value=int() | float() as number):
            return Decimal(str(number))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            base, power = _value(left), _value(right)
            if abs(power) > _LARGEST_POWER:
                raise ValueError("power too large")
            return base**power
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _OPERATORS:
            return _OPERATORS[type(sign)](_value(left), _value(right))
        case _:
            raise ValueError("not arithmetic")


def _shown(value: Decimal) -> str:
    if value == value.to_integral_value() and abs(value) < Decimal(10) ** 15:
        return f"{int(value):,}"
    shown = f"{value:.{_DIGITS}g}"
    return shown.rstrip("0").rstrip(".") if "." in shown and "e" not in shown.lower() else shown
