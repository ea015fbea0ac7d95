// A C++ book from PyPI under a stream of bench/streams.py: compiled with LIQUIBOOK or LIMIT_ORDER_BOOK.
//
//     book_cpp FILE PREFILL SINGLY
//
// FILE has rows of five int64 (operation, id, side, price, quantity); the first PREFILL build the book
// and are not timed. Prints JSON: ns for the rest, and what the book is at the end. With SINGLY 1 each
// operation is timed by itself, and the percentiles are printed, the timer's own cost taken off.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <unordered_map>
#include <vector>
#include <x86intrin.h>

enum Operation : int64_t { CANCEL, REST, TAKE, REPLACE, REDUCE };

struct Row {
    int64_t operation, id, side, price, qty;
};

struct Total {
    uint64_t bids = 0, bid_lots = 0, asks = 0, ask_lots = 0;
};

#ifdef LIQUIBOOK
#include <book/order_book.h>
using namespace liquibook::book;

// Everything the book knows of an order it asks the order itself.
struct MyOrder {
    uint64_t id, price_, qty_, open;
    bool buy;
    bool is_limit() const { return true; }
    bool is_buy() const { return buy; }
    Price price() const { return price_; }
    Price stop_price() const { return 0; }
    Quantity order_qty() const { return qty_; }
    bool all_or_none() const { return false; }
    bool immediate_or_cancel() const { return false; }
};

class Book : public OrderBook<MyOrder *> {
    std::unordered_map<uint64_t, MyOrder *> by_id_;
    std::vector<MyOrder> orders_;

    void on_fill(MyOrder *const &taker, MyOrder *const &maker, Quantity qty, Price, bool, bool) override {
        taker->open -= qty;
        maker->open -= qty;
        if (maker->open == 0)
            by_id_.erase(maker->id);
    }
    void on_replace(MyOrder *const &order, Quantity, Quantity qty, Price price) override {
        order->open += qty - order->qty_;
        order->qty_ = qty;
        order->price_ = price;
    }

  public:
    explicit Book(size_t rows) {
        by_id_.reserve(rows);
        orders_.reserve(rows);
    }
    void apply(const Row &row) {
        if (row.operation == REST || row.operation == TAKE) {
            orders_.push_back({uint64_t(row.id), uint64_t(row.price), uint64_t(row.qty), uint64_t(row.qty), row.side == 1});
            MyOrder *order = &orders_.back();
            add(order, row.operation == TAKE ? oc_immediate_or_cancel : oc_no_conditions);
            if (row.operation == REST && order->open != 0)
                by_id_.emplace(order->id, order);
            return;
        }
        auto found = by_id_.find(row.id);
        if (found == by_id_.end())
            return;
        MyOrder *order = found->second;
        if (row.operation == CANCEL) {
            cancel(order);
            by_id_.erase(found);
        } else if (row.operation == REDUCE) {
            replace(order, -row.qty, PRICE_UNCHANGED);
        } else if (uint64_t(row.price) != order->price_) {
            replace(order, row.qty - int64_t(order->open), row.price);
        } else {
            // At its own price a replace of this book's would keep its place with more lots.
            cancel(order);
            *order = {uint64_t(row.id), uint64_t(row.price), uint64_t(row.qty), uint64_t(row.qty), order->buy};
            add(order, oc_no_conditions);
        }
    }
    Total total() const {
        Total t;
        for (auto &entry : bids())
            t.bids++, t.bid_lots += entry.second.open_qty();
        for (auto &entry : asks())
            t.asks++, t.ask_lots += entry.second.open_qty();
        return t;
    }
};
#else
#include <limit_order_book.hpp>

class Book {
    LOB::LimitOrderBook book_;

  public:
    explicit Book(size_t) {}
    void apply(const Row &row) {
        auto side = row.side == 1 ? LOB::Side::Buy : LOB::Side::Sell;
        switch (row.operation) {
        case REST: book_.limit(side, row.id, row.qty, row.price); return;
        case TAKE:
            book_.limit(side, row.id, row.qty, row.price);
            if (book_.has(row.id))
                book_.cancel(row.id);
            return;
        case CANCEL: book_.cancel(row.id); return;
        case REDUCE: book_.reduce(row.id, row.qty); return;
        default:
            book_.cancel(row.id);
            book_.limit(side, row.id, row.qty, row.price);
        }
    }
    Total total() const { return {book_.count_buy(), book_.volume_buy(), book_.count_sell(), book_.volume_sell()}; }
};
#endif

static uint64_t now_ns() {
    return std::chrono::steady_clock::now().time_since_epoch().count();
}

int main(int argc, char **argv) {
    if (argc != 4)
        return 2;
    FILE *file = fopen(argv[1], "rb");
    if (!file)
        return 3;
    fseek(file, 0, SEEK_END);
    std::vector<Row> rows(ftell(file) / sizeof(Row));
    rewind(file);
    if (fread(rows.data(), sizeof(Row), rows.size(), file) != rows.size())
        return 4;
    size_t prefill = strtoull(argv[2], nullptr, 10);
    bool singly = argv[3][0] == '1';
    Book book(rows.size());
    for (size_t k = 0; k < prefill; k++)
        book.apply(rows[k]);
    std::vector<uint64_t> ticks(singly ? rows.size() - prefill : 0);
    uint64_t ticks_before = __rdtsc(), before = now_ns();
    if (singly) {
        for (size_t k = prefill; k < rows.size(); k++) {
            uint64_t begun = __rdtsc();
            book.apply(rows[k]);
            ticks[k - prefill] = __rdtsc() - begun;
        }
    } else {
        for (size_t k = prefill; k < rows.size(); k++)
            book.apply(rows[k]);
    }
    uint64_t took = now_ns() - before;
    double per_ns = double(__rdtsc() - ticks_before) / took;
    Total t = book.total();
    printf("{\"took_ns\": %lu, \"book\": [%lu, %lu, %lu, %lu]", took, t.bids, t.bid_lots, t.asks, t.ask_lots);
    if (singly) {
        uint64_t empty = UINT64_MAX;
        for (int k = 0; k < 1000; k++) {
            uint64_t begun = __rdtsc();
            empty = std::min<uint64_t>(empty, __rdtsc() - begun);
        }
        std::sort(ticks.begin(), ticks.end());
        printf(", \"single_ns\": [");
        for (double percent : {50.0, 99.0, 99.9})
            printf("%s%.1f", percent > 50 ? ", " : "", (ticks[size_t((ticks.size() - 1) * percent / 100)] - empty) / per_ns);
        printf("]");
    }
    printf("}\n");
}
