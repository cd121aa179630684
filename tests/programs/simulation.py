"""Simulate half a year at a small bank and audit its books.

Salaries, card purchases at home and abroad, transfers between customers and
the bank's own month-end work are events in a priority queue.  Each event that
is accepted becomes a double entry in a ledger whose entries are chained by
hashes.  Money is exact: amounts are decimals with two places, rounded half to
even where a rate makes rounding necessary, interest is computed with fractions
before it is rounded, and shared fees are split so that no cent is lost.
"""

import hashlib
import heapq
import itertools
import random
from collections import Counter
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact, localcontext
from enum import Enum
from fractions import Fraction
from functools import partial
from typing import NamedTuple, Protocol

SEED = 1_494  # the year of Pacioli's treatise on bookkeeping
FIRST_DAY = date(2025, 1, 1)
DAYS = 181
EVENT_COUNT = 6_000
OVERDRAFT = Decimal("-200.00")
MONTHLY_AUDIT_FEE = Decimal("100.00")
RATES = {"EUR": Decimal(1), "SEK": Decimal("0.0871"), "GBP": Decimal("1.1893")}  # in euros
CURRENCY_MARGIN = Decimal("1.015")
BOOKS = Context(prec=28, rounding=ROUND_HALF_EVEN)
EXACT = Context(prec=28, traps=[Inexact])


class Kind(Enum):
    CURRENT = "current"
    SAVINGS = "savings"
    BANK = "bank"


ACCOUNTS = (
    dict.fromkeys(("Ana", "Bram", "Cem", "Dora", "Eskil", "Fay", "Goran"), Kind.CURRENT)
    | dict.fromkeys(("Ana 2", "Cem 2", "Fay 2", "Goran 2"), Kind.SAVINGS)
    | dict.fromkeys(("income", "world"), Kind.BANK)
)


class Verdict(Enum):
    ACCEPTED = "accepted"
    NO_FUNDS = "no funds"
    UNKNOWN_CURRENCY = "unknown currency"


class Salary(NamedTuple):
    account: str
    amount: Decimal


class Transfer(NamedTuple):
    source: str
    target: str
    amount: Decimal


class Purchase(NamedTuple):
    account: str
    currency: str
    amount: Decimal


class MonthEnd(NamedTuple):
    month: str


@dataclass(frozen=True)
class Entry:  # a movement of money; its postings add up to nothing
    number: int
    day: date
    text: str
    postings: tuple[tuple[str, Decimal], ...]
    digest: str


class InterestPolicy(Protocol):
    def yearly_interest(self, balance: Fraction) -> Fraction: ...


@dataclass(frozen=True)
class FlatRate:
    rate: Fraction

    def yearly_interest(self, balance):
        return balance * self.rate


@dataclass(frozen=True)
class TieredRate:
    """A different rate for each slice of the balance, given by its lower end."""

    tiers: tuple[tuple[int, Fraction], ...]

    def yearly_interest(self, balance):
        ends = [Fraction(start) for start, _ in self.tiers[1:]] + [max(balance, Fraction(0))]
        slices = zip(self.tiers, ends)
        return sum(max(min(balance, end) - start, 0) * rate for (start, rate), end in slices)


POLICIES: dict[Kind, InterestPolicy] = {
    Kind.CURRENT: FlatRate(Fraction(1, 1000)),
    Kind.SAVINGS: TieredRate(((0, Fraction(1, 100)), (3_000, Fraction(1, 60)), (6_000, Fraction(2, 75)))),
}


def to_cents(amount):
    """Round a decimal or a fraction to whole cents, half to even."""
    if isinstance(amount, Fraction):
        return Decimal(round(amount * 100)).scaleb(-2)
    return amount.quantize(Decimal("0.01"), context=BOOKS)


def split_fee(fee, weights):
    """Split a fee by weight; the largest remainders get the left-over cents."""
    total = sum(weights.values())
    exact = {name: Fraction(fee) * 100 * weight / total for name, weight in weights.items()}
    cents = {name: int(share) for name, share in exact.items()}
    left_over = int(fee * 100) - sum(cents.values())
    by_remainder = sorted(exact, key=lambda name: (cents[name] - exact[name], name))
    for name in by_remainder[:left_over]:
        cents[name] += 1
    return {name: Decimal(count).scaleb(-2) for name, count in cents.items()}


def add_exactly(amounts):
    """Add decimals, refusing to round."""
    with localcontext(EXACT):
        return sum(amounts, Decimal("0.00"))


def digest_of(*content):
    return hashlib.sha256(repr(content).encode()).hexdigest()


class Bank:
    """Accounts and the ledger that explains every cent in them."""

    def __init__(self, kinds):
        self.kinds = kinds
        self.balances = dict.fromkeys(kinds, Decimal("0.00"))
        self.ledger = []
        self.verdicts = Counter()

    def customers(self):
        return [name for name, kind in self.kinds.items() if kind is not Kind.BANK]

    def post(self, day, text, *postings):
        if add_exactly(amount for _, amount in postings) != 0:
            raise ValueError(f"postings of {text!r} are not balanced")
        previous = self.ledger[-1].digest if self.ledger else ""
        number = len(self.ledger) + 1
        digest = digest_of(previous, number, day, text, postings)
        self.ledger.append(Entry(number, day, text, postings, digest))
        for name, amount in postings:
            self.balances[name] = EXACT.add(self.balances[name], amount)

    def can_pay(self, name, amount):
        floor = OVERDRAFT if self.kinds[name] is Kind.CURRENT else Decimal(0)
        return self.balances[name] - amount >= floor

    def handle(self, day, event):
        """Carry out an event, or decline to, and count the verdict."""
        self.verdicts[type(event).__name__, self.decide(day, event).value] += 1

    def decide(self, day, event):
        move = partial(self.post, day)
        match event:
            case Salary(account, amount):
                move("salary", ("world", -amount), (account, amount))
            case Purchase(currency=currency) if currency not in RATES:
                return Verdict.UNKNOWN_CURRENCY
            case Transfer(source, _, amount) if not self.can_pay(source, amount):
                return Verdict.NO_FUNDS
            case Transfer(source, target, amount):
                move("transfer", (source, -amount), (target, amount))
            case Purchase(account, currency, amount):
                price = to_cents(amount * RATES[currency])
                charged = price if currency == "EUR" else to_cents(price * CURRENCY_MARGIN)
                if not self.can_pay(account, charged):
                    return Verdict.NO_FUNDS
                move("purchase", (account, -charged), ("world", price), ("income", charged - price))
            case MonthEnd(month):
                self.pay_interest(day, month)
                self.charge_audit_fee(day, month)
        return Verdict.ACCEPTED

    def pay_interest(self, day, month):
        for name in self.customers():
            balance = Fraction(self.balances[name])
            interest = to_cents(POLICIES[self.kinds[name]].yearly_interest(balance) / 12)
            if interest:
                self.post(day, f"interest {month}", ("income", -interest), (name, interest))

    def charge_audit_fee(self, day, month):
        """Share the auditor's fee among the accounts in credit."""
        credit = {name: max(Fraction(self.balances[name]), 0) for name in self.customers()}
        postings = [(name, -share) for name, share in split_fee(MONTHLY_AUDIT_FEE, credit).items()]
        self.post(day, f"audit fee {month}", *postings, ("world", MONTHLY_AUDIT_FEE))


def random_event(rng, names):
    """Return a transfer or a purchase, now and then in a currency nobody knows."""
    amount = Decimal(rng.randint(100, 14_500)).scaleb(-2)
    if rng.random() < 0.25:
        return Transfer(*rng.sample(names, 2), amount)
    currency = rng.choices((*RATES, "XYZ"), (80, 10, 9, 1))[0]
    return Purchase(rng.choice(names), currency, amount)


def make_events(rng, names):
    """Return a heap of (day, order of arrival, event)."""
    arrival = itertools.count()
    days = [FIRST_DAY + timedelta(days=offset) for offset in range(DAYS)]
    events = [(rng.choice(days), next(arrival), random_event(rng, names)) for _ in range(EVENT_COUNT)]
    for today, tomorrow in itertools.pairwise([*days, FIRST_DAY + timedelta(days=DAYS)]):
        if today.day == 1:
            for name in names:
                salary = Decimal(rng.randint(200_000, 700_000)).scaleb(-2)
                events.append((today, next(arrival), Salary(name, salary)))
        if tomorrow.day == 1:
            events.append((today, next(arrival), MonthEnd(f"{today:%Y-%m}")))
    heapq.heapify(events)
    return events


def first_broken_link(ledger):
    """Return the number of the first entry whose digest is wrong, or None."""
    previous = ""
    for entry in ledger:
        if digest_of(previous, entry.number, entry.day, entry.text, entry.postings) != entry.digest:
            return entry.number
        previous = entry.digest
    return None


def movements(ledger, name):
    return [amount for entry in ledger for account, amount in entry.postings if account == name]


def print_verdicts(verdicts):
    print("Events")
    for (event, verdict), count in sorted(verdicts.items()):
        print(f"  {event:<10}{verdict:<18}{count:>6}")


def print_accounts(bank):
    print(f"\n{'account':<9}{'kind':<9}{'entries':>8}{'lowest':>12}{'mean entry':>12}{'balance':>14}")
    for name, kind in bank.kinds.items():
        amounts = movements(bank.ledger, name)
        lowest = min(itertools.accumulate(amounts))
        mean = to_cents(add_exactly(map(abs, amounts)) / len(amounts))
        print(f"{name:<9}{kind.value:<9}{len(amounts):>8}{lowest:>12}{mean:>12}{bank.balances[name]:>14}")


def print_months(ledger):
    print(f"\n{'month':<9}{'entries':>8}{'moved':>14}{'interest paid':>15}")
    for month, group in itertools.groupby(ledger, key=lambda entry: f"{entry.day:%Y-%m}"):
        entries = list(group)
        moved = add_exactly(amount for entry in entries for _, amount in entry.postings if amount > 0)
        interest_entries = [entry for entry in entries if entry.text.startswith("interest")]
        interest = -add_exactly(movements(interest_entries, "income"))
        print(f"{month:<9}{len(entries):>8}{moved:>14}{interest:>15}")


def print_audit(bank):
    print("\nAudit")
    recomputed = {name: add_exactly(movements(bank.ledger, name)) for name in bank.kinds}
    print(f"  every balance explained by the ledger: {recomputed == bank.balances}")
    print(f"  sum of all balances: {add_exactly(bank.balances.values())}")
    print(f"  first broken link: {first_broken_link(bank.ledger)}")
    victim = bank.ledger[len(bank.ledger) // 2]
    forged = replace(victim, text="gift")
    forged_ledger = [forged if entry is victim else entry for entry in bank.ledger]
    print(f"  entry {forged.number} forged, first broken link: {first_broken_link(forged_ledger)}")
    print(f"  last digest: {bank.ledger[-1].digest}")


def main():
    bank = Bank(ACCOUNTS)
    events = make_events(random.Random(SEED), bank.customers())
    while events:
        day, _, event = heapq.heappop(events)
        bank.handle(day, event)
    print_verdicts(bank.verdicts)
    print_accounts(bank)
    print_months(bank.ledger)
    print_audit(bank)


if __name__ == "__main__":
    main()
