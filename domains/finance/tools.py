"""Finance calculators: loans, growth, capital budgeting, bonds, ratios, cost of capital, Chinese income tax.

Rates go in and come out in percent (6 means 6%). Amounts have no currency of their own: a result is in the
currency of the amounts given, and carries its code where that is given. Knows arithmetic only: no market data, no
advice, no fees or taxes beyond the ones named.
"""

import functools
import itertools
import math
from collections.abc import Callable
from inspect import signature
from typing import Annotated, Any, ParamSpec

from pydantic import Field, ValidationError, validate_call

from skills.errors import ToolInputError

P = ParamSpec("P")
Result = tuple[str, dict[str, Any]]


def _checked(function: Callable[P, Result]) -> Callable[P, Result]:
    """Hold a function to the bounds of its annotations. Raises ToolInputError naming argument and bound."""
    validated = validate_call(function)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Result:
        try:
            return validated(*args, **kwargs)
        except ValidationError as error:
            first = error.errors()[0]
            place = first["loc"][0] if first["loc"] else ""
            name = list(signature(function).parameters)[place] if isinstance(place, int) else place
            raise ToolInputError(
                f"{name!r}: {first['msg']}, got {first['input']!r}", subject=function
            ) from error

    return call


def _amount(description: str) -> Any:
    return Field(description=description, gt=0, le=1e12, allow_inf_nan=False)


def _rate(description: str) -> Any:
    return Field(description=f"{description}, in percent", ge=0, le=100, allow_inf_nan=False)


def _span(description: str) -> Any:
    return Field(description=f"{description}, in years", gt=0, le=100, allow_inf_nan=False)


Currency = Annotated[str, Field(description="ISO 4217 code of the amounts", pattern=r"^(?:[A-Z]{3})?$")]


def _in(currency: str) -> Callable[[float], str]:
    """How an amount is written: to cents, with its currency if that is known."""
    return lambda value: f"{currency} {value:,.2f}".lstrip()


def _solve(excess: Callable[[float], float], low: float, high: float) -> float:
    """The zero of a falling function by bisection, to 1e-12 relative."""
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return (low + high) / 2


@_checked
def loan_payment(
    principal: Annotated[float, _amount("Amount borrowed")],
    annual_rate: Annotated[float, _rate("Nominal annual interest rate")],
    years: Annotated[float, _span("Term")],
    currency: Currency = "",
) -> Result:
    """Monthly payment of a fully amortising loan or mortgage with equal payments.

    Example:
        loan_payment(200000, 6, 30): 1,199.10 a month.

    Source: level-payment (annuity) formula, P x i / (1 - (1 + i)^-n).
    """
    months = max(round(years * 12), 1)
    monthly = annual_rate / 1200
    payment = (
        principal * monthly / -math.expm1(-months * math.log1p(monthly)) if monthly else principal / months
    )
    interest = payment * months - principal
    money = _in(currency)
    text = (
        f"The monthly payment on a loan of {money(principal)} at {annual_rate:g}% a year over {months} "
        f"months is {money(payment)}, and total interest is {money(interest)} (rounded to cents; taxes, "
        "insurance and fees not included)."
    )
    return text, {"monthly_payment": payment, "months": months, "total_interest": interest}


@_checked
def equal_principal_loan(
    principal: Annotated[float, _amount("Amount borrowed")],
    annual_rate: Annotated[float, _rate("Nominal annual interest rate")],
    years: Annotated[float, _span("Term")],
    currency: Currency = "",
) -> Result:
    """First and last payment of a loan repaid with equal principal each month (等额本金).

    Example:
        equal_principal_loan(1200000, 4, 20): first month 9,000.00, falling by 16.67 a month.

    Source: equal-principal repayment, P / n + remaining balance x i.
    """
    months = max(round(years * 12), 1)
    monthly = annual_rate / 1200
    part = principal / months
    first, last = part + principal * monthly, part * (1 + monthly)
    interest = principal * monthly * (months + 1) / 2
    money = _in(currency)
    text = (
        f"With equal principal on {money(principal)} at {annual_rate:g}% a year over {months} months the "
        f"first payment is {money(first)}, each later one is {money(part * monthly)} less, the last is "
        f"{money(last)}, and total interest is {money(interest)} (rounded to cents)."
    )
    return text, {
        "first_payment": first,
        "last_payment": last,
        "decrease": part * monthly,
        "total_interest": interest,
    }


@_checked
def compound_interest(
    annual_rate: Annotated[float, _rate("Nominal annual rate")],
    years: Annotated[float, _span("Time")],
    principal: Annotated[
        float, Field(description="Amount invested today", ge=0, le=1e12, allow_inf_nan=False)
    ] = 0,
    periods_per_year: Annotated[float, Field(description="Compounding periods a year", ge=1, le=365)] = 1,
    monthly_deposit: Annotated[
        float, Field(description="Deposit at the end of each month", ge=0, le=1e9)
    ] = 0,
    currency: Currency = "",
) -> Result:
    """Future value of savings with compound interest and optional monthly deposits.

    Example:
        compound_interest(6, 10, 1000): 1,790.85.

    Raises ToolInputError where nothing is invested.

    Source: future value formula, P(1 + r/n)^(nt), plus the future value of an ordinary annuity.
    """
    if not principal and not monthly_deposit:
        raise ToolInputError("How much is invested at the start, or each month?")
    growth = (1 + annual_rate / 100 / periods_per_year) ** (periods_per_year * years)
    value, paid = principal * growth, principal
    if monthly_deposit:
        monthly = (1 + annual_rate / 100 / periods_per_year) ** (periods_per_year / 12) - 1
        months = round(years * 12)
        value += monthly_deposit * (((1 + monthly) ** months - 1) / monthly if monthly else months)
        paid += monthly_deposit * months
    money = _in(currency)
    extra = f" with {money(monthly_deposit)} added each month" if monthly_deposit else ""
    text = (
        f"{money(principal)}{extra} grows to {money(value)} in {years:g} years at {annual_rate:g}% a year, "
        f"compounded {periods_per_year:g} times a year; {money(value - paid)} of it is interest (rounded to "
        "cents)."
    )
    return text, {"future_value": value, "interest": value - paid}


@_checked
def present_value(
    future_value: Annotated[float, _amount("Amount to be received")],
    annual_rate: Annotated[float, _rate("Annual discount rate")],
    years: Annotated[float, _span("Time until the payment")],
    currency: Currency = "",
) -> Result:
    """Present value of one future payment.

    Example:
        present_value(1000, 5, 3): 863.84.

    Source: present value formula, FV / (1 + r)^n.
    """
    value = future_value / (1 + annual_rate / 100) ** years
    money = _in(currency)
    text = (
        f"The present value of {future_value:,.2f} due in {years:g} years at {annual_rate:g}% a year is "
        f"{money(value)} (rounded to cents)."
    )
    return text, {"present_value": value}


Flows = Annotated[
    list[Annotated[float, Field(ge=-1e12, le=1e12, allow_inf_nan=False)]],
    Field(description="Cash flows at the end of years 1, 2, 3 ...", min_length=1, max_length=100),
]


def _npv(rate: float, outlay: float, cash_flows: list[float]) -> float:
    return sum((flow / (1 + rate) ** year for year, flow in enumerate(cash_flows, start=1)), -outlay)


@_checked
def npv(
    annual_rate: Annotated[float, _rate("Discount rate")],
    outlay: Annotated[float, Field(description="Amount paid today, as a positive number", ge=0, le=1e12)],
    cash_flows: Flows,
) -> Result:
    """Net present value of an outlay today and yearly cash flows.

    Example:
        npv(10, 1000, [500, 500, 500]): 243.43.

    Source: net present value, sum of CF_t / (1 + r)^t.
    """
    value = _npv(annual_rate / 100, outlay, cash_flows)
    verdict = (
        "positive, so the project adds value" if value > 0 else "not positive, so the project adds no value"
    )
    text = (
        f"The net present value at {annual_rate:g}% of an outlay of {outlay:,.2f} and {len(cash_flows)} "
        f"yearly cash flows is {value:,.2f} (rounded to cents); it is {verdict}."
    )
    return text, {"npv": value}


@_checked
def irr(
    outlay: Annotated[float, _amount("Amount paid today, as a positive number")], cash_flows: Flows
) -> Result:
    """Internal rate of return of an outlay today and yearly cash flows.

    Example:
        irr(1000, [500, 500, 500]): 23.38%.

    Raises ToolInputError where there is no return or more than one may exist.

    Source: the rate at which net present value is zero, found by bisection.
    """
    signs = [flow > 0 for flow in cash_flows if flow]
    if True not in signs:
        raise ToolInputError(
            "an internal rate of return needs at least one positive cash flow", subject=cash_flows
        )
    if any(before and not after for before, after in itertools.pairwise(signs)):
        raise ToolInputError(
            "the cash flows change sign more than once, so the IRR may not be unique; use npv",
            subject=cash_flows,
        )
    if _npv(-0.9, outlay, cash_flows) < 0 or _npv(100, outlay, cash_flows) > 0:
        raise ToolInputError("the IRR is outside -90% to 10,000%; check the cash flows", subject=cash_flows)
    rate = _solve(lambda rate: _npv(rate, outlay, cash_flows), -0.9, 100) * 100
    text = (
        f"The internal rate of return of an outlay of {outlay:,.2f} and {len(cash_flows)} yearly cash "
        f"flows is {rate:.2f}% a year (rounded to two decimals)."
    )
    return text, {"irr_percent": rate}


@_checked
def cagr(
    start_value: Annotated[float, _amount("Value at the start")],
    end_value: Annotated[float, _amount("Value at the end")],
    years: Annotated[float, _span("Time between the two values")],
) -> Result:
    """Compound annual growth rate between two values.

    Example:
        cagr(1000, 2000, 6): 12.25%.

    Source: compound annual growth rate, (end / start)^(1 / years) - 1.
    """
    rate = ((end_value / start_value) ** (1 / years) - 1) * 100
    text = (
        f"The compound annual growth rate from {start_value:,.2f} to {end_value:,.2f} over {years:g} years "
        f"is {rate:.2f}% (rounded to two decimals)."
    )
    return text, {"cagr_percent": rate}


@_checked
def percent_change(
    old_value: Annotated[float, _amount("Value before")],
    new_value: Annotated[float, Field(description="Value after", ge=0, le=1e12, allow_inf_nan=False)],
) -> Result:
    """Percentage change from one value to another.

    Example:
        percent_change(80, 92): an increase of 15.00%.

    Source: percentage change, (new - old) / old x 100.
    """
    change = (new_value - old_value) / old_value * 100
    word = "increase" if change >= 0 else "decrease"
    text = (
        f"From {old_value:,.2f} to {new_value:,.2f} is a percentage {word} of {abs(change):,.2f}% (rounded "
        "to two decimals)."
    )
    return text, {"change_percent": change}


def _price(face: float, coupon_rate: float, rate: float, periods: int, frequency: float) -> float:
    coupon = face * coupon_rate / 100 / frequency
    discount = 1 + rate / frequency
    return sum(coupon / discount**period for period in range(1, periods + 1)) + face / discount**periods


def _periods(years: float, frequency: float) -> int:
    periods = round(years * frequency)
    if periods < 1 or abs(periods - years * frequency) > 1e-6:
        raise ToolInputError(
            f"'years' should be a whole number of coupon periods ({frequency:g} a year), got {years:g}"
        )
    return periods


Frequency = Annotated[float, Field(description="Coupon payments a year", ge=1, le=12)]


@_checked
def bond_price(
    coupon_rate: Annotated[float, _rate("Annual coupon rate")],
    market_yield: Annotated[float, _rate("Annual yield to maturity")],
    years: Annotated[float, _span("Time to maturity")],
    face: Annotated[float, _amount("Face value")] = 1000,
    frequency: Frequency = 2,
) -> Result:
    """Price of a bond on a coupon date from its coupon, yield and maturity.

    Example:
        bond_price(5, 6, 10): 925.61.

    Source: present value of coupons and face value.
    """
    price = _price(face, coupon_rate, market_yield / 100, _periods(years, frequency), frequency)
    place = (
        "at par"
        if math.isclose(price, face, rel_tol=1e-9)
        else "at a discount"
        if price < face
        else "at a premium"
    )
    text = (
        f"The price of a bond with face value {face:,.2f}, a {coupon_rate:g}% coupon paid {frequency:g} "
        f"times a year and {years:g} years to maturity at a yield of {market_yield:g}% is {price:,.2f} "
        f"(rounded to cents); it trades {place}."
    )
    return text, {"price": price}


@_checked
def bond_yield(
    price: Annotated[float, _amount("Price paid, without accrued interest")],
    coupon_rate: Annotated[float, _rate("Annual coupon rate")],
    years: Annotated[float, _span("Time to maturity")],
    face: Annotated[float, _amount("Face value")] = 1000,
    frequency: Frequency = 2,
) -> Result:
    """Yield to maturity of a bond on a coupon date from its price.

    Example:
        bond_yield(950, 5, 10): 5.66%.

    Raises ToolInputError where the yield is outside -50% to 1,000%.

    Source: the rate at which the present value of coupons and face value equals the price.
    """
    periods = _periods(years, frequency)

    def excess(rate: float) -> float:
        return _price(face, coupon_rate, rate, periods, frequency) - price

    if excess(-0.5) < 0 or excess(10) > 0:
        raise ToolInputError(
            "the yield is outside -50% to 1,000%; check price, face value and years", subject=price
        )
    rate = _solve(excess, -0.5, 10) * 100
    text = (
        f"The yield to maturity of a bond bought at {price:,.2f} with face value {face:,.2f}, a "
        f"{coupon_rate:g}% coupon paid {frequency:g} times a year and {years:g} years left is {rate:.2f}% "
        "a year (rounded to two decimals)."
    )
    return text, {"yield_percent": rate}


@_checked
def current_ratio(
    current_assets: Annotated[float, Field(description="Current assets", ge=0, le=1e15, allow_inf_nan=False)],
    current_liabilities: Annotated[
        float, Field(description="Current liabilities", gt=0, le=1e15, allow_inf_nan=False)
    ],
) -> Result:
    """Current ratio and working capital.

    Example:
        current_ratio(300, 200): 1.50, working capital 100.00.

    Source: current ratio, current assets / current liabilities.
    """
    ratio, capital = current_assets / current_liabilities, current_assets - current_liabilities
    text = (
        f"The current ratio is {ratio:.2f} (rounded to two decimals) and working capital is {capital:,.2f}."
    )
    return text, {"current_ratio": ratio, "working_capital": capital}


@_checked
def wacc(
    equity: Annotated[float, _amount("Market value of equity, or its weight")],
    debt: Annotated[
        float, Field(description="Market value of debt, or its weight", ge=0, le=1e12, allow_inf_nan=False)
    ],
    cost_of_equity: Annotated[float, _rate("Cost of equity")],
    cost_of_debt: Annotated[float, _rate("Cost of debt before tax")],
    tax_rate: Annotated[float, _rate("Tax rate")],
) -> Result:
    """Weighted average cost of capital after tax.

    Example:
        wacc(60, 40, 10, 5, 25): 7.50%.

    Source: E/V x cost of equity + D/V x cost of debt x (1 - tax rate).
    """
    total = equity + debt
    rate = equity / total * cost_of_equity + debt / total * cost_of_debt * (1 - tax_rate / 100)
    text = (
        f"The weighted average cost of capital is {rate:.2f}% (rounded to two decimals), with "
        f"{equity / total:.1%} equity at {cost_of_equity:g}% and {debt / total:.1%} debt at "
        f"{cost_of_debt:g}% before tax of {tax_rate:g}%."
    )
    return text, {"wacc_percent": rate}


@_checked
def capm(
    risk_free: Annotated[float, _rate("Risk-free rate")],
    beta: Annotated[float, Field(description="Beta of the asset", ge=-5, le=10, allow_inf_nan=False)],
    market_return: Annotated[float | None, _rate("Expected market return")] = None,
    market_premium: Annotated[float | None, _rate("Market risk premium")] = None,
) -> Result:
    """Required return of an asset by the capital asset pricing model.

    Example:
        capm(4, 1.2, 9): 10.00%. The same from the premium: capm(4, 1.2, market_premium=5).

    Raises ToolInputError unless exactly one of market return and market premium is given.

    Source: CAPM (Sharpe 1964), risk-free rate + beta x (market return - risk-free rate).
    """
    if market_premium is None:
        if market_return is None:
            raise ToolInputError(
                "What is the expected market return, or the market risk premium, in percent?"
            )
        market_premium = market_return - risk_free
    elif market_return is not None:
        raise ToolInputError("give either the market return or the market risk premium, not both")
    rate = risk_free + beta * market_premium
    text = (
        f"The required return by the CAPM is {rate:.2f}% (rounded to two decimals), with a risk-free rate "
        f"of {risk_free:g}%, a beta of {beta:g} and a market risk premium of {market_premium:g}%."
    )
    return text, {"required_return_percent": rate}


@_checked
def apr_to_apy(
    apr: Annotated[float, _rate("Nominal annual rate (APR)")],
    periods_per_year: Annotated[float, Field(description="Compounding periods a year", ge=1, le=365)] = 12,
) -> Result:
    """Effective annual rate (APY) of a nominal annual rate (APR).

    Example:
        apr_to_apy(12): 12.68%.

    Source: effective annual rate, (1 + APR / n)^n - 1.
    """
    rate = ((1 + apr / 100 / periods_per_year) ** periods_per_year - 1) * 100
    text = (
        f"An APR of {apr:g}% compounded {periods_per_year:g} times a year is an APY (effective annual "
        f"rate) of {rate:.2f}% (rounded to two decimals)."
    )
    return text, {"apy_percent": rate}


@_checked
def rule_of_72(
    annual_rate: Annotated[
        float, Field(description="Annual rate, in percent", gt=0, le=100, allow_inf_nan=False)
    ],
) -> Result:
    """Years for money to double, by the rule of 72 and exactly.

    Example:
        rule_of_72(6): about 12.0 years; exactly 11.9.

    Source: rule of 72; exact time ln 2 / ln(1 + r).
    """
    rough, exact = 72 / annual_rate, math.log(2) / math.log1p(annual_rate / 100)
    text = (
        f"At {annual_rate:g}% a year money doubles in about {rough:.1f} years by the rule of 72; the exact "
        f"time is {exact:.1f} years (rounded to one decimal)."
    )
    return text, {"years_rule": rough, "years_exact": exact}


_CHINA = (
    (36_000, 3, 0),
    (144_000, 10, 2_520),
    (300_000, 20, 16_920),
    (420_000, 25, 31_920),
    (660_000, 30, 52_920),
    (960_000, 35, 85_920),
    (math.inf, 45, 181_920),
)
"""Upper limit of yearly taxable income, rate in percent, quick deduction; yuan."""


@_checked
def china_income_tax(
    taxable_income: Annotated[
        float,
        Field(description="Yearly taxable comprehensive income after all deductions, in yuan", ge=0, le=1e12),
    ],
) -> Result:
    """Individual income tax on yearly comprehensive income in China, after deductions.

    Example:
        china_income_tax(200000): 23,080.00 yuan.

    Source: Individual Income Tax Law of the People's Republic of China (2018), yearly rate table, as of 2025.
    """
    _, rate, quick = next(row for row in _CHINA if taxable_income <= row[0])
    tax = taxable_income * rate / 100 - quick
    text = (
        f"China's individual income tax on a yearly taxable income of {taxable_income:,.2f} yuan (after "
        f"the 60,000 basic and all other deductions) is {tax:,.2f} yuan, at a rate of {rate}% less a quick "
        f"deduction of {quick:,} yuan (rates as of 2025)."
    )
    return text, {"tax": tax, "rate_percent": rate, "quick_deduction": quick}


TOOLS = (
    loan_payment, equal_principal_loan, compound_interest, present_value, npv, irr, cagr, percent_change,
    bond_price, bond_yield, current_ratio, wacc, capm, apr_to_apy, rule_of_72, china_income_tax,
)  # fmt: skip
