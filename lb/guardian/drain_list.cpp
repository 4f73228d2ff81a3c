#include "lb/guardian/drain_list.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "config/nearest_key.h"
#include "config/values.h"
#include "lb/event/utc_text.h"

namespace vipward {
namespace {

// As many names as an operator wants to read.
constexpr std::size_t kMostNamed = 20;
// The end of the year 2199: what a clock that counts nanoseconds can still say.
constexpr std::int64_t kLastUnixMs = 7'258'118'399'999;

std::string name_of(std::string_view service, std::string_view backend) {
  return std::string(service) + "/" + std::string(backend);
}

std::optional<std::int64_t> parse_time(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0 || value > kLastUnixMs)
    return std::nullopt;
  return value;
}

bool is_backend_name(std::string_view text) {
  return config::is_name(text) || SocketAddress::parse(text);
}

// Three words with one space between them; nullopt: something else.
std::optional<std::array<std::string_view, 3>> three_words(std::string_view line) {
  std::array<std::string_view, 3> words;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::size_t space = line.find(' ');
    if ((space == std::string_view::npos) != (i + 1 == words.size())) return std::nullopt;
    words[i] = line.substr(0, space);
    if (space != std::string_view::npos) line.remove_prefix(space + 1);
  }
  return words;
}

std::optional<DrainEntry> parse_line(std::string_view line) {
  const auto words = three_words(line);
  if (!words) return std::nullopt;
  const auto& [name, since, deadline] = *words;
  const std::size_t slash = name.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::string_view service = name.substr(0, slash);
  const std::string_view backend = name.substr(slash + 1);
  const auto since_ms = parse_time(since);
  const auto deadline_ms = parse_time(deadline);
  if (!config::is_name(service) || !is_backend_name(backend) || !since_ms || !deadline_ms)
    return std::nullopt;
  return DrainEntry{.service = std::string(service),
                    .backend = std::string(backend),
                    .since_unix_ms = *since_ms,
                    .deadline_unix_ms = *deadline_ms};
}

std::int64_t unix_ms(DrainList::WallTime time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

// What was probably meant comes first.
std::string unknown_backend(const Config& config, const std::string& name) {
  const bool has_service = name.find('/') != std::string::npos;
  std::vector<std::pair<std::size_t, std::string>> known;
  for (const ServiceConfig& service : config.services) {
    for (const BackendConfig& backend : service.backends) {
      const std::string full = name_of(service.name, backend.name);
      known.emplace_back(config::edit_distance(name, has_service ? full : backend.name), full);
    }
  }
  std::ranges::stable_sort(known, {}, &std::pair<std::size_t, std::string>::first);
  std::string text = "there is no backend \"" + name + "\", there are: ";
  for (std::size_t i = 0; i < std::min(known.size(), kMostNamed); ++i)
    text += (i == 0 ? "" : ", ") + known[i].second;
  if (known.size() > kMostNamed) text += " and " + std::to_string(known.size() - kMostNamed) + " more";
  return text;
}

// The other host relays by its own list.
std::string hint_of_other_host(const Config& config) {
  if (!config.vip || config.vip->peers.empty()) return "";
  return "\ndo the same on the other host: each host has its own list";
}

struct BackendName {
  std::string service;
  std::string backend;
  bool operator==(const BackendName&) const = default;
};

std::vector<BackendName> names_of(const Config& config, const channel::Drains& drains) {
  std::vector<BackendName> names;
  for (const channel::DrainedBackend& drained : drains.backends) {
    const ServiceConfig& service = config.services.at(drained.service);
    names.push_back({.service = service.name, .backend = service.backends.at(drained.backend).name});
  }
  return names;
}

bool is_among(const std::vector<BackendName>& names, const BackendName& name) {
  return std::ranges::find(names, name) != names.end();
}

// The list goes by names: a drain would be lost with one, or be another apiserver's.
void refuse_renamed(const ServiceConfig& now, const std::vector<BackendName>& before,
                    const ServiceConfig& next, const std::vector<BackendName>& after,
                    std::vector<std::string>& refusals) {
  for (const BackendConfig& backend : now.backends) {
    const auto there = std::ranges::find(next.backends, backend.address, &BackendConfig::address);
    if (there == next.backends.end() || there->name == backend.name) continue;
    const bool was_drained = is_among(before, {.service = now.name, .backend = backend.name});
    if (!was_drained && !is_among(after, {.service = next.name, .backend = there->name})) continue;
    refusals.push_back(now.name + ": " + backend.name + " would be called " + there->name +
                       ", and one of these is drained; undrain " +
                       name_of(now.name, was_drained ? backend.name : there->name) + " first");
  }
}

}  // namespace

struct DrainList::Target {
  const ServiceConfig* service = nullptr;
  const BackendConfig* backend = nullptr;
  std::string name() const { return name_of(service->name, backend->name); }
};

DrainList::Parsed DrainList::parse(std::string_view text) {
  Parsed parsed;
  DrainList& list = parsed.list;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    auto entry = parse_line(line);
    if (entry && list.entries_.size() < kMost && list.find(entry->service, entry->backend) == nullptr) {
      list.entries_.push_back(std::move(*entry));
    } else if (!line.empty()) {
      parsed.skipped.emplace_back(line);
    }
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return parsed;
}

std::string DrainList::to_text() const {
  std::string text;
  for (const DrainEntry& entry : entries_) {
    text += name_of(entry.service, entry.backend) + " " + std::to_string(entry.since_unix_ms) + " " +
            std::to_string(entry.deadline_unix_ms) + "\n";
  }
  return text;
}

const DrainEntry* DrainList::find(const std::string& service, const std::string& backend) const {
  const auto found = std::ranges::find_if(entries_, [&](const DrainEntry& entry) {
    return entry.service == service && entry.backend == backend;
  });
  return found == entries_.end() ? nullptr : &*found;
}

// Everything that `name` means.
std::vector<DrainList::Target> DrainList::targets_of(const Config& config, const std::string& name) {
  const std::size_t slash = name.find('/');
  const bool everywhere = slash == std::string::npos;
  const std::string wanted = everywhere ? name : name.substr(slash + 1);
  std::vector<Target> targets;
  for (const ServiceConfig& service : config.services) {
    if (!everywhere && service.name != name.substr(0, slash)) continue;
    for (const BackendConfig& backend : service.backends) {
      if (backend.name == wanted) targets.push_back({.service = &service, .backend = &backend});
    }
  }
  return targets;
}

// Why it cannot be drained; empty: it can. Of one that is drained already only the deadline changes.
std::string DrainList::refusal_of(const Target& target) const {
  const std::string& service = target.service->name;
  if (find(service, target.backend->name) != nullptr) return "";
  const bool another_serves = std::ranges::any_of(target.service->backends, [&](const BackendConfig& other) {
    return other.name != target.backend->name && find(service, other.name) == nullptr;
  });
  if (another_serves) return "";
  if (target.service->backends.size() == 1)
    return service + ": " + target.backend->name + " is the only backend, new clients would be refused";
  return service + ": " + target.backend->name +
         " is the only one that is not drained, new clients would be refused; undrain another one first";
}

DrainEntry DrainList::put(const Target& target, std::optional<std::chrono::milliseconds> limit,
                          WallTime now) {
  DrainEntry entry{.service = target.service->name,
                   .backend = target.backend->name,
                   .since_unix_ms = unix_ms(now),
                   .deadline_unix_ms = limit ? unix_ms(now + *limit) : 0};
  const auto same = std::ranges::find_if(entries_, [&](const DrainEntry& other) {
    return other.service == entry.service && other.backend == entry.backend;
  });
  if (same == entries_.end()) {
    entries_.push_back(entry);
  } else {
    entry.since_unix_ms = same->since_unix_ms;
    *same = entry;
  }
  return entry;
}

DrainList::Outcome DrainList::drain(const Config& config, const std::string& name,
                                    std::optional<std::chrono::milliseconds> limit, WallTime now) {
  const std::vector<Target> targets = targets_of(config, name);
  if (targets.empty()) return {.text = unknown_backend(config, name), .is_problem = true};
  std::size_t more = 0;
  for (const Target& target : targets) {
    if (std::string refusal = refusal_of(target); !refusal.empty())
      return {.text = std::move(refusal), .is_problem = true};
    if (find(target.service->name, target.backend->name) == nullptr) ++more;
  }
  if (entries_.size() + more > kMost)
    return {.text = "no more than " + std::to_string(kMost) + " backends can be drained", .is_problem = true};
  const std::string sessions =
      limit ? "its sessions are closed from " + utc_text(now + *limit) + " on, while another backend is ready"
            : std::string("its sessions are kept until they end");
  Outcome outcome;
  for (const Target& target : targets) {
    const bool is_drained = find(target.service->name, target.backend->name) != nullptr;
    outcome.text +=
        target.name() + (is_drained ? " was drained already, now " : " is drained, ") + sessions + "\n";
    outcome.changed.push_back(put(target, limit, now));
  }
  outcome.text += "vipward status shows how many sessions are left" + hint_of_other_host(config);
  return outcome;
}

DrainList::Outcome DrainList::undrain(const Config& config, const std::string& name) {
  const bool everywhere = name.find('/') == std::string::npos;
  Outcome outcome;
  std::erase_if(entries_, [&](const DrainEntry& entry) {
    const std::string full = name_of(entry.service, entry.backend);
    if (name != (everywhere ? entry.backend : full)) return false;
    const bool is_known = !targets_of(config, full).empty();
    outcome.text +=
        (outcome.text.empty() ? "" : "\n") + full +
        (is_known ? " gets new sessions again" : " is no longer drained; the configuration does not have it");
    outcome.changed.push_back(entry);
    return true;
  });
  if (!outcome.changed.empty()) {
    outcome.text += hint_of_other_host(config);
    return outcome;
  }
  if (targets_of(config, name).empty()) return {.text = unknown_backend(config, name), .is_problem = true};
  return {.text = name + " is not drained"};
}

channel::Drains DrainList::message(const Config& config) const {
  channel::Drains message;
  for (std::size_t i = 0; i < config.services.size(); ++i) {
    const ServiceConfig& service = config.services[i];
    for (std::size_t j = 0; j < service.backends.size(); ++j) {
      const DrainEntry* entry = find(service.name, service.backends[j].name);
      if (entry == nullptr) continue;
      message.backends.push_back({.service = static_cast<std::uint32_t>(i),
                                  .backend = static_cast<std::uint32_t>(j),
                                  .since_unix_ms = entry->since_unix_ms,
                                  .deadline_unix_ms = entry->deadline_unix_ms});
    }
  }
  return message;
}

std::vector<DrainEntry> DrainList::unknown_in(const Config& config) const {
  std::vector<DrainEntry> unknown;
  std::ranges::copy_if(entries_, std::back_inserter(unknown), [&](const DrainEntry& entry) {
    return targets_of(config, name_of(entry.service, entry.backend)).empty();
  });
  return unknown;
}

DrainsAcross drains_across(const Config& now, const channel::Drains& drained_now, const Config& next,
                           const channel::Drains& drained_next) {
  DrainsAcross across;
  for (std::size_t i = 0; i < next.services.size(); ++i) {
    const ServiceConfig& service = next.services[i];
    const auto drained = std::ranges::count(drained_next.backends, i, &channel::DrainedBackend::service);
    if (static_cast<std::size_t>(drained) < service.backends.size()) continue;
    across.refusals.push_back(service.name + ": every backend that it would have is drained, new clients " +
                              "would be refused; undrain " +
                              name_of(service.name, service.backends.front().name) + " first");
  }
  const std::vector<BackendName> before = names_of(now, drained_now);
  const std::vector<BackendName> after = names_of(next, drained_next);
  for (const ServiceConfig& service : now.services) {
    const auto same = std::ranges::find(next.services, service.name, &ServiceConfig::name);
    if (same != next.services.end()) refuse_renamed(service, before, *same, after, across.refusals);
  }
  for (const BackendName& name : before) {
    if (is_among(after, name)) continue;
    across.changes.push_back(name.service + ": " + name.backend + " is no longer configured, it will be " +
                             "drained when it is again; vipward undrain " +
                             name_of(name.service, name.backend) + " ends that");
  }
  for (const BackendName& name : after) {
    if (is_among(before, name)) continue;
    across.changes.push_back(name.service + ": " + name.backend + " is drained, as it was when it was " +
                             "configured before; vipward undrain " + name_of(name.service, name.backend) +
                             " ends that");
  }
  return across;
}

}  // namespace vipward
