// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/maps/ring_buffer.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "ciliumcore/base/status.h"
#include "lib/base/status_macros_internal.h"
#include "lib/maps/map_backend_internal.h"
#include "lib/maps/map_errors_internal.h"

namespace ciliumcore {
namespace {

using internal::BpfError;

// Records that one call of a visitor sees at most.
constexpr size_t kBatch = 256;

// A record's length, with two flags on top, precedes it; records begin at
// multiples of 8.
constexpr uint32_t kLengthMask =
    ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);

// Some pages of the ring's fd.
class Mapping {
 public:
  Mapping() = default;
  Mapping(Mapping&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_) {}
  Mapping& operator=(Mapping&&) = delete;
  ~Mapping() {
    if (data_ != nullptr) ::munmap(data_, bytes_);
  }

  static absl::StatusOr<Mapping> Of(int fd, size_t bytes, int protection,
                                    size_t offset) {
    void* data = ::mmap(nullptr, bytes, protection, MAP_SHARED, fd,
                        static_cast<off_t>(offset));
    if (data == MAP_FAILED) return BpfError(errno, "ring buffer: mmap");
    Mapping mapping;
    mapping.data_ = data;
    mapping.bytes_ = bytes;
    return mapping;
  }

  std::byte* data() const { return static_cast<std::byte*>(data_); }

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace

// The kernel lays a ring out as a page with the reader's position, a page with
// the writers', and the data twice in a row, so that no record is torn at the
// end. Positions grow for ever; they are taken modulo the size.
struct RingBuffer::State {
  UniqueFd fd;
  UniqueFd epoll;
  Mapping reader;
  Mapping writer;
  uint64_t mask;
  std::byte* data;
  std::array<Record, kBatch> batch;
  Counts counts;

  State(UniqueFd fd, UniqueFd epoll, Mapping reader, Mapping writer,
        uint64_t bytes, size_t page)
      : fd(std::move(fd)),
        epoll(std::move(epoll)),
        reader(std::move(reader)),
        writer(std::move(writer)),
        mask(bytes - 1),
        data(this->writer.data() + page) {}

  // The kernel's positions are unsigned long.
  unsigned long* reader_position() const {
    return reinterpret_cast<unsigned long*>(reader.data());
  }
  unsigned long ReaderPosition() const {
    return __atomic_load_n(reader_position(), __ATOMIC_RELAXED);
  }
  unsigned long WriterPosition() const {
    return __atomic_load_n(reinterpret_cast<unsigned long*>(writer.data()),
                           __ATOMIC_ACQUIRE);
  }

  // Gathers committed records from `*position` on and moves it behind them.
  size_t Gather(unsigned long* position, unsigned long end) {
    size_t count = 0;
    while (count < batch.size() && *position < end) {
      std::byte* at = data + (*position & mask);
      const uint32_t header =
          __atomic_load_n(reinterpret_cast<uint32_t*>(at), __ATOMIC_ACQUIRE);
      if ((header & BPF_RINGBUF_BUSY_BIT) != 0) break;
      const uint32_t length = header & kLengthMask;
      if ((header & BPF_RINGBUF_DISCARD_BIT) != 0) {
        ++counts.discarded;
      } else {
        batch[count++] = Record(at + BPF_RINGBUF_HDR_SZ, length);
        counts.bytes += length;
      }
      *position += (length + BPF_RINGBUF_HDR_SZ + 7UL) / 8 * 8;
    }
    return count;
  }
};

RingBuffer::RingBuffer(std::unique_ptr<State> state)
    : state_(std::move(state)) {}
RingBuffer::RingBuffer(RingBuffer&&) noexcept = default;
RingBuffer& RingBuffer::operator=(RingBuffer&&) noexcept = default;
RingBuffer::~RingBuffer() = default;

absl::StatusOr<RingBuffer> RingBuffer::Create(
    const RingBufferOptions& options) {
  UniqueFd fd(bpf_map_create(BPF_MAP_TYPE_RINGBUF, options.name.c_str(), 0, 0,
                             options.bytes, nullptr));
  if (!fd.valid()) {
    return BpfError(errno, absl::StrCat("ring buffer ", options.name, " of ",
                                        options.bytes, " bytes"));
  }
  return Adopt(std::move(fd));
}

absl::StatusOr<RingBuffer> RingBuffer::OpenPinned(const std::string& path) {
  UniqueFd fd(bpf_obj_get(path.c_str()));
  if (!fd.valid()) return BpfError(errno, path);
  absl::StatusOr<RingBuffer> ring = Adopt(std::move(fd));
  if (!ring.ok()) return Annotate(ring.status(), path);
  return ring;
}

absl::StatusOr<RingBuffer> RingBuffer::Adopt(UniqueFd fd) {
  CC_RETURN_IF_ERROR(internal::CheckIsMap(fd.get()));
  bpf_map_info info = {};
  __u32 size = sizeof(info);
  if (bpf_obj_get_info_by_fd(fd.get(), &info, &size) != 0) {
    return BpfError(errno, "map info");
  }
  if (info.type != BPF_MAP_TYPE_RINGBUF) {
    return absl::FailedPreconditionError(
        absl::StrCat("map ", info.name, ": is no ring buffer"));
  }
  const size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  CC_ASSIGN_OR_RETURN(Mapping reader,
                      Mapping::Of(fd.get(), page, PROT_READ | PROT_WRITE, 0));
  CC_ASSIGN_OR_RETURN(Mapping writer,
                      Mapping::Of(fd.get(), page + size_t{2} * info.max_entries,
                                  PROT_READ, page));
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  // By edge: by level, a ring with one silent record would never let the reader
  // sleep, and it would read records one at a time.
  epoll_event event = {.events = EPOLLIN | EPOLLET, .data = {}};
  if (!epoll.valid() ||
      ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0) {
    return absl::ErrnoToStatus(errno, "ring buffer: epoll");
  }
  return RingBuffer(std::make_unique<State>(
      std::move(fd), std::move(epoll), std::move(reader), std::move(writer),
      info.max_entries, page));
}

int RingBuffer::fd() const { return state_->fd.get(); }

size_t RingBuffer::Consume(Visit visit) {
  size_t total = 0;
  unsigned long position = state_->ReaderPosition();
  while (true) {
    const unsigned long before = position;
    const size_t count = state_->Gather(&position, state_->WriterPosition());
    if (count > 0) visit(absl::MakeConstSpan(state_->batch.data(), count));
    total += count;
    state_->counts.records += count;
    if (position == before) return total;
    __atomic_store_n(state_->reader_position(), position, __ATOMIC_RELEASE);
    // A writer wakes the reader if it sees that its record is the next to be
    // read. Either it sees the store above, or the next turn sees its record;
    // without a full barrier between them neither might.
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
  }
}

absl::StatusOr<size_t> RingBuffer::Poll(std::chrono::milliseconds timeout,
                                        Visit visit) {
  const int wait = static_cast<int>(std::clamp<std::chrono::milliseconds::rep>(
      timeout.count(), 0, std::numeric_limits<int>::max()));
  epoll_event event;
  const int ready = ::epoll_wait(state_->epoll.get(), &event, 1, wait);
  if (ready < 0 && errno != EINTR) {
    return absl::ErrnoToStatus(errno, "ring buffer: epoll");
  }
  if (ready > 0) ++state_->counts.wakeups;
  if (ready == 0) ++state_->counts.timeouts;
  return Consume(visit);
}

uint64_t RingBuffer::unread_bytes() const {
  return state_->WriterPosition() - state_->ReaderPosition();
}

const RingBuffer::Counts& RingBuffer::counts() const { return state_->counts; }

}  // namespace ciliumcore
