// Signs of life: one page of memory that the proxy writes and the guardian reads. Every loop of the proxy
// stamps its slot each 50 ms; who stops stamping is stalled. The page can neither shrink nor grow, so that a
// hostile proxy cannot make the guardian fault by cutting it. Any thread; one writer per slot.
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "lb/event/time.h"
#include "lb/net/fd.h"

namespace vipward::channel {

// Slot 0 is the control loop's, 1 and up the workers'.
inline constexpr std::size_t kVitalsSlots = 65;
inline constexpr std::chrono::milliseconds kVitalsInterval{50};

struct VitalsSlot {
  std::atomic<std::uint64_t> stamp_ns;  // of steady_clock, which is one clock for all processes
  std::atomic<std::int32_t> thread_id;  // gettid(); 0: the slot is not used
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "shared between processes");
static_assert(std::atomic<std::int32_t>::is_always_lock_free, "shared between processes");

// The memory with its descriptor.
class VitalsPage {
 public:
  // The guardian's: mapped read-only. Throws std::system_error.
  static VitalsPage create();
  // The same page again, in the guardian's next image. Throws std::system_error.
  static VitalsPage view(Fd fd);
  // The proxy's, from Setup: mapped for writing. Nullopt if it is no sealed page of this size.
  static std::optional<VitalsPage> map(Fd fd);

  int fd() const { return fd_.get(); }

 private:
  friend class VitalsWriter;
  friend class VitalsReader;
  struct Unmap {
    void operator()(VitalsSlot* slots) const noexcept;
  };
  using Slots = std::unique_ptr<VitalsSlot[], Unmap>;
  VitalsPage(Fd fd, Slots slots) : fd_(std::move(fd)), slots_(std::move(slots)) {}

  Fd fd_;
  Slots slots_;
};

// Of one loop. The page must outlive it.
class VitalsWriter {
 public:
  // `slot` < kVitalsSlots.
  VitalsWriter(VitalsPage& page, std::size_t slot) : slot_(page.slots_[slot]) {}
  void stamp(TimePoint now, pid_t thread_id);
  // The loop has ended: the slot counts as unused.
  void clear();

 private:
  VitalsSlot& slot_;
};

// What the writers said; it may be a lie: any time, also a future one, any thread.
struct Stamp {
  TimePoint at{};
  pid_t thread_id = 0;  // 0: the slot is not used
};

class VitalsReader {
 public:
  explicit VitalsReader(const VitalsPage& page) : page_(page) {}
  std::array<Stamp, kVitalsSlots> snapshot() const;

 private:
  const VitalsPage& page_;
};

}  // namespace vipward::channel
