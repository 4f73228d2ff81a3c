// keepalived as a VrrpRouter: its VRRP process and nothing else of it.
#pragma once

#include "tests/system/vrrp_router.h"

namespace vipward::test {

class KeepalivedRouter : public VrrpRouter {
 public:
  explicit KeepalivedRouter(RouterSeat seat) : VrrpRouter(std::move(seat)) {}

  void start() override;

 private:
  std::string config() const;
};

}  // namespace vipward::test
