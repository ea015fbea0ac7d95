// SPDX-License-Identifier: Apache-2.0
// The Verilated gateway behind nine C functions: what gateway_fpga/live calls through ctypes or from a
// kernel.  One order a clock cycle, the very RTL.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "Voutcry_gateway.h"
#include "Voutcry_gateway___024root.h"
#include "verilated.h"

// Verilator's own: the two halves of an evaluation, what follows the inputs and what follows the clock.
void Voutcry_gateway___024root___eval_ico(Voutcry_gateway___024root *root);
void Voutcry_gateway___024root___eval_nba(Voutcry_gateway___024root *root);

namespace {

constexpr int WORDS = 16;
constexpr int ERROR_CODE_WORD = ERROR_CODE_BYTE / 4;
constexpr int ERROR_CODE_SHIFT = 8 * (ERROR_CODE_BYTE % 4);
// No answer in this many cycles means that the model is broken: the bus never waits for orders.
constexpr int BUS_CYCLES_MAX = 16;

// Set before the model is made: it draws what its flip-flops hold at power-up.
struct RandomStart : VerilatedContext {
    explicit RandomStart(int seed) {
        randReset(2);
        randSeed(seed);
    }
};

struct Gateway {
    uint64_t cycles = 0;
    RandomStart context;
    Voutcry_gateway model{&context};

    explicit Gateway(int seed) : context(seed) {
        // Reset is high at the first edge of the clock; the inputs are random too unless set.
        model.clk = 0;
        model.m_axis_tready = 1;
        model.s_axis_tvalid = 0;
        model.s_axil_awvalid = model.s_axil_wvalid = model.s_axil_arvalid = 0;
        model.s_axil_bready = model.s_axil_rready = 0;
        std::memset(&model.frames, 0, sizeof model.frames);
        std::memset(&model.left_out, 0, sizeof model.left_out);
        model.rst = 1;
        model.eval();
        reset();
    }
    void reset() {
        model.rst = 1;
        for (int n = 0; n < 4; n++) cycle();
        model.rst = 0;
        cycle();
    }
    // Inputs set before it are there when the clock rises.  Nothing happens when it falls, and that the
    // inputs have changed and the clock has risen is known here, so both halves are begun as Verilator
    // begins them once it has found out: a third less work than both edges take, and an eighth less
    // again than with its search for what has changed (measured), the same model.
    void cycle() {
        cycles++;
        Voutcry_gateway___024root *root = model.rootp;
        root->__VicoTriggered[0] = 1;
        Voutcry_gateway___024root___eval_ico(root);
        root->__VnbaTriggered[0] = 1;
        Voutcry_gateway___024root___eval_nba(root);
    }
};

}  // namespace

extern "C" {

void *outcry_live_new(int seed) { return new Gateway(seed); }

void outcry_live_reset(void *handle) { static_cast<Gateway *>(handle)->reset(); }

void outcry_live_free(void *handle) { delete static_cast<Gateway *>(handle); }

// Writes the verdict into `count` order records; returns how many are rejected.  A model that keeps
// an order to itself is broken: the process ends, so that no order goes on without its verdict.
int64_t outcry_live_batch(int64_t handle, int64_t orders, int64_t count) {
    Gateway &gateway = *reinterpret_cast<Gateway *>(handle);
    Voutcry_gateway &model = gateway.model;
    const uint32_t *in = reinterpret_cast<const uint32_t *>(orders);
    uint32_t *out = reinterpret_cast<uint32_t *>(orders);
    int64_t sent = 0, received = 0, rejected = 0;
    // A command may be under way: its few cycles are waited for, none more.
    int64_t limit = count + 64;
    while (received < count) {
        if (limit-- == 0) {
            std::fprintf(stderr, "the Verilated gateway kept an order to itself\n");
            std::abort();
        }
        model.s_axis_tvalid = sent < count;
        if (sent < count) std::memcpy(model.s_axis_tdata.data(), in + WORDS * sent, 64);
        // The clock's edge takes the beat that is there; ready is as it was before the edge.
        const bool taken = sent < count && model.s_axis_tready;
        gateway.cycle();
        sent += taken;
        if (model.m_axis_tvalid) {
            const uint32_t code =
                (model.m_axis_tdata[ERROR_CODE_WORD] >> ERROR_CODE_SHIFT) & 0xFFFF;
            uint32_t &word = out[WORDS * received + ERROR_CODE_WORD];
            word = (word & ~(UINT32_C(0xFFFF) << ERROR_CODE_SHIFT)) | code << ERROR_CODE_SHIFT;
            rejected += code != 0;
            received++;
        }
    }
    // The last beat leaves with the next edge.
    model.s_axis_tvalid = 0;
    gateway.cycle();
    return rejected;
}

// AXI-Lite write: the answer (0 OKAY), or -1 when none came.
int outcry_live_write(void *handle, uint32_t address, uint32_t value) {
    Gateway &gateway = *static_cast<Gateway *>(handle);
    Voutcry_gateway &model = gateway.model;
    model.s_axil_awaddr = address;
    model.s_axil_wdata = value;
    model.s_axil_wstrb = 15;
    model.s_axil_awvalid = model.s_axil_wvalid = 1;
    model.s_axil_bready = 0;
    int answer = -1;
    for (int n = 0; n < BUS_CYCLES_MAX && answer < 0; n++) {
        gateway.cycle();
        if (model.s_axil_bvalid) answer = model.s_axil_bresp;
    }
    model.s_axil_awvalid = model.s_axil_wvalid = 0;
    model.s_axil_bready = 1;
    gateway.cycle();
    model.s_axil_bready = 0;
    return answer;
}

// AXI-Lite read: the answer (0 OKAY) and the value, or -1 when none came.
int outcry_live_read(void *handle, uint32_t address, uint32_t *value) {
    Gateway &gateway = *static_cast<Gateway *>(handle);
    Voutcry_gateway &model = gateway.model;
    // Counters follow an order by a cycle.
    gateway.cycle();
    model.s_axil_araddr = address;
    model.s_axil_arvalid = 1;
    model.s_axil_rready = 0;
    int answer = -1;
    for (int n = 0; n < BUS_CYCLES_MAX && answer < 0; n++) {
        gateway.cycle();
        if (model.s_axil_rvalid) {
            answer = model.s_axil_rresp;
            *value = model.s_axil_rdata;
        }
    }
    model.s_axil_arvalid = 0;
    model.s_axil_rready = 1;
    gateway.cycle();
    model.s_axil_rready = 0;
    return answer;
}

// A register set from a kernel, and what it commands carried out.  A gateway that does not do it would
// let in what it was told to refuse: the process ends.
int64_t outcry_live_set(int64_t handle, int64_t address, int64_t value) {
    void *gateway = reinterpret_cast<void *>(handle);
    int answer = outcry_live_write(gateway, static_cast<uint32_t>(address), static_cast<uint32_t>(value));
    uint32_t busy = address == ROW_SWAP_REGISTER || address == PARTICIPANT_SET_REGISTER;
    for (int n = 0; n < BUS_CYCLES_MAX && answer == 0 && busy; n++)
        answer = outcry_live_read(gateway, STATUS_REGISTER, &busy);
    if (answer != 0 || busy) {
        std::fprintf(stderr, "the Verilated gateway did not take register %#llx\n",
                     static_cast<unsigned long long>(address));
        std::abort();
    }
    return 0;
}

// Who compiled the model.
const char *outcry_live_compiler() {
#ifdef __clang__
    return __VERSION__;
#else
    return "GCC " __VERSION__;
#endif
}

// Clock cycles since it was made.
int64_t outcry_live_cycles(void *handle) {
    return static_cast<int64_t>(static_cast<Gateway *>(handle)->cycles);
}
}
