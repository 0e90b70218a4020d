#!/usr/bin/env python3
"""generate.py - a day of a payment platform, as two CSV files for `fenlu import`.

    generate.py --folder DIR [--seed N] [--accounts N] [--transfers N]

Writes DIR/accounts.csv and DIR/transfers.csv. Two currencies, each a ledger of its own (ISO 4217
number, minor units): CNY and USD. Wallets and merchants hold what the platform owes them, so their
balance is credits - debits and may not fall below zero; channels and fee income have no limit.

    top-up      channel  -> wallet
    payment     wallet   -> merchant, linked with the fee: merchant -> fee income
    refund      the fee back: fee income -> merchant, linked with: merchant -> wallet
    gift        wallet   -> wallet
    withdrawal  wallet   -> channel
    settlement  merchant -> bank

On purpose some ask for more than there is, some rows come twice as a caller sends them again, and
some ids come again with another amount. The same seed gives the same bytes: nothing here depends on
the clock, on hashing or on floating point beyond a comparison. What the ledger should answer is not
decided here: audit.py works it out from the files.
"""
import argparse
import bisect
import collections
import os
import random

DAY_MS = 1762790400000  # 2025-11-11 00:00 in Shanghai, Unix time
HOUR_MS = 3600 * 1000
# How busy each hour of the day is.
HOURS = (9, 5, 3, 2, 2, 3, 8, 18, 32, 45, 55, 60, 62, 55, 50, 50, 52, 58, 66, 80, 90, 78, 50, 24)

CODE_WALLET, CODE_MERCHANT, CODE_FEES = 2001, 2101, 4001
TOP_UP, PAYMENT, FEE, REFUND, FEE_BACK, WITHDRAWAL, GIFT, SETTLEMENT = range(1, 9)
LIMITED = "debits_must_not_exceed_credits"

# name, ISO number, channels (name, code; the last is the bank), share of 100, and amounts in minor
# units: (of 100, from, to).
CURRENCIES = (
    ("CNY", 156, (("alipay", 1011), ("wechat", 1012), ("bank", 1013)), 75,
     ((45, 100, 3000), (35, 3000, 15000), (15, 15000, 90000), (5, 90000, 900000))),
    ("USD", 840, (("card", 1014), ("paypal", 1015), ("bank", 1013)), 25,
     ((50, 50, 1200), (35, 1200, 6000), (13, 6000, 30000), (2, 30000, 250000))),
)
# What happens, of 1000.
MIX = ((TOP_UP, 190), (PAYMENT, 650), (REFUND, 30), (GIFT, 70), (WITHDRAWAL, 35), (SETTLEMENT, 25))
REFUNDABLE_MAX = 2000
TRIES_ANYWAY = 60  # of 1000 that find too little money in the wallet, instead of topping up
SENT_AGAIN = 3  # of 1000
OTHER_AMOUNT = 1  # of 1000

Row = collections.namedtuple("Row", "id debit credit amount code linked order time_ms")


class Currency:
    """Accounts of one ledger, and what is probably in them."""

    def __init__(self, definition, accounts):
        self.name, self.ledger, self.channels, _, self.amounts = definition
        self.base = self.ledger * 1000000
        self.fees = self.base + len(self.channels) + 1
        self.merchants = max(2, accounts // 10)
        self.wallets = accounts - self.merchants - len(self.channels) - 1
        self.balance = collections.defaultdict(int)
        self.refundable = collections.deque(maxlen=REFUNDABLE_MAX)

    def channel(self, index):
        return self.base + 1 + index

    def bank(self):
        return self.channel(len(self.channels) - 1)

    def merchant(self, index):
        return self.base + 1000 + index

    def wallet(self, index):
        return self.base + 100000 + index

    def accounts(self):
        for index, (_, code) in enumerate(self.channels):
            yield self.channel(index), code, ""
        yield self.fees, CODE_FEES, ""
        for index in range(self.merchants):
            yield self.merchant(index), CODE_MERCHANT, LIMITED
        for index in range(self.wallets):
            yield self.wallet(index), CODE_WALLET, LIMITED


class Day:
    """The operations of one day, one after another."""

    def __init__(self, seed, accounts):
        self.random = random.Random(seed)
        self.time_ms = DAY_MS
        self.serial = 0
        self.currencies = [Currency(definition, accounts * definition[3] // 100)
                           for definition in CURRENCIES]

    def below(self, limit):
        return self.random.randrange(limit)

    def skewed(self, count):
        """Some are far busier than others: the square of a uniform number."""
        at = self.below(1 << 20)
        return (at * at * count) >> 40

    def one_of(self, weights, total):
        at = self.below(total)
        for value, weight in weights:
            if at < weight:
                return value
            at -= weight
        raise AssertionError("weights do not add up to %d" % total)

    def new_id(self):
        """In the order of time, with a random tail."""
        self.serial += 1
        return (self.time_ms << 80) | (self.serial << 48) | self.random.getrandbits(48)

    def amount(self, currency):
        bands = [((low, high), weight) for weight, low, high in currency.amounts]
        low, high = self.one_of(bands, 100)
        return low + self.below(high - low)

    def row(self, currency, debit, credit, amount, code, linked=False, order=0):
        currency.balance[debit] -= amount
        currency.balance[credit] += amount
        return Row(self.new_id(), debit, credit, amount, code, linked, order, self.time_ms)

    def top_up(self, currency, wallet):
        channel = currency.channel(self.one_of(((0, 45), (1, 40), (2, 15)), 100))
        amount = 10 * self.amount(currency)
        return [self.row(currency, channel, wallet, amount, TOP_UP)]

    def refused(self, currency, wallet, code):
        """More than there is; the books of this generator stay as they are."""
        amount = max(0, currency.balance[wallet]) + self.amount(currency)
        merchant = currency.merchant(self.skewed(currency.merchants))
        saved = dict(currency.balance)
        rows = self.pay(currency, wallet, merchant, amount) if code == PAYMENT else [
            self.row(currency, wallet, currency.bank(), amount, code)]
        currency.balance = collections.defaultdict(int, saved)
        return rows

    def pay(self, currency, wallet, merchant, amount):
        fee = (amount * 6 + 500) // 1000
        order = self.random.getrandbits(64)
        rows = [self.row(currency, wallet, merchant, amount, PAYMENT, fee > 0, order)]
        if fee > 0:
            rows.append(self.row(currency, merchant, currency.fees, fee, FEE, False, order))
        return rows

    def payment(self, currency, wallet, amount):
        merchant = currency.merchant(self.skewed(currency.merchants))
        rows = self.pay(currency, wallet, merchant, amount)
        currency.refundable.append(rows)
        return rows

    def refund(self, currency):
        """A whole payment back; a merchant that was paid out meanwhile may lack the money."""
        index = self.below(len(currency.refundable))
        paid = currency.refundable[index]
        del currency.refundable[index]
        rows = []
        if len(paid) == 2:
            rows.append(self.row(currency, paid[1].credit, paid[1].debit, paid[1].amount, FEE_BACK,
                                 True, paid[0].id))
        rows.append(self.row(currency, paid[0].credit, paid[0].debit, paid[0].amount, REFUND, False,
                             paid[0].id))
        return rows

    def settlement(self, currency):
        merchant = currency.merchant(self.skewed(currency.merchants))
        amount = currency.balance[merchant] * 9 // 10
        if amount <= 0:
            return []
        return [self.row(currency, merchant, currency.bank(), amount, SETTLEMENT)]

    def operation(self):
        currency = self.currencies[self.one_of(
            [(index, definition[3]) for index, definition in enumerate(CURRENCIES)], 100)]
        code = self.one_of(MIX, 1000)
        if code == SETTLEMENT:
            return self.settlement(currency)
        if code == REFUND:
            return self.refund(currency) if currency.refundable else []
        wallet = currency.wallet(self.skewed(currency.wallets))
        if code == TOP_UP:
            return self.top_up(currency, wallet)
        amount = self.amount(currency)
        if currency.balance[wallet] < amount:
            if self.below(1000) < TRIES_ANYWAY:
                return self.refused(currency, wallet, code)
            return self.top_up(currency, wallet)
        if code == PAYMENT:
            return self.payment(currency, wallet, amount)
        if code == WITHDRAWAL:
            return [self.row(currency, wallet, currency.bank(), amount, WITHDRAWAL)]
        friend = currency.wallet(self.below(currency.wallets))
        return [self.row(currency, wallet, friend, amount, GIFT)] if friend != wallet else []

    def again(self, rows):
        """The same rows once more, a few of them with another amount."""
        if self.below(SENT_AGAIN + OTHER_AMOUNT) < OTHER_AMOUNT:
            return [rows[0]._replace(amount=rows[0].amount + 1)] + rows[1:]
        return rows


def time_of(share, share_max):
    """The time of day by which so much of the day's business is done."""
    total = sum(HOURS)
    ends = [sum(HOURS[:hour + 1]) * share_max for hour in range(24)]
    at = share * total
    hour = bisect.bisect_right(ends, at)
    done = at - (ends[hour] - HOURS[hour] * share_max)
    return DAY_MS + hour * HOUR_MS + done * HOUR_MS // (HOURS[hour] * share_max)


def transfers(day, wanted):
    """`wanted` transfers with ids of their own, in order of time, and the repeated rows."""
    made = 0
    late = collections.deque()  # (after so many transfers, rows)
    while made < wanted:
        day.time_ms = time_of(made, wanted)
        rows = day.operation()
        if made + len(rows) > wanted:  # one place left, and a chain of two
            wallet = day.currencies[0].wallet(0)
            rows = day.top_up(day.currencies[0], wallet)
        for row in rows:
            yield row
        made += len(rows)
        if rows and day.below(1000) < SENT_AGAIN + OTHER_AMOUNT:
            late.append((made + 1 + day.below(500), day.again(rows)))
        while late and late[0][0] <= made:
            for row in late.popleft()[1]:
                yield row
    for _, rows in late:
        for row in rows:
            yield row


def write_accounts(day, path):
    with open(path, "w", encoding="ascii", newline="\n") as file:
        file.write("id,ledger,code,flags\n")
        for currency in day.currencies:
            for number, code, flags in currency.accounts():
                file.write("%d,%d,%d,%s\n" % (number, currency.ledger, code, flags))


def write_transfers(day, wanted, path):
    count = 0
    with open(path, "w", encoding="ascii", newline="\n") as file:
        file.write("id,debit_account_id,credit_account_id,amount,ledger,code,flags,"
                   "user_data_128,user_data_64\n")
        for row in transfers(day, wanted):
            file.write("0x%032x,%d,%d,%d,%d,%d,%s,%s,%d\n" % (
                row.id, row.debit, row.credit, row.amount, row.debit // 1000000, row.code,
                "linked" if row.linked else "", "0x%x" % row.order if row.order else "",
                row.time_ms))
            count += 1
    return count


def main():
    parser = argparse.ArgumentParser(description="A day of a payment platform as CSV files.")
    parser.add_argument("--folder", required=True, help="where the two files go")
    parser.add_argument("--seed", type=int, default=20251111)
    parser.add_argument("--accounts", type=int, default=20000)
    parser.add_argument("--transfers", type=int, default=200000)
    options = parser.parse_args()
    if options.accounts < 200 or options.transfers < 1000:
        parser.error("at least 200 accounts and 1000 transfers")
    day = Day(options.seed, options.accounts)
    write_accounts(day, os.path.join(options.folder, "accounts.csv"))
    rows = write_transfers(day, options.transfers, os.path.join(options.folder, "transfers.csv"))
    print("accounts=%d transfers=%d rows=%d" % (options.accounts, options.transfers, rows))


if __name__ == "__main__":
    main()
