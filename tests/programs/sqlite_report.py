"""Build a small shop database in memory and report on it.

The data comes from a fixed seed.  The program shows the parts of SQL that a
report usually needs: foreign keys, bulk inserts, joins, common table
expressions (one of them recursive), window functions, JSON, a trigger, an
aggregate function written in Python, and a transaction that is rolled back.
"""

import json
import random
import sqlite3
import statistics
from datetime import date, timedelta

SEED = 335
CUSTOMER_COUNT = 400
ORDER_COUNT = 8_000
FIRST_DAY = date(2024, 1, 1)
CATEGORIES = (  # id, parent, name
    (1, None, "Everything"),
    (2, 1, "House"),
    (3, 1, "Outdoors"),
    (4, 2, "Kitchen"),
    (5, 2, "Bedroom"),
    (6, 3, "Garden"),
    (7, 3, "Camping"),
)
PRODUCT_NAMES = {
    4: ("Kettle", "Saucepan", "Bread knife", "Teapot"),
    5: ("Pillow", "Quilt", "Bedside lamp"),
    6: ("Spade", "Hose", "Watering can", "Bird table"),
    7: ("Tent", "Sleeping bag", "Lantern"),
}
CITIES = ("Aarhus", "Bergen", "Cádiz", "Dundee", "Évora", "Gdańsk")
TOPICS = ("offers", "recipes", "repairs", "gardening")

SCHEMA = """
PRAGMA foreign_keys = ON;
CREATE TABLE category (
    id INTEGER PRIMARY KEY,
    parent_id INTEGER REFERENCES category (id),
    name TEXT NOT NULL UNIQUE
);
CREATE TABLE product (
    id INTEGER PRIMARY KEY,
    category_id INTEGER NOT NULL REFERENCES category (id),
    name TEXT NOT NULL,
    price INTEGER NOT NULL,  -- cents
    stock INTEGER NOT NULL,
    CONSTRAINT stock_not_negative CHECK (stock >= 0)
);
CREATE TABLE customer (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    city TEXT NOT NULL,
    settings TEXT NOT NULL  -- JSON
);
CREATE TABLE purchase (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES customer (id),
    day TEXT NOT NULL
);
CREATE TABLE line (
    purchase_id INTEGER NOT NULL REFERENCES purchase (id) ON DELETE CASCADE,
    product_id INTEGER NOT NULL REFERENCES product (id),
    quantity INTEGER NOT NULL,
    price INTEGER NOT NULL,
    PRIMARY KEY (purchase_id, product_id)
) WITHOUT ROWID;
CREATE TABLE price_change (
    id INTEGER PRIMARY KEY,
    product_id INTEGER NOT NULL REFERENCES product (id),
    old_price INTEGER NOT NULL,
    new_price INTEGER NOT NULL
);
CREATE INDEX purchase_by_customer ON purchase (customer_id);
CREATE INDEX line_by_product ON line (product_id);
CREATE VIEW sale AS
    SELECT purchase.id AS purchase_id, customer_id, day, product_id, quantity,
           quantity * price AS cents
    FROM purchase JOIN line ON line.purchase_id = purchase.id;
CREATE TRIGGER note_price_change AFTER UPDATE OF price ON product
WHEN old.price <> new.price
BEGIN
    INSERT INTO price_change (product_id, old_price, new_price)
    VALUES (old.id, old.price, new.price);
END;
"""


class Median:
    """The SQL aggregate median(x)."""

    def __init__(self):
        self.values = []

    def step(self, value):
        if value is not None:
            self.values.append(value)

    def finalize(self):
        return statistics.median(self.values) if self.values else None


def money(cents):
    """The SQL function money(cents), for showing an amount."""
    return None if cents is None else f"{cents / 100:,.2f}"


def open_database():
    database = sqlite3.connect(":memory:")
    database.create_aggregate("median", 1, Median)
    database.create_function("money", 1, money, deterministic=True)
    database.executescript(SCHEMA)
    return database


def make_customer(rng, number):
    settings = {
        "newsletter": rng.random() < 0.6,
        "topics": [topic for topic in TOPICS if rng.random() < 0.4],
        "delivery": {"day": rng.choice(("Monday", "Thursday")), "doorbell": rng.random() < 0.5},
    }
    city = rng.choices(CITIES, range(len(CITIES), 0, -1))[0]
    return number, f"Customer {number:03d}", city, json.dumps(settings)


def make_products(rng):
    names = [(category, name) for category, group in PRODUCT_NAMES.items() for name in group]
    return [
        (number, category, name, rng.randrange(500, 9_000, 50), rng.randint(20, 200))
        for number, (category, name) in enumerate(names, start=1)
    ]


def make_purchases(rng, products):
    """Return the rows for the tables `purchase` and `line`."""
    purchases, lines = [], []
    for number in range(1, ORDER_COUNT + 1):
        day = FIRST_DAY + timedelta(days=rng.randrange(366))
        purchases.append((number, rng.randint(1, CUSTOMER_COUNT), day.isoformat()))
        for product_id, _, _, price, _ in rng.sample(products, rng.randint(1, 4)):
            lines.append((number, product_id, rng.randint(1, 3), price))
    return purchases, lines


def fill(database):
    rng = random.Random(SEED)
    products = make_products(rng)
    purchases, lines = make_purchases(rng, products)
    customers = (make_customer(rng, number) for number in range(1, CUSTOMER_COUNT + 1))
    with database:
        database.executemany("INSERT INTO category VALUES (?, ?, ?)", CATEGORIES)
        database.executemany("INSERT INTO product VALUES (?, ?, ?, ?, ?)", products)
        database.executemany("INSERT INTO customer VALUES (?, ?, ?, ?)", customers)
        database.executemany("INSERT INTO purchase VALUES (?, ?, ?)", purchases)
        database.executemany("INSERT INTO line VALUES (?, ?, ?, ?)", lines)


def print_table(title, cursor):
    """Print a query's result; numbers and amounts of money go to the right."""
    names = [column[0] for column in cursor.description]
    rows = [["-" if cell is None else str(cell) for cell in row] for row in cursor]
    columns = list(zip(names, *rows))
    widths = [max(map(len, column)) for column in columns]
    is_number = [any(cell[-1:].isdigit() for cell in column[1:]) for column in columns]
    print(f"\n{title}")
    for cells in (names, ["-" * width for width in widths], *rows):
        print("  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(cells, widths, is_number)
        ).rstrip())


REPORTS = {
    "Rows in each table": """
        SELECT 'customer' AS "table", count(*) AS "rows" FROM customer
        UNION ALL SELECT 'product', count(*) FROM product
        UNION ALL SELECT 'purchase', count(*) FROM purchase
        UNION ALL SELECT 'line', count(*) FROM line""",
    "Sales by category, subcategories included": """
        WITH RECURSIVE tree (id, top_id, path) AS (
            SELECT id, id, name FROM category
            UNION ALL
            SELECT category.id, tree.top_id, tree.path
            FROM tree JOIN category ON category.parent_id = tree.id
        )
        SELECT tree.path AS category, count(DISTINCT product.id) AS products,
               sum(quantity) AS items, money(sum(cents)) AS sales
        FROM tree
        JOIN product ON product.category_id = tree.id
        JOIN sale ON sale.product_id = product.id
        GROUP BY tree.top_id ORDER BY sum(cents) DESC""",
    "Sales by month": """
        WITH monthly AS (
            SELECT substr(day, 1, 7) AS month, sum(cents) AS cents FROM sale GROUP BY month
        )
        SELECT month, money(cents) AS sales, money(cents - lag(cents) OVER by_month) AS change,
               money(sum(cents) OVER by_month) AS "so far",
               rank() OVER (ORDER BY cents DESC) AS rank
        FROM monthly WINDOW by_month AS (ORDER BY month) ORDER BY month""",
    "The two best products of each category": """
        WITH ranked AS (
            SELECT category.name AS category, product.name AS product, sum(cents) AS cents,
                   row_number() OVER (
                       PARTITION BY category.id ORDER BY sum(cents) DESC
                   ) AS place
            FROM sale
            JOIN product ON product.id = sale.product_id
            JOIN category ON category.id = product.category_id
            GROUP BY product.id
        )
        SELECT category, place, product, money(cents) AS sales
        FROM ranked WHERE place <= 2 ORDER BY category, place""",
    "Purchases by city": """
        WITH basket AS (
            SELECT customer_id, sum(cents) AS cents FROM sale GROUP BY purchase_id
        )
        SELECT city, count(DISTINCT customer_id) AS customers, count(*) AS purchases,
               money(avg(cents)) AS mean, money(median(cents)) AS median,
               count(*) FILTER (WHERE cents > 20000) AS "over 200"
        FROM basket JOIN customer ON customer.id = customer_id
        GROUP BY city ORDER BY city""",
    "Newsletter topics, from JSON": """
        SELECT topic.value AS topic, count(*) AS readers,
               sum(json_extract(settings, '$.delivery.day') = 'Monday') AS "on Mondays"
        FROM customer, json_each(settings, '$.topics') AS topic
        WHERE json_extract(settings, '$.newsletter')
        GROUP BY topic ORDER BY readers DESC, topic""",
    "Three best customers, as JSON": """
        SELECT json_object('name', name, 'city', city, 'spent', money(sum(cents)),
                           'topics', json_extract(settings, '$.topics')) AS document
        FROM sale JOIN customer ON customer.id = customer_id
        GROUP BY customer_id ORDER BY sum(cents) DESC, customer_id LIMIT 3""",
}


def raise_prices(database):
    """Change some prices, which the trigger notes, and show what it noted."""
    with database:
        database.execute("UPDATE product SET price = price * 11 / 10 WHERE category_id = 7")
        database.execute("UPDATE product SET price = price WHERE category_id = 4")
    print_table("Price changes noted by the trigger", database.execute("""
        SELECT product.name AS product, money(old_price) AS before, money(new_price) AS after
        FROM price_change JOIN product ON product.id = product_id ORDER BY product"""))


def stock_total(database):
    return database.execute("SELECT sum(stock) FROM product").fetchone()[0]


def try_in_transaction(database, purpose, *steps):
    """Run all the steps (each a statement and its values) or, if one fails, none."""
    before = stock_total(database)
    try:
        with database:
            for statement, values in steps:
                database.execute(statement, values)
    except sqlite3.IntegrityError as error:
        verdict = f"rolled back ({error})"
    else:
        verdict = "committed"
    print(f"{purpose}: {verdict}\n    items in stock {before} -> {stock_total(database)}")


def main():
    database = open_database()
    fill(database)
    for title, query in REPORTS.items():
        print_table(title, database.execute(query))
    raise_prices(database)
    print("\nTransactions")
    sell = "UPDATE product SET stock = stock - ? WHERE name = ?"
    forget = "DELETE FROM customer WHERE id = ?"
    try_in_transaction(database, "sell 2 tents", (sell, (2, "Tent")))
    try_in_transaction(
        database, "sell 5 kettles and 900 spades", (sell, (5, "Kettle")), (sell, (900, "Spade"))
    )
    try_in_transaction(database, "forget a customer", (forget, (1,)))
    problems = database.execute("PRAGMA foreign_key_check").fetchall()
    print(f"dangling references: {len(problems)}")
    database.close()


if __name__ == "__main__":
    main()
