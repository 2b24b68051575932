// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/maps/ring_buffer.h"

#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <array>
#include <chrono>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "ciliumcore/base/unique_fd.h"
#include "tests/support/require_bpf.h"

namespace ciliumcore::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// A program that runs when told and writes one number to a ring. It is a few
// instructions by hand, so that this test needs no BPF compiler.
class Writer {
 public:
  explicit Writer(int ring) {
    const std::vector<bpf_insn> output = {
        LoadWord(4, 1, 0),  // flags
        LoadWord(3, 1, 8),  // number
        StoreWord(10, -8, 3),
        Pointer(1, ring),
        Second(),
        Move(2, 10),
        AddImmediate(2, -8),
        MoveImmediate(3, 8),
        Call(BPF_FUNC_ringbuf_output),
        Exit(),
    };
    const std::vector<bpf_insn> discard = {
        Pointer(1, ring),
        Second(),
        MoveImmediate(2, 8),
        MoveImmediate(3, 0),
        Call(BPF_FUNC_ringbuf_reserve),
        SkipIfZero(0, 4),
        Move(1, 0),
        MoveImmediate(2, 0),
        Call(BPF_FUNC_ringbuf_discard),
        MoveImmediate(0, 0),
        Exit(),
    };
    output_ = Load(output);
    discard_ = Load(discard);
  }

  // Returns false if the ring was full.
  bool Write(uint64_t number, uint64_t flags = 0) {
    return Run(output_, {flags, number}) == 0;
  }
  void Discard() { Run(discard_, {0, 0}); }

 private:
  static bpf_insn Code(int code, int to, int from, int offset, int value) {
    return {.code = static_cast<__u8>(code),
            .dst_reg = static_cast<__u8>(to & 0xf),
            .src_reg = static_cast<__u8>(from & 0xf),
            .off = static_cast<__s16>(offset),
            .imm = value};
  }
  static bpf_insn LoadWord(int to, int from, int offset) {
    return Code(BPF_LDX | BPF_MEM | BPF_DW, to, from, offset, 0);
  }
  static bpf_insn StoreWord(int to, int offset, int from) {
    return Code(BPF_STX | BPF_MEM | BPF_DW, to, from, offset, 0);
  }
  // Two instructions long; the second is all zeros.
  static bpf_insn Pointer(int to, int fd) {
    return Code(BPF_LD | BPF_DW | BPF_IMM, to, BPF_PSEUDO_MAP_FD, 0, fd);
  }
  static bpf_insn Second() { return Code(0, 0, 0, 0, 0); }
  static bpf_insn Move(int to, int from) {
    return Code(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0);
  }
  static bpf_insn MoveImmediate(int to, int value) {
    return Code(BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value);
  }
  static bpf_insn AddImmediate(int to, int value) {
    return Code(BPF_ALU64 | BPF_ADD | BPF_K, to, 0, 0, value);
  }
  static bpf_insn SkipIfZero(int what, int offset) {
    return Code(BPF_JMP | BPF_JEQ | BPF_K, what, 0, offset, 0);
  }
  static bpf_insn Call(int function) {
    return Code(BPF_JMP | BPF_CALL, 0, 0, 0, function);
  }
  static bpf_insn Exit() { return Code(BPF_JMP | BPF_EXIT, 0, 0, 0, 0); }

  static UniqueFd Load(const std::vector<bpf_insn>& instructions) {
    std::array<char, 16384> log = {};
    LIBBPF_OPTS(bpf_prog_load_opts, options);
    options.prog_flags = BPF_F_SLEEPABLE;
    options.log_buf = log.data();
    options.log_size = log.size();
    options.log_level = 1;
    UniqueFd fd(bpf_prog_load(BPF_PROG_TYPE_SYSCALL, "cc_writer", "GPL",
                              instructions.data(), instructions.size(),
                              &options));
    EXPECT_TRUE(fd.valid()) << log.data();
    return fd;
  }

  static int Run(const UniqueFd& program, std::array<uint64_t, 2> context) {
    LIBBPF_OPTS(bpf_test_run_opts, options);
    options.ctx_in = context.data();
    options.ctx_size_in = sizeof(context);
    EXPECT_EQ(bpf_prog_test_run_opts(program.get(), &options), 0);
    return static_cast<int>(options.retval);
  }

  UniqueFd output_;
  UniqueFd discard_;
};

class RingBufferTest : public ::testing::Test {
 protected:
  void SetUp() override {
    RequireBpf();
    if (IsSkipped()) return;
    auto ring = RingBuffer::Create({.name = "cc_ring", .bytes = 4096});
    ASSERT_TRUE(ring.ok()) << ring.status();
    ring_.emplace(*std::move(ring));
    writer_.emplace(ring_->fd());
  }

  void Collect(absl::Span<const RingBuffer::Record> records) {
    for (const RingBuffer::Record& record : records) {
      ASSERT_EQ(record.size(), 8u);
      uint64_t number;
      std::memcpy(&number, record.data(), sizeof(number));
      numbers_.push_back(number);
    }
  }

  size_t Consume() {
    return ring_->Consume([this](auto records) { Collect(records); });
  }

  size_t Poll(milliseconds timeout) {
    const auto count =
        ring_->Poll(timeout, [this](auto records) { Collect(records); });
    EXPECT_TRUE(count.ok()) << count.status();
    return count.value_or(0);
  }

  std::optional<RingBuffer> ring_;
  std::optional<Writer> writer_;
  std::vector<uint64_t> numbers_;
};

TEST_F(RingBufferTest, ReadsRecordsInTheOrderTheyWereWritten) {
  for (uint64_t i = 0; i < 5; ++i) EXPECT_TRUE(writer_->Write(i));
  EXPECT_EQ(ring_->unread_bytes(), 5 * 16u);
  EXPECT_EQ(Consume(), 5u);
  EXPECT_EQ(numbers_, (std::vector<uint64_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(ring_->unread_bytes(), 0u);
  EXPECT_EQ(Consume(), 0u);
}

TEST_F(RingBufferTest, LosesNoRecordAroundItsEnd) {
  // 4096 bytes hold 256 records of 16: many times around.
  uint64_t next = 0;
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(writer_->Write(next++));
    EXPECT_EQ(Consume(), 100u);
  }
  ASSERT_EQ(numbers_.size(), next);
  for (uint64_t i = 0; i < next; ++i) EXPECT_EQ(numbers_[i], i);
}

TEST_F(RingBufferTest, TakesNewRecordsAgainWhenItWasFull) {
  size_t fit = 0;
  while (writer_->Write(fit)) ++fit;
  EXPECT_GT(fit, 200u);
  EXPECT_EQ(Consume(), fit);
  EXPECT_TRUE(writer_->Write(7));
  EXPECT_EQ(Consume(), 1u);
}

TEST_F(RingBufferTest, PassesOverDiscardedRecords) {
  EXPECT_TRUE(writer_->Write(1));
  writer_->Discard();
  EXPECT_TRUE(writer_->Write(2));
  writer_->Discard();
  EXPECT_EQ(Consume(), 2u);
  EXPECT_EQ(numbers_, (std::vector<uint64_t>{1, 2}));
  EXPECT_EQ(ring_->counts().discarded, 2u);
  EXPECT_EQ(ring_->unread_bytes(), 0u);
}

TEST_F(RingBufferTest, CountsWhatItReads) {
  for (uint64_t i = 0; i < 3; ++i) EXPECT_TRUE(writer_->Write(i));
  Consume();
  EXPECT_EQ(ring_->counts().records, 3u);
  EXPECT_EQ(ring_->counts().bytes, 24u);
}

TEST_F(RingBufferTest, PollReturnsWhenItsTimeIsUp) {
  const auto begin = steady_clock::now();
  EXPECT_EQ(Poll(milliseconds(20)), 0u);
  EXPECT_GE(steady_clock::now() - begin, milliseconds(20));
  EXPECT_EQ(ring_->counts().timeouts, 1u);
}

TEST_F(RingBufferTest, PollReadsSilentRecordsWhenItsTimeIsUp) {
  Poll(
      milliseconds(0));  // the first wait by edge reports the state of the ring
  EXPECT_TRUE(writer_->Write(1, BPF_RB_NO_WAKEUP));
  EXPECT_TRUE(writer_->Write(2, BPF_RB_NO_WAKEUP));
  const auto begin = steady_clock::now();
  EXPECT_EQ(Poll(milliseconds(30)), 2u);
  EXPECT_GE(steady_clock::now() - begin, milliseconds(30)) << "was woken";
  EXPECT_EQ(numbers_, (std::vector<uint64_t>{1, 2}));
}

TEST_F(RingBufferTest, PollWakesWhenAProgramAsks) {
  Poll(milliseconds(0));
  std::thread writer([this] {
    std::this_thread::sleep_for(milliseconds(20));
    EXPECT_TRUE(writer_->Write(1, BPF_RB_NO_WAKEUP));
    EXPECT_TRUE(writer_->Write(2, BPF_RB_FORCE_WAKEUP));
  });
  const auto begin = steady_clock::now();
  EXPECT_EQ(Poll(milliseconds(10000)), 2u);
  EXPECT_LT(steady_clock::now() - begin, milliseconds(5000));
  writer.join();
  EXPECT_GE(ring_->counts().wakeups, 1u);
}

TEST_F(RingBufferTest, LosesNothingToAReaderThatRuns) {
  constexpr uint64_t kRecords = 20000;
  std::thread writer([this] {
    for (uint64_t i = 0; i < kRecords; ++i) {
      // The kernel decides whether to wake; a full ring is tried again.
      while (!writer_->Write(i)) std::this_thread::yield();
    }
  });
  const auto deadline = steady_clock::now() + std::chrono::seconds(60);
  while (numbers_.size() < kRecords && steady_clock::now() < deadline) {
    Poll(milliseconds(10000));
  }
  writer.join();
  ASSERT_EQ(numbers_.size(), kRecords);
  for (uint64_t i = 0; i < kRecords; ++i) ASSERT_EQ(numbers_[i], i);
  EXPECT_EQ(ring_->counts().timeouts, 0u) << "a wake-up was missed";
}

TEST_F(RingBufferTest, RefusesASizeThatIsNoPowerOfTwo) {
  const auto ring = RingBuffer::Create({.name = "cc_ring", .bytes = 5000});
  EXPECT_EQ(ring.status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace ciliumcore::testing
