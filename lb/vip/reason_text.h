// Why a virtual router changed its state, for people: the log and the status say it. Pure.
#pragma once

#include <optional>
#include <string>

#include "lb/vip/instance.h"

namespace vipward {

// `fault`: what this host lacks, empty if it is a full candidate.
std::string reason_text(const Transition& transition, const std::optional<Instance::LastHeard>& heard,
                        TimePoint now, const std::string& fault);

}  // namespace vipward
