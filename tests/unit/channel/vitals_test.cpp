#include "lb/channel/vitals.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/channel/messages.h"

namespace vipward::channel_test {
namespace {

using namespace channel;
using namespace std::chrono_literals;

Fd duplicate(int fd) {
  return Fd(fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

TEST_CASE("what the proxy stamps is what the guardian reads, slot by slot") {
  const VitalsPage guardians = VitalsPage::create();
  auto proxys = VitalsPage::map(duplicate(guardians.fd()));
  REQUIRE(proxys);
  const VitalsReader reader(guardians);
  CHECK(reader.snapshot()[0].thread_id == 0);

  VitalsWriter control(*proxys, 0);
  VitalsWriter last(*proxys, kVitalsSlots - 1);
  control.stamp(TimePoint(1s), 101);
  last.stamp(TimePoint(2s), 102);
  auto stamps = reader.snapshot();
  CHECK(stamps[0].at == TimePoint(1s));
  CHECK(stamps[0].thread_id == 101);
  CHECK(stamps[1].thread_id == 0);
  CHECK(stamps[kVitalsSlots - 1].at == TimePoint(2s));
  CHECK(stamps[kVitalsSlots - 1].thread_id == 102);

  control.clear();
  CHECK(reader.snapshot()[0].thread_id == 0);
}

TEST_CASE("the page can neither shrink nor grow, nor lose its seals") {
  const VitalsPage page = VitalsPage::create();
  CHECK(ftruncate(page.fd(), 0) != 0);
  CHECK(ftruncate(page.fd(), 1 << 20) != 0);
  CHECK(fcntl(page.fd(), F_ADD_SEALS, F_SEAL_WRITE) != 0);
}

TEST_CASE("what is no sealed page of this size is refused and closed") {
  const std::size_t before = open_descriptors();
  CHECK_FALSE(VitalsPage::map(Fd()));
  CHECK_FALSE(VitalsPage::map(some_fd()));
  const auto size = static_cast<off_t>(kVitalsSlots * sizeof(VitalsSlot));
  Fd unsealed(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  REQUIRE(ftruncate(unsealed.get(), size) == 0);
  CHECK_FALSE(VitalsPage::map(std::move(unsealed)));
  Fd smaller(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  REQUIRE(ftruncate(smaller.get(), size - 1) == 0);
  REQUIRE(fcntl(smaller.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0);
  CHECK_FALSE(VitalsPage::map(std::move(smaller)));
  CHECK(open_descriptors() == before);
}

TEST_CASE("a lie on the page stays a value") {
  const VitalsPage page = VitalsPage::create();
  void* const memory = mmap(nullptr, sizeof(VitalsSlot), PROT_READ | PROT_WRITE, MAP_SHARED, page.fd(), 0);
  REQUIRE(memory != MAP_FAILED);
  auto* const slot = static_cast<VitalsSlot*>(memory);
  slot->stamp_ns = std::numeric_limits<std::uint64_t>::max();
  slot->thread_id = -7;
  const Stamp stamp = VitalsReader(page).snapshot()[0];
  CHECK(stamp.at == TimePoint::max());
  CHECK(stamp.thread_id == 0);
  munmap(memory, sizeof(VitalsSlot));
}

}  // namespace
}  // namespace vipward::channel_test
