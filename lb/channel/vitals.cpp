#include "lb/channel/vitals.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <system_error>
#include <utility>

namespace vipward::channel {
namespace {

constexpr std::size_t kSize = kVitalsSlots * sizeof(VitalsSlot);
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

[[noreturn]] void fail() {
  throw std::system_error(errno, std::system_category(), "the page for the proxy's signs of life");
}

bool is_page(const Fd& fd) {
  struct stat status {};
  return fstat(fd.get(), &status) == 0 && status.st_size == static_cast<off_t>(kSize) &&
         fcntl(fd.get(), F_GET_SEALS) == kSeals;
}

}  // namespace

void VitalsPage::Unmap::operator()(VitalsSlot* slots) const noexcept {
  munmap(slots, kSize);
}

VitalsPage VitalsPage::create() {
  Fd fd(memfd_create("vipward-vitals", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd || ftruncate(fd.get(), static_cast<off_t>(kSize)) != 0 || fcntl(fd.get(), F_ADD_SEALS, kSeals) != 0)
    fail();
  // Zeroes are what empty slots are made of.
  return view(std::move(fd));
}

VitalsPage VitalsPage::view(Fd fd) {
  if (!is_page(fd)) fail();
  void* const memory = mmap(nullptr, kSize, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (memory == MAP_FAILED) fail();
  return {std::move(fd), Slots(static_cast<VitalsSlot*>(memory))};
}

std::optional<VitalsPage> VitalsPage::map(Fd fd) {
  if (!is_page(fd)) return std::nullopt;
  void* const memory = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (memory == MAP_FAILED) return std::nullopt;
  return VitalsPage(std::move(fd), Slots(static_cast<VitalsSlot*>(memory)));
}

void VitalsWriter::stamp(TimePoint now, pid_t thread_id) {
  const auto since_boot = std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch());
  slot_.stamp_ns.store(static_cast<std::uint64_t>(since_boot.count()), std::memory_order_relaxed);
  // After the stamp: a slot in use has one.
  slot_.thread_id.store(thread_id, std::memory_order_release);
}

void VitalsWriter::clear() {
  slot_.thread_id.store(0, std::memory_order_release);
}

std::array<Stamp, kVitalsSlots> VitalsReader::snapshot() const {
  std::array<Stamp, kVitalsSlots> result;
  for (std::size_t i = 0; i < kVitalsSlots; ++i) {
    const VitalsSlot& slot = page_.slots_[i];
    result[i].thread_id = std::max(slot.thread_id.load(std::memory_order_acquire), 0);
    const std::uint64_t stamp = slot.stamp_ns.load(std::memory_order_relaxed);
    constexpr auto kLast = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    result[i].at = TimePoint(std::chrono::nanoseconds(static_cast<std::int64_t>(std::min(stamp, kLast))));
  }
  return result;
}

}  // namespace vipward::channel
