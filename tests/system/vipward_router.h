// vipward as a VrrpRouter: `vipward run`, and its service without a backend.
#pragma once

#include "tests/system/vrrp_router.h"

namespace vipward::test {

class VipwardRouter : public VrrpRouter {
 public:
  explicit VipwardRouter(RouterSeat seat) : VrrpRouter(std::move(seat)) {}

  void start() override;

 private:
  std::string config() const;
};

}  // namespace vipward::test
