"""Summarise a CSV export of 50,000 shop orders.

The export is made in memory from a fixed seed and is deliberately untidy: some
cells are quoted, missing, padded, written with a decimal comma or simply
wrong, and some rows have too few or too many cells.  The program reads it back
with the csv module, repairs what can be repaired safely, rejects the rest, and
prints statistics about the orders together with a data-quality report.
"""

import csv
import io
import random
import re
import statistics
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

SEED = 20_240_229
ROW_COUNT = 50_000
DAMAGED_SHARE = 0.04
FIRST_DAY = date(2024, 1, 1)
COLUMNS = "order_id date region product quantity unit_price discount customer".split()
REGION_WEIGHTS = {"North": 30, "South": 25, "East": 20, "West": 15, "Overseas": 10}
LIST_PRICES = (  # in cents
    ("Kettle", 3_490),
    ("Café mug, 350 ml", 890),
    ('Shelf, 24" pine', 2_975),
    ("Garden hose\n(25 metres)", 2_199),
    ("Toolbox", 5_125),
    ("茶壺 tea pot", 7_860),
)
GIVEN_NAMES = "Zoë Jürgen Łucja Søren Ana Đorđe Nuño Ελένη Олег 美咲 Chloé İpek Mary Siân Noor".split()
FAMILY_NAMES = "Ångström Müller Wójcik García Ibáñez Παππάς Шевчук 田中 Yıldız Smith Novák".split()
CUSTOMER_PATTERN = re.compile(r'(?:"[^"]+"|[^"<]+) <([^<>\s@]+@[^<>\s@]+\.\w+)>')


@dataclass(frozen=True, slots=True)
class Order:
    day: date
    region: str
    product: str
    quantity: int
    discount: int  # per cent
    cents: int  # what the customer paid
    email: str


class BadRow(Exception):
    """The row cannot be used; the message says why."""


def make_customers():
    """Return cells such as 'Zoë Müller <zoë.müller@example.org>'."""
    customers = []
    for number, given in enumerate(GIVEN_NAMES):
        for family in FAMILY_NAMES:
            local_part = f"{given}.{family}".lower()
            name = f'"{family}, {given}"' if number % 3 == 0 else f"{given} {family}"
            customers.append(f"{name} <{local_part}@example.org>")
    return customers


def replacing(column, change):
    """Return a damager that passes one cell of a row through `change`."""
    index = COLUMNS.index(column)

    def damage(cells):
        return [*cells[:index], change(cells[index]), *cells[index + 1:]]

    return damage


DAMAGERS = (
    replacing("region", lambda text: ""),
    replacing("region", str.upper),
    replacing("quantity", lambda text: ""),
    replacing("quantity", lambda text: "-" + text),
    replacing("quantity", lambda text: "a few"),
    replacing("unit_price", lambda text: text.replace(".", ",")),
    replacing("unit_price", lambda text: "n/a"),
    replacing("discount", lambda text: ""),
    replacing("discount", lambda text: "120"),
    replacing("date", lambda text: text[:4] + "-02-30"),
    replacing("date", lambda text: "/".join(reversed(text.split("-")))),
    replacing("product", lambda text: f"  {text} "),
    replacing("customer", lambda text: text.replace("@", " at ")),
    replacing("customer", lambda text: unicodedata.normalize("NFD", text)),
    replacing("order_id", lambda text: "A-0000001"),
    lambda cells: cells[:5],
    lambda cells: [*cells, "see note"],
)


def make_export():
    """Return the whole CSV export as one string."""
    rng = random.Random(SEED)
    customers = make_customers()
    rng.shuffle(customers)
    regions, weights = zip(*REGION_WEIGHTS.items())
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for number in range(1, ROW_COUNT + 1):
        product, list_price = rng.choice(LIST_PRICES)
        cents = list_price * rng.randint(90, 110) // 100
        discount = rng.choice((0, 0, 0, 5, 10, 20))
        cells = [
            f"A-{number:07d}",
            (FIRST_DAY + timedelta(days=rng.randrange(366))).isoformat(),
            rng.choices(regions, weights)[0],
            product,
            str(rng.randint(1, 4 + discount // 2)),
            f"{cents // 100}.{cents % 100:02d}",
            str(discount),
            customers[int(len(customers) * rng.random() * rng.random())],
        ]
        if rng.random() < DAMAGED_SHARE:
            cells = rng.choice(DAMAGERS)(cells)
        writer.writerow(cells)
    return buffer.getvalue()


class OrderReader:
    """Turn CSV rows into orders and remember what was wrong with the others."""

    def __init__(self, text):
        self.rows = csv.DictReader(io.StringIO(text, newline=""), restkey="surplus")
        self.row_count = 0
        self.repairs = Counter()
        self.rejections = Counter()
        self.first_bad_line = {}
        self.seen_ids = set()

    def __iter__(self):
        for row in self.rows:
            self.row_count += 1
            try:
                yield self.read_order(row)
            except BadRow as problem:
                reason = str(problem)
                self.rejections[reason] += 1
                self.first_bad_line.setdefault(reason, self.rows.line_num)

    def read_order(self, row):
        if "surplus" in row:
            raise BadRow("too many cells")
        if row["customer"] is None:
            raise BadRow("too few cells")
        day = self.read_date(row["date"])
        region = self.read_region(row["region"])
        product = self.tidy(row["product"], row["product"].strip(), "padding removed")
        quantity = read_whole(row["quantity"], "quantity", 1, 999)
        price = self.read_price(row["unit_price"])
        percentage = self.tidy(row["discount"], row["discount"] or "0", "no discount given")
        discount = read_whole(percentage, "discount", 0, 100)
        customer = unicodedata.normalize("NFC", row["customer"])
        email = find_email(self.tidy(row["customer"], customer, "accents recomposed"))
        if row["order_id"] in self.seen_ids:
            raise BadRow("order id used before")
        self.seen_ids.add(row["order_id"])
        cents = (quantity * price * (100 - discount) + 50) // 100
        return Order(day, region, product, quantity, discount, cents, email)

    def tidy(self, before, after, repair):
        """Return `after`, counting a repair if it differs from `before`."""
        if before != after:
            self.repairs[repair] += 1
        return after

    def read_date(self, text):
        day_first = re.fullmatch(r"(\d\d)/(\d\d)/(\d{4})", text)
        iso_text = "-".join(reversed(day_first.groups())) if day_first else text
        try:
            return date.fromisoformat(self.tidy(text, iso_text, "day/month/year turned round"))
        except ValueError:
            raise BadRow("no such date") from None

    def read_region(self, text):
        if not text:
            raise BadRow("region missing")
        return self.tidy(text, text.capitalize(), "region in capitals")

    def read_price(self, text):
        dotted = self.tidy(text, text.replace(",", "."), "decimal comma")
        if not re.fullmatch(r"\d+\.\d\d", dotted):
            raise BadRow("price unreadable")
        return int(dotted.replace(".", ""))


def read_whole(text, what, low, high):
    if not text:
        raise BadRow(f"{what} missing")
    try:
        number = int(text)
    except ValueError:
        raise BadRow(f"{what} not a number") from None
    if not low <= number <= high:
        raise BadRow(f"{what} out of range")
    return number


@cache
def find_email(customer):
    match = CUSTOMER_PATTERN.fullmatch(customer)
    if match is None:
        raise BadRow("e-mail address unreadable")
    return match[1]


def money(cents):
    return f"{cents / 100:,.2f}"


def pad(text, width):
    """Left-align `text`, counting East Asian wide characters as two columns."""
    used = sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)
    return text + " " * (width - used)


def heading(title):
    print(f"\n{title}\n{'-' * len(title)}")


def print_quality(reader, kept):
    heading("Data quality")
    rejected = reader.row_count - kept
    print(f"rows read {reader.row_count:,}, kept {kept:,}, rejected {rejected:,} "
          f"({rejected / reader.row_count:.2%})")
    print("rejected because:")
    for reason, count in sorted(reader.rejections.items()):
        print(f"  {reason:28}{count:>5}   first at line {reader.first_bad_line[reason]}")
    print("repairs made:")
    for repair, count in sorted(reader.repairs.items()):
        print(f"  {repair:28}{count:>5}")


def print_amounts(orders):
    heading("Order value")
    amounts = [order.cents for order in orders]
    deciles = statistics.quantiles(amounts, n=10)
    print(f"total   {money(sum(amounts)):>15}")
    print(f"mean    {money(statistics.mean(amounts)):>15}")
    print(f"median  {money(statistics.median(amounts)):>15}  "
          f"(from {money(min(amounts))} to {money(max(amounts))})")
    print(f"st.dev. {money(statistics.stdev(amounts)):>15}")
    print("deciles " + "  ".join(money(decile) for decile in deciles))
    quantities = [order.quantity for order in orders]
    discounts = [order.discount for order in orders]
    slope, intercept = statistics.linear_regression(discounts, quantities)
    print(f"items per order = {intercept:.3f} + {slope:.4f} x discount "
          f"(correlation {statistics.correlation(discounts, quantities):.3f})")


def grouped_amounts(orders, key):
    """Return (group name, amounts) pairs, the group that spent most first."""
    groups = defaultdict(list)
    for order in orders:
        groups[key(order)].append(order.cents)
    return sorted(groups.items(), key=lambda item: (-sum(item[1]), item[0]))


def print_groups(title, groups):
    heading(title)
    print(f"{'':26}{'orders':>7}{'total':>15}{'mean':>9}{'median':>9}{'st.dev.':>9}")
    for name, amounts in groups:
        print(f"{pad(' '.join(name.split()), 26)}{len(amounts):>7,}{money(sum(amounts)):>15}"
              f"{money(statistics.mean(amounts)):>9}{money(statistics.median(amounts)):>9}"
              f"{money(statistics.stdev(amounts)):>9}")


def print_months(groups):
    heading("Takings by month")
    best = sum(groups[0][1])
    for month, amounts in sorted(groups):
        print(f"{month} {money(sum(amounts)):>13} {'#' * round(40 * sum(amounts) / best)}")


def print_top_customers(groups, how_many=10):
    heading(f"Top {how_many} of {len(groups)} customers")
    for place, (email, amounts) in enumerate(groups[:how_many], start=1):
        print(f"{place:>2}. {pad(email, 36)}{len(amounts):>5} orders{money(sum(amounts)):>13}")


def main():
    reader = OrderReader(make_export())
    orders = list(reader)
    print(f"Orders of {FIRST_DAY.year}: {len(orders):,} usable rows")
    print_quality(reader, len(orders))
    print_amounts(orders)
    print_groups("By region", grouped_amounts(orders, lambda order: order.region))
    print_groups("By product", grouped_amounts(orders, lambda order: order.product))
    print_months(grouped_amounts(orders, lambda order: order.day.strftime("%Y-%m")))
    print_top_customers(grouped_amounts(orders, lambda order: order.email))


if __name__ == "__main__":
    main()
