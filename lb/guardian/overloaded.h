// std::visit with one lambda for each kind. Pure.
#pragma once

namespace vipward {

template <class... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};
// clang 14 does not deduce it for aggregates yet.
template <class... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;

}  // namespace vipward
